"""What histories cost: `python -m benchmarks.histories [--units 64,32,1] [--precision FLOAT32] [--out FOLDER]`.

The step of a shared bottom over 18 features (width 16 each) and two tasks, alone and with two histories that the
candidate attends over (DIN), in turns. Then the same against the mean length of the histories, and against the longest
row of the batch at one mean length: work should follow the first and not the second. Writes `histories.csv` and a
picture. Without `--units` attention is that of (64, 32, 1) units without batch norm; `--units default` is what a
config without `seq_dnn` gets, (128, 64, 32, 1) with batch norm.
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from easymtl.api.tensorflow_start import start_tensorflow

NUM_FEATURES = 18
BAR = 1.6
MEAN, LONGEST = 20, 50
MEANS = (5, 10, 20, 40)
LONGESTS = (50, 200, 1000)
UNITS = "64,32,1"
DEFAULT = "default"
_WIDTH = 16


def lengths_of(rows: int, mean: int, longest: int, random: np.random.Generator) -> np.ndarray:
    """Returns lengths `[rows]` with about this mean, of which none is above `longest` and one is that."""
    # A beta distribution keeps within its ends; but for the longest row no length is above LONGEST.
    most = min(longest, LONGEST)
    spread = np.minimum(np.round(random.beta(2.0, 2.0 / min(mean / most, 0.9) - 2.0, rows) * most), most).astype(int)
    spread[0] = longest
    return spread


def attention_text(units: str) -> str:
    """Returns the field that declares the layers of attention, of widths such as "64,32,1"; nothing for the default."""
    return "" if units == DEFAULT else f"seq_dnn {{ hidden_units: [{units}] use_bn: false }}"


def config_text(has_histories: bool, folder: Path, batch: int, units: str = UNITS, precision: str = "FLOAT32") -> str:
    """Returns the config of one of the models."""
    names = [f"f{place}" for place in range(NUM_FEATURES)]
    histories = ["h1", "h2"] if has_histories else []
    fields = "\n".join(f'  input_fields {{ input_name: "{name}" input_type: STRING }}' for name in [*names, *histories])
    table = f"hash_bucket_size: 100000 embedding_dim: {_WIDTH}"
    features = [f'  features {{ input_names: "{name}" feature_type: IdFeature {table} }}' for name in names]
    features += [f'  features {{ input_names: "{name}" feature_type: SequenceFeature {table} }}' for name in histories]
    attention = "\n".join(
        f'    sequence_features {{ group_name: "{name}" seq_att_map {{ key: "f{place}" hist_seq: "{name}" }}\n'
        f"      {attention_text(units)} need_key_feature: false }}"
        for place, name in enumerate(histories)
    )
    quoted = ", ".join(f'"{name}"' for name in names)
    newline = "\n"
    return f"""
train_input_path: "{folder}/train.parquet"
model_dir: "{folder}/model"
train_config {{ mixed_precision: {precision} optimizer_config {{ adam_optimizer {{ learning_rate {{
  constant_learning_rate {{ learning_rate: 0.001 }} }} }} }} }}
