"""What an encoded cache saves: `python -m benchmarks.encoded_cache [NAME] [--rows 1000000] [--rounds 3] [--training]`.

Passes over the training data of a sample config take turns: read and encoded; read, encoded and kept; from what is
kept. Each tells the rows that one core feeds in a second: rows over the processor time of all threads. With
`--training` the network trains from the files and from the cache, beside the step alone, in stretches that take turns.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sample_data import ROOT, ROWS, data_overrides, sample_name, sample_path
from easymtl.api.tensorflow_start import start_tensorflow

WITHOUT, COLD, WARM = "without a cache", "first pass with one", "from the cache"


def measure(config: str, overrides: Sequence[str], folder: Path, rounds: int) -> dict[str, list[float]]:
    """Returns rows of a second of processor time by what is measured, one of each round.

    Args:
        config: path of the config.
        overrides: of the config.
        folder: for the caches.
        rounds: how often all take their turns.
    """
    from easymtl.config import load_config
    from easymtl.tasks.ranker import Ranker

    ranker = Ranker(load_config(config, overrides).pipeline)
    rates: dict[str, list[float]] = {WITHOUT: [], COLD: [], WARM: []}
    for number in range(rounds):
        path = folder / f"cache{number}"
        kept = [*overrides, f"data_config.encoded_cache.path={path}"]
        for name, changes in ((WITHOUT, overrides), (COLD, kept), (WARM, kept)):
            rates[name].append(_rate(load_config(config, changes).pipeline, ranker))
        shutil.rmtree(path)
    return rates


def _rate(pipeline, ranker) -> float:
    """Returns the rows of a pass over the training data for each second of processor time."""
    from easymtl.training.inputs import TrainingInput

    # A pass alone is read block by block, however small the data are.
    pipeline.data_config.num_epochs = 1
    with TrainingInput(pipeline, ranker, None).feed as feed:
        begin = time.process_time()
        num_rows = sum(batch.rows.num_rows for batch in feed)
        return num_rows / (time.process_time() - begin)


def print_training(config: str, overrides: Sequence[str], folder: Path, rounds: int, seconds: float) -> None:
    """Prints how fast training is from the files and from the cache, over the step alone.

    Files of 32 MB or less would stay in memory, and tell nothing.
    """
    from benchmarks.measures import Measure

    overrides = [*overrides, "data_config.num_epochs=1000"]
    data = {"files": overrides, "cache": [*overrides, f"data_config.encoded_cache.path={folder / 'training'}"]}
    found = Measure(Path(config), data, "BFLOAT16")
    found.round(seconds)  # The cache is written.
    found.rates.clear()
    for _ in range(rounds):
        found.round(seconds)
    found.close()
    for name in ("training from files", "training from cache"):
        shares = [rate / step for rate, step in zip(found.rates[name], found.rates["step"])]
        print(f"{name} over the step alone: {statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})")


def main() -> None:
    """Measures, and prints medians, lowest and highest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="dbmtl_on_taobao", type=sample_name)
    parser.add_argument("--rows", type=int, default=10 * ROWS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of a stretch of training")
    parser.add_argument("--training", action="store_true")
    options = parser.parse_args()
    start_tensorflow()
    config = str(sample_path(options.name))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        overrides = data_overrides(options.name, options.rows, 1000, ROOT / "benchmarks" / "large")
        overrides = [*overrides, "data_config.batch_size=4096", "eval_input_path="]
        for name, rates in measure(config, overrides, folder, options.rounds).items():
            rate = statistics.median(rates)
            print(f"{name}: {rate:,.0f} rows/s of a core ({min(rates):,.0f} to {max(rates):,.0f})", flush=True)
        if options.training:
            print_training(config, overrides, folder, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
