"""Trains sample configs as `benchmarks/expected.json` says, and holds their metrics against it.

    python -m benchmarks.accuracy [NAME ...] [--out model_dir/accuracy]
    python -m benchmarks.accuracy NAME ... --write

Each config trains once per seed, by `easymtl train` and from scratch; the mean of a metric over the seeds may be worse
than expected by the tolerance. What is better by more than that passes, and wants a new expectation. Synthetic data is
made; a config whose data is not there and cannot be made up is left out, in so many words, and is an error only when it
was named. The exit code is 1 when a metric fails or nothing could be checked. `--write` makes what was found the new
expectation; a metric without one, `{"tolerance": 0.01}`, gets its first, and a config without an entry gets an entry.

`expected.json`, by config: `seeds`; `metrics` with `expected`, `tolerance` and where there is one the `bar`, which the
mean has to meet whatever is expected; `rows` of the data that it holds for; `set`, further overrides. With `draft` the
config is what `easymtl init` drafts, unedited, from the data of the sample config that it names `beside`: `labels`,
further `arguments`, and `within`, by how much it may be worse than that config, trained with the overrides
`set_beside` on the same rows, which calls a metric `of_beside` where it calls it otherwise.
"""

import argparse
import json
import math
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal

from benchmarks.sample_data import CONFIGS, ROOT, DataMissing, data_overrides, num_parquet_rows, sample_names
from easymtl.config import load_config, view
from easymtl.config.names import METRICS
from easymtl.errors import did_you_mean, quoted
from easymtl.reporting.tables import make_table
from easymtl.reporting.terminal import open_terminal, print_line

EXPECTED = Path(__file__).parent / "expected.json"
_LAST_LINES = 5


@dataclass(frozen=True)
class Check:
    """A metric beside what is expected of it.

    Attributes:
        config: name of the sample config.
        metric: its name in `eval_result.json`.
        values: one per seed.
        expected: their mean, as it was found when this was written; NaN before it was ever found.
        tolerance: how much worse the mean may be.
        bar: what the mean has to meet, or None.
    """

    config: str
    metric: str
    values: tuple[float, ...]
    expected: float
    tolerance: float
    bar: float | None = None

    @property
    def mean(self) -> float:
        """Returns the mean over the seeds."""
        return statistics.fmean(self.values)

    @property
    def verdict(self) -> str:
        """Returns `pass`, `better`, or with capitals what does not pass: `NEW`, `FAIL`, `BELOW BAR`."""
        sign = -1.0 if is_error(self.metric) else 1.0
        gain = sign * (self.mean - self.expected)
        if self.bar is not None and sign * (self.mean - self.bar) < 0:
            return "BELOW BAR"
        if math.isnan(self.expected):
            return "NEW"
        if not gain >= -self.tolerance:
            return "FAIL"
        return "better" if gain > self.tolerance else "pass"

    @property
    def is_passed(self) -> bool:
        """Returns whether the metric is as good as expected, or better."""
        return self.verdict in ("pass", "better")


class TrainingFailed(Exception):
    """A training ended with an error; the message holds its last words."""


def is_error(metric: str) -> bool:
    """Returns whether smaller is better for a result such as `auc_ctr`."""
    kinds = [kind for kind in METRICS if metric.removeprefix("weighted_").startswith(f"{kind}_")]
    return METRICS[max(kinds, key=len)].is_error if kinds else True


def new_entry(name: str) -> dict[str, Any]:
    """Returns what a first check of a sample config trains with; rows and tolerances are to be looked at afterwards."""
    config = load_config(str(CONFIGS / f"{name}.config"))
    tolerances = {metric: 0.05 if is_error(metric) else 0.01 for metric in view.metric_results(config.pipeline)}
    metrics = {metric: {"tolerance": tolerance} for metric, tolerance in tolerances.items()}
    return {"rows": {"train": 200_000, "eval": 40_000}, "seeds": [1, 2], "metrics": metrics}


def check_config(name: str, entry: Mapping[str, Any], folder: Path) -> Iterator[Check]:
    """Trains a config with each of its seeds and yields its metrics beside what is expected.

    Raises:
        DataMissing: its data is not there, or is other data than the expectation was made with.
        TrainingFailed: a training ended with an error.
    """
    rows, draft = entry["rows"], entry.get("draft")
    beside = draft["beside"] if draft else name
    data = data_overrides(beside, rows["train"], rows["eval"], folder / "data")
    _require_rows(data, rows)

    def found_by(config: Path, overrides: Sequence[str], name: str) -> list[dict[str, float]]:
        return [
            train(config, [*overrides, f"train_config.seed={seed}"], folder / f"{name}_{seed}")
            for seed in entry["seeds"]
        ]

    config = CONFIGS / f"{name}.config"
    overrides = [*data, *entry.get("set", ())]
    by_hand: list[dict[str, float]] = []
    if draft:
        config, overrides = drafted(draft, data, folder / f"{name}.config"), entry.get("set", [])
        if "within" in draft:
            hand = CONFIGS / f"{beside}.config"
            by_hand = found_by(hand, [*data, *draft.get("set_beside", ())], f"{name}_beside")
    found = found_by(config, overrides, name)
    for metric, wanted in entry["metrics"].items():
        values = tuple(result[metric] for result in found)
        bar = wanted.get("bar")
        if by_hand:
            most = draft["within"] * (-1.0 if is_error(metric) else 1.0)
            bar = statistics.fmean(result[wanted.get("of_beside", metric)] for result in by_hand) - most
        yield Check(name, metric, values, wanted.get("expected", math.nan), wanted["tolerance"], bar)


