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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from easymtl.config import load_config
from easymtl.synth import write
from easymtl.verbs.tensorflow_start import start_tensorflow

start_tensorflow()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from easymtl.features.encoder import to_tensors  # noqa: E402
from easymtl.tasks.ranker import Ranker  # noqa: E402
from easymtl.training.balancing.choice import make_descent  # noqa: E402
from easymtl.training.inputs import TrainingInput  # noqa: E402
from easymtl.training.optimizers import Optimizers  # noqa: E402
from easymtl.training.precision import dtype_of, resolve_precision  # noqa: E402
from easymtl.training.step import batch_signature, make_train_step  # noqa: E402

CONFIGS = Path(__file__).parent.parent / "samples" / "configs"
FIXED: tuple[str, ...] = ()
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
_WARM_UP = 3


@dataclass(frozen=True)
class Workload:
    """A model to be measured: its name, its config and what is changed in it."""

    name: str
    config: Path
    overrides: Sequence[str]


class Step:
    """The update alone, again and again on one batch."""

    def __init__(self, workload: Workload, overrides: Iterable[str]):
        pipeline = load_config(str(workload.config), [*workload.overrides, *overrides]).pipeline
        settings = pipeline.train_config
        ranker = Ranker(pipeline)
        descent = make_descent(pipeline, ranker)
        dense = [*ranker.dense_variables, *descent.trained]
        optimizers = Optimizers(settings.optimizer_config, list(ranker.embeddings.variables_by_width.values()), dense)
        with TrainingInput(pipeline, ranker, None).feed as feed:
            arrays = to_tensors(next(feed).rows)
        self._batch = {name: tf.constant(value) for name, value in arrays.items()}
        self._rates = tf.constant([1e-4, 1e-4])
        counter = tf.Variable(0, dtype=tf.int64)
        dtype = dtype_of(resolve_precision(settings.mixed_precision))
        signature = batch_signature({name: np.asarray(value) for name, value in arrays.items()})
        self._step = make_train_step(ranker, optimizers, counter, settings, dtype, signature, descent)
        self.seconds(_WARM_UP)

    def seconds(self, num_steps: int) -> np.ndarray:
        """Returns the seconds that the steps took, and the processor's seconds in them, `[2]`."""
        begin = time.perf_counter(), time.process_time()
        for _ in range(num_steps):
            float(self._step(self._batch, self._rates)["loss"])
        return np.array([time.perf_counter() - begin[0], time.process_time() - begin[1]])


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
    fixed = Step(workload, FIXED)
    ratios: dict[str, list[np.ndarray]] = {}
    for name in methods:
        method = Step(workload, [f"train_config.task_balancing={{ {METHODS[name]} }}"])
        method.seconds(num_steps)
        ratios[name] = []
        for _ in range(rounds):
            base = fixed.seconds(num_steps)
            ratios[name].append(method.seconds(num_steps) / base)
        print(f"{workload.name}: {name} {_text(ratios[name])}", file=sys.stderr, flush=True)
    return ratios


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