data_config {{
  input_type: ParquetInput batch_size: {batch} num_epochs: 1 label_fields: ["click", "buy"]
  input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "buy" input_type: INT32 }}
{fields}
}}
feature_config {{
{newline.join(features)}
}}
model_config {{
  feature_groups {{ group_name: "all" feature_names: [{quoted}]
{attention}
  }}
  shared_bottom {{
    bottom_dnn {{ hidden_units: [1024, 512, 256] }}
    task_towers {{ tower_name: "click" label_name: "click" dnn {{ hidden_units: [64] }} }}
    task_towers {{ tower_name: "buy" label_name: "buy" dnn {{ hidden_units: [64] }} }}
  }}
}}
"""


def write_rows(folder: Path, rows: int, mean: int, longest: int) -> None:
    """Writes random rows with two histories."""
    random = np.random.default_rng(mean * longest)
    columns: dict[str, pa.Array] = {
        name: pa.array(random.integers(0, 2, rows), pa.int32()) for name in ("click", "buy")
    }
    for place in range(NUM_FEATURES):
        columns[f"f{place}"] = pa.array(random.integers(0, 20_000, rows).astype(str))
    for name in ("h1", "h2"):
        lengths = lengths_of(rows, mean, longest, random)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        items = pa.array(random.integers(0, 20_000, offsets[-1]).astype(str))
        columns[name] = pa.ListArray.from_arrays(offsets, items)
    pq.write_table(pa.table(columns), folder / "train.parquet")


def make_step(
    config: Callable[[Path], str], batch: int, mean: int = MEAN, longest: int = LONGEST
) -> Callable[[], float]:
    """Returns a function that makes steps and tells the seconds of one.

    Args:
        config: returns the text of a config of data in a folder.
        batch: rows of a step.
        mean: mean length of the histories.
        longest: length of the longest one.
    """
    from benchmarks.step import Step

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder, batch, mean, longest)
        (folder / "x.config").write_text(config(folder), encoding="utf-8")
        step = Step(folder / "x.config", [])

    def seconds() -> float:
        begin = time.perf_counter()
        for _ in range(3):
            step.run()
        return (time.perf_counter() - begin) / 3

    return seconds


def ratios(with_: Callable[[], float], without: Callable[[], float], rounds: int) -> list[float]:
    """Returns with / without of each round, the second one first in every other."""
    found = []
    for number in range(rounds):
        if number % 2:
            of_without = without()
            found.append(with_() / of_without)
        else:
            found.append(with_() / without())
    return found


def ratios_at_the_bar(rounds: int, batch: int = 4096) -> list[float]:
    """Returns with / without of each round, in float32 at the lengths that the bar is about."""
    config = partial(config_text, batch=batch)
    return ratios(make_step(partial(config, True), batch), make_step(partial(config, False), batch), rounds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.histories", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--units", default=UNITS, help=f"hidden units of attention, or {DEFAULT}")
    parser.add_argument("--precision", default="FLOAT32", choices=["FLOAT32", "BFLOAT16"])
    parser.add_argument("--out", type=Path, help="folder of histories.csv and histories.svg")
    options = parser.parse_args(arguments)
    start_tensorflow()
    config = partial(config_text, batch=options.batch, units=options.units, precision=options.precision)
    plain = make_step(partial(config, False), options.batch)
    rows = []
    for mean, longest in [(mean, LONGEST) for mean in MEANS] + [(MEAN, longest) for longest in LONGESTS[1:]]:
        found = ratios(make_step(partial(config, True), options.batch, mean, longest), plain, options.rounds)
        middle = statistics.median(found)
        rows.append({"mean": mean, "longest": longest, "ratio": middle, "lowest": min(found), "highest": max(found)})
        bar = f"  (bar: {BAR})" if (mean, longest) == (MEAN, LONGEST) else ""
        text = f"mean {mean:3}, longest {longest:5}: step with histories / without {middle:.2f}"
        print(f"{text} ({min(found):.2f} to {max(found):.2f}){bar}", flush=True)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        with (options.out / "histories.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*rows[0]])
            writer.writeheader()
            writer.writerows(rows)
        draw(rows, options.out / "histories.svg")


def draw(rows: Sequence[dict], path: Path) -> None:
    """Draws cost against mean length, and against the longest row."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "easymtl", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    of_means = [row for row in rows if row["longest"] == LONGEST]
    of_longest = [row for row in rows if row["mean"] == MEAN]
    for axis, kept, key in ((axes[0], of_means, "mean"), (axes[1], of_longest, "longest")):
        axis.plot([row[key] for row in kept], [row["ratio"] for row in kept], marker="o", color="#1f5fa8")
        axis.axhline(1.0, color="#8c8c8c", linewidth=0.8)
        axis.set_xlabel({"mean": "mean length of two histories", "longest": "longest row, at a mean of 20"}[key])
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("step with histories / without")
    axes[1].set_xscale("log")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    main()
