"""One worker against several at the same rows a step: do losses and AUC differ by more than seeds do?

    python -m benchmarks.workers samples/configs/mmoe_on_census.config --workers 2 --seeds 3

Weights differ for a reason of their own: sums of float32 in another order move a ReLU near 0, and Adam makes a step of
any gradient. So the question is about what comes out of it. Processes are started by `easymtl launch`, as users do.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from easymtl.config import load_config


def main() -> None:
    """Trains each seed both ways and prints the metrics of the last evaluation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--out", help="where the numbers are kept, as JSON")
    options = parser.parse_args()
    batch_size = load_config(options.config, options.overrides).pipeline.data_config.batch_size
    found: dict[str, list[dict[str, float]]] = {"1 worker": [], f"{options.workers} workers": []}
    for seed in range(1, options.seeds + 1):
        for name, workers in zip(found, (1, options.workers)):
            overrides = [
                *options.overrides,
                f"train_config.seed={seed}",
                f"data_config.batch_size={batch_size // workers}",
            ]
            found[name].append(train(options.config, workers, overrides))
    for metric in found["1 worker"][0]:
        print(metric)
        for name, runs in found.items():
            values = [run[metric] for run in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            each = " ".join(f"{value:.5f}" for value in values)
            print(f"  {name:10} {each}  mean {statistics.mean(values):.5f} sd {spread:.5f}")
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def train(config: str, workers: int, overrides: list[str]) -> dict[str, float]:
    """Trains, and returns the metrics of the last evaluation.

    Args:
        config: its path.
        workers: processes on this machine.
        overrides: of the config.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = [*overrides, f"model_dir={folder}/model", "export_config.exporter_type=none"]
        launched = ["launch", "--workers", str(workers), "--"] if workers > 1 else []
        command = [sys.executable, "-m", "easymtl", *launched, "train", config]
        subprocess.run(
            [*command, *(word for text in own for word in ("--set", text))], check=True, stdout=subprocess.DEVNULL
        )
        result = json.loads((Path(folder) / "model" / "eval_result.json").read_text(encoding="utf-8"))
    return {name: value for name, value in result.items() if name == "loss" or name.startswith("auc")}


if __name__ == "__main__":
    main()
