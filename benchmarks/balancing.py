"""What task balancing costs: the time of a step with each method over that of a step with fixed weights, in one run.

    python -m benchmarks.balancing [--rounds 7] [--steps 10] [--models taobao census] [--methods pcgrad mgda ...]

Two models: the DBMTL of the taobao shape on synthetic data, and the MMoE of the census shape on made-up rows. Each
method and fixed weights take turns, a few steps at a time; a cell is the median of the pairs' ratios and their range,
of the time that passes, and behind it the median ratio of processor time, which a busy machine disturbs less.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.synth import write

if __name__ == "__main__":
    start_tensorflow()

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.step import Step

CONFIGS = Path(__file__).parent.parent / "samples" / "configs"
METHODS = {
    "uncertainty": "uncertainty {}",
    "random": "random {}",
    "dwa": "dwa {}",
    "gradnorm": "gradnorm {}",
    "pcgrad": "pcgrad {}",
    "mgda": "mgda {}",
    "cagrad": "cagrad {}",
    "nash_mtl": "nash_mtl {}",
    "nash_mtl, update_every: 10": "nash_mtl { update_every: 10 }",
    "pareto": "pareto { min_weight: 0.1 }",
}


@dataclass(frozen=True)
class Workload:
    """A model to be measured: its name, its config and what is changed in it."""

    name: str
    config: Path
    overrides: Sequence[str]


def main() -> None:
    """Measures and prints a table."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        workloads = _workloads(folder, options.precision)
        workloads = [workload for workload in workloads if workload.name.startswith(tuple(options.models))]
        columns = [_measure(workload, options.methods, options.rounds, options.steps) for workload in workloads]
    table = Table("", *[workload.name for workload in workloads])
    for method in options.methods:
        table.add_row(method, *[_text(column[method]) for column in columns])
    Console().print(table)


def _workloads(folder: str, precision: str) -> list[Workload]:
    paths = write("taobao", 40_000, out=folder, eval_rows=4096)
    common = [f"train_config.mixed_precision={precision}", f"model_dir={folder}/model", "eval_input_path="]
    return [
        Workload("taobao, DBMTL", CONFIGS / "dbmtl_on_taobao.config", [*common, f"train_input_path={paths['train']}"]),
        Workload("census, MMoE", CONFIGS / "mmoe_on_census.config", [*common, "data_config.input_type=DummyInput"]),
    ]


def _measure(workload: Workload, methods: Sequence[str], rounds: int, num_steps: int) -> dict[str, list[np.ndarray]]:
    """Returns the ratios of each method, a value per pair."""
    fixed = Step(workload.config, workload.overrides)
    ratios: dict[str, list[np.ndarray]] = {}
    for name in methods:
        method = Step(workload.config, [*workload.overrides, f"train_config.task_balancing={{ {METHODS[name]} }}"])
        _seconds(method, num_steps)
        ratios[name] = []
        for _ in range(rounds):
            base = _seconds(fixed, num_steps)
            ratios[name].append(_seconds(method, num_steps) / base)
        print(f"{workload.name}: {name} {_text(ratios[name])}", file=sys.stderr, flush=True)
    return ratios


def _seconds(step: Step, num_steps: int) -> np.ndarray:
    """Returns the seconds that steps take, and the processor's seconds in them, `[2]`."""
    begin = time.perf_counter(), time.process_time()
    for _ in range(num_steps):
        step.run()
    return np.array([time.perf_counter() - begin[0], time.process_time() - begin[1]])


def _text(ratios: Sequence[np.ndarray]) -> str:
    passed, processor = np.array(ratios).T
    return f"{np.median(passed):.2f} ({passed.min():.2f} to {passed.max():.2f}), {np.median(processor):.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--precision", default="FLOAT32", choices=["AUTO", "FLOAT32", "BFLOAT16"])
    parser.add_argument("--models", nargs="+", default=["taobao", "census"], choices=["taobao", "census"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
