"""What a step costs as the model grows: no more with the vocabulary, with experts no more than their operations."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.measures import num_weights
from benchmarks.step import Step
from benchmarks.workloads import FEW_EXPERTS, DataFiles, vocabulary, workload_named
from easymtl.config import load_config
from easymtl.features.machine_memory import available_memory

SMALL_ROWS = 100_000
_WIDTH = 16
_BYTES_PER_ROW = 4 * _WIDTH * 3
_SPARE = 2.0
"""What the tables need while they are filled, over what they need then."""


def vocabulary_seconds(folder: Path, data: DataFiles, precision: str, rows: int, rounds: int, seconds: float) -> dict:
    """Returns the seconds of a step of the taobao network with few rows of tables and with many, round by round.

    It is the same batch with its ids spread at random over all rows, so that equally many rows are read and written.

    Args:
        folder: for the config.
        data: the data sets.
        precision: `FLOAT32` or `BFLOAT16`.
        rows: of all large tables together.
        rounds: of measuring, in turn.
        seconds: of measuring one size in one round.
    """
    workload = workload_named("taobao_dbmtl")
    path = workload.write_config(folder)
    config = load_config(str(path))
    shared = [*data.overrides(workload), f"train_config.mixed_precision={precision}"]
    steps = {}
    for size in (SMALL_ROWS, rows):
        step = Step(path, [*shared, *vocabulary(config, size)])
        step.spread_ids(seed=size)
        steps[str(size)] = step
    return {"width": _WIDTH, "seconds": in_turn(steps, rounds, seconds)}


def fitting_rows(wanted: int, available: int | None) -> int:
    """Returns the rows of a vocabulary that memory suffices for: those wanted, or half as many, or a quarter, ..."""
    while available is not None and wanted * _BYTES_PER_ROW * _SPARE > available:
        wanted //= 2
    return wanted


def memory_for(rows: int) -> int:
    """Returns the rows of a vocabulary that the free memory of this machine suffices for, at most `rows`."""
    return fitting_rows(rows, available_memory())


def expert_seconds(folder: Path, data: DataFiles, precision: str, rounds: int, seconds: float) -> dict:
    """Returns the seconds of a step of a mixture of 4 experts and of 32, and the dense weights of each."""
    steps = {}
    for name, workload in (("4", FEW_EXPERTS), ("32", workload_named("taobao_mmoe_32"))):
        overrides = [*data.overrides(workload), f"train_config.mixed_precision={precision}"]
        steps[name] = Step(workload.write_config(folder), overrides)
    weights = {name: num_weights(step.ranker) for name, step in steps.items()}
    return {"weights": weights, "seconds": in_turn(steps, rounds, seconds)}


def in_turn(steps: Mapping[str, Step], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Returns the seconds of each step, round by round."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(step.seconds(seconds))
    return times