def drafted(draft: Mapping[str, Any], data: Sequence[str], path: Path) -> Path:
    """Returns the config that `easymtl init` drafts of data, without an edit.

    Args:
        draft: of an entry.
        data: overrides that name the files.
        path: of the config.

    Raises:
        TrainingFailed: nothing could be drafted.
    """
    train_path, eval_path = (override.split("_input_path=")[1] for override in data[:2])
    words = [sys.executable, "-m", "easymtl", "init", train_path, "--eval", eval_path, "--labels", draft["labels"]]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not train_path.endswith(".parquet"):
        # Files without a header: their columns are those that the config beside reads.
        fields = load_config(str(CONFIGS / f"{draft['beside']}.config")).pipeline.data_config.input_fields
        words += ["--columns", ",".join(field.input_name for field in fields)]
    command = [*words, *draft.get("arguments", ()), "--out", str(path), "--force"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if run.returncode:
        raise TrainingFailed(" ".join(run.stderr.strip().splitlines()[-_LAST_LINES:]))
    return path


def _require_rows(data: Sequence[str], rows: Mapping[str, int]) -> None:
    """Checks that files that were not made here are those that the expectation was made with."""
    for part, path in (override.split("_input_path=") for override in data if not override.startswith("eval_config.")):
        found = num_parquet_rows(path) if path.endswith(".parquet") else rows[part]
        if found != rows[part]:
            raise DataMissing(f"{path} has {found:,} rows; what is expected holds for data of {rows[part]:,} rows")


def train(config: Path, overrides: Sequence[str], model_dir: Path) -> dict[str, float]:
    """Returns the last evaluation of a training from scratch, by `easymtl train` in a process of its own.

    Raises:
        TrainingFailed: it ended with an error.
    """
    shutil.rmtree(model_dir, ignore_errors=True)
    model_dir.mkdir(parents=True)
    settings = [f"model_dir={model_dir}", "export_config.exporter_type=none"]
    sets = [word for override in [*overrides, *settings] for word in ("--set", override)]
    command = [
        sys.executable,
        "-m",
        "easymtl",
        "train",
        "--pipeline_config",
        str(config),
        *sets,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    (model_dir / "train.log").write_text(run.stdout + run.stderr, encoding="utf-8")
    if run.returncode:
        raise TrainingFailed(" ".join(run.stderr.strip().splitlines()[-_LAST_LINES:]))
    return json.loads((model_dir / "eval_result.json").read_text(encoding="utf-8"))


def print_checks(checks: Sequence[Check], terminal: Terminal) -> None:
    """Prints a row per metric."""
    headers = ["config", "metric", "expected", "tolerance", "bar", "found", "by seed", "verdict"]
    rows = [
        [
            check.config,
            check.metric,
            f"{check.expected:.4f}",
            f"{check.tolerance:.4f}",
            "" if check.bar is None else f"{check.bar:.4f}",
            f"{check.mean:.4f}",
            " ".join(f"{value:.4f}" for value in check.values),
            check.verdict,
        ]
        for check in checks
    ]
    terminal.print(make_table(headers, rows, num_left=2))


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the configs and prints the table; returns the exit code."""
    options = _options(arguments)
    document: dict[str, Any] = json.loads(options.expected.read_text(encoding="utf-8"))
    expected = document["configs"]
    for name in options.names:
        if options.write and name in sample_names():
            expected.setdefault(name, new_entry(name))
        if name not in expected:
            hint = did_you_mean(name, expected)
            sys.exit(f'{options.expected} expects nothing of "{name}": choose from {quoted(expected)}.{hint}')
    terminal = open_terminal()
    checks: list[Check] = []
    missing: list[str] = []
    failed: list[str] = []
    for name in options.names or expected:
        begin = time.monotonic()
        try:
            checks += check_config(name, expected[name], options.out.resolve())
            print_line(terminal, f"{name}: {time.monotonic() - begin:.0f} s")
        except DataMissing as error:
            missing.append(f"{name}: left out: {error}")
        except TrainingFailed as error:
            failed.append(f"{name}: FAILED: {error}")
    print_line(terminal, "")
    print_checks(checks, terminal)
    for line in [*missing, *failed]:
        print_line(terminal, line)
    if options.write:
        for check in checks:
            expected[check.config]["metrics"][check.metric]["expected"] = round(check.mean, 4)
        options.expected.write_text(_json_text(document), encoding="utf-8")
    is_incomplete = bool(options.names and missing) or not checks
    return int(bool(failed) or is_incomplete or not all(check.is_passed for check in checks))


def _json_text(document: Mapping[str, Any]) -> str:
    """Returns a document as JSON whose innermost objects and lists stand on one line each."""
    text = json.dumps(document, indent=2)
    return re.sub(r"([\[{])([^][{}]*)([]}])", lambda m: m[1] + " ".join(m[2].split()) + m[3], text) + "\n"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a sample config; all that are expected without one")
    parser.add_argument("--write", action="store_true", help="make what is found the expectation")
    parser.add_argument("--expected", type=Path, default=EXPECTED)
    parser.add_argument("--out", type=Path, default=ROOT / "model_dir" / "accuracy")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
