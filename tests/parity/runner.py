"""Runs a config with EasyRec's data and initial weights, and holds the result against EasyRec's own numbers.

A case is a folder with `pipeline.config`, `train_steps.json` and `.npz` files (tests/data/easyrec_golden/README.md).
From the root of the repository, `python -m tests.parity.runner [root]` prints one line per case.
"""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.config import Config, load_config
from easymtl.config.problems import ConfigError
from easymtl.features.encoder import to_tensors
from easymtl.layers.context import Call
from easymtl.layers.norm import CONVERGED
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.evaluation import RankerScorer
from easymtl.training.inputs import TrainingInput, evaluation_feed
from easymtl.training.names_of_easyrec import is_count_of_norm, name_there
from easymtl.training.optimizers import Optimizers
from easymtl.training.step import batch_signature, make_train_step
from tests.parity.touched_rows import touch_rows_as_easyrec

OVERRIDES = ("train_config.mixed_precision=FLOAT32", "model_config.bn_debias=false")
"""What every case runs with; Adam and AdamW also with `dense_embedding_update`."""

NUM_STEPS = 5
RELATIVE = 1e-5
ABSOLUTE = {"losses": 2e-6, "forward": 1e-6, "gradients": 2e-6, "weights": 2e-6}
RENAMED_LOSSES = {"mse": "mse_t"}
BEFORE_TRAINING = ("forward_eval:init/", "losses:eval_init")
UNTIL_THE_LOSS = (*BEFORE_TRAINING, "forward_eval:train_step1/")

QUIRKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "04_mmoe_expert_bn": ("batch norm of the experts trains here, and is frozen there", BEFORE_TRAINING),
    "04f_": ("batch norm of the experts trains here, and is frozen there", BEFORE_TRAINING),
    "06": ("losses are weighted means here, and sums over the batch there", BEFORE_TRAINING),
    "08_losses/two_losses": ("each loss has its own weight here, and all the first one's there", UNTIL_THE_LOSS),
    "08_losses/bce_sw": ("sample weights count here, and are ignored there", UNTIL_THE_LOSS),
    "08_losses/ziln_sw": ("sample weights count here, and are ignored there", UNTIL_THE_LOSS),
    "08_losses/listwise_rank_sw": ("sample weights count here, and are ignored there", UNTIL_THE_LOSS),
    "08_losses/uncertainty": ("the weights of the loss and its tower count here, not there", UNTIL_THE_LOSS),
    "08_losses/order_calibrate": ("the weight of the tower counts here, not there", UNTIL_THE_LOSS),
    "09_optimizers/emb_lr_mult": (
        "the multiplier is one of the learning rate here, and there of the gradient, which Adam cancels",
        (*UNTIL_THE_LOSS, "losses:step 1", "gradients_step1:"),
    ),
    "11": ("l2_regularization reaches all kernels here, and there the towers only", UNTIL_THE_LOSS),
    "13": ("dropout draws other numbers", BEFORE_TRAINING),
}
"""Beginning of a case's name -> the behaviour that is not copied, and the checks that hold all the same."""


@dataclass
class Result:
    """How a case ended.

    Attributes:
      case: its folder below the root.
      status: `passed`, `later` (the config is still to be supported), `differs` (as documented), `failed`.
      text: why, or what was compared.
      differences: a sentence for each array that is not as it should be.
      num_compared: arrays that were compared.
    """

    case: str
    status: str = "passed"
    text: str = ""
    differences: list[str] = field(default_factory=list)
    num_compared: int = 0


def find_cases(root: Path) -> list[str]:
    """Returns the cases below a root that hold numbers of a training, sorted."""
    return sorted(str(path.parent.relative_to(root)) for path in root.rglob("train_steps.json"))


def run_case(root: Path, case: str) -> Result:
    """Runs one case."""
    folder = root / case
    with contextlib.chdir(folder):
        try:
            config = load_golden_config()
        except ConfigError as error:
            later = all("not supported yet" in problem.text for problem in error.problems)
            return Result(case, "later" if later else "failed", "; ".join(p.text for p in error.problems))
        comparison = Comparison(folder, case)
        GoldenRun(config, comparison).run()
    return comparison.result()


def load_golden_config() -> Config:
    """Loads `pipeline.config` of the current folder with what parity needs."""
    plain = load_config("pipeline.config", OVERRIDES)
    dense = [
        f"train_config.optimizer_config[{index}].{kind}.dense_embedding_update=true"
        for index, entry in enumerate(plain.pipeline.train_config.optimizer_config)
        if (kind := entry.WhichOneof("optimizer")) in ("adam_optimizer", "adamw_optimizer")
    ]
    return load_config("pipeline.config", [*OVERRIDES, *dense])


class Comparison:
    """Holds arrays against the files of a case, with the noise that EasyRec itself has there."""

    def __init__(self, folder: Path, case: str):
        self.folder = folder
        self.case = case
        noise = self.json("noise.json")
        self.noise: dict[str, float] = noise.get("arrays", {})
        self.largest_noise: dict[str, float] = noise.get("max", {})
        self.quirk = next((quirk for begin, quirk in QUIRKS.items() if case.startswith(begin)), None)
        self.differences: list[str] = []
        self.num_compared = 0

    def json(self, name: str) -> dict:
        """Returns a file of the case, empty when it has none."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else {}

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Returns the arrays of a file of the case, empty when it has none."""
        path = self.folder / f"{name}.npz"
        return dict(np.load(path)) if path.exists() else {}

    def compare(self, kind: str, name: str, found: np.ndarray | float, expected: np.ndarray | float) -> None:
        """Compares one array; `name` is `<file>:<array>` as in noise.json, `kind` one of `ABSOLUTE`."""
        if self.quirk and not name.startswith(self.quirk[1]):
            return
        self.num_compared += 1
        found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
        if found.shape != expected.shape:
            self.differences.append(f"{name}: shape {found.shape}, expected {expected.shape}")
            return
        absolute = max(ABSOLUTE[kind], 4.0 * self._noise_of(name))
        excess = np.abs(found - expected) - (absolute + RELATIVE * np.abs(expected))
        if not np.all(excess <= 0):
            self.differences.append(f"{name}: off by {np.max(np.abs(found - expected)):.3g}, allowed {absolute:.1g}")

    def _noise_of(self, name: str) -> float:
        if name.startswith("losses:eval_step5"):
            return self.largest_noise.get("metrics.json", 0.0)
        return self.noise.get(name, 0.0)

    def result(self) -> Result:
        """Returns what came of it."""
        if self.differences:
            return Result(self.case, "failed", self.differences[0], self.differences, self.num_compared)
        if self.quirk:
            return Result(self.case, "differs", self.quirk[0], [], self.num_compared)
        return Result(self.case, "passed", f"{self.num_compared} arrays", [], self.num_compared)


class GoldenRun:
    """The training of one case, step by step beside EasyRec's."""

    def __init__(self, config: Config, comparison: Comparison):
        self.pipeline: Pipeline = config.pipeline
        self.comparison = comparison
        self.ranker = Ranker(self.pipeline)
        tables = list(self.ranker.embeddings.variables_by_width.values())
        settings = self.pipeline.train_config
        self.optimizers = Optimizers(settings.optimizer_config, tables, self.ranker.dense_variables)
        self.scorer = RankerScorer(self.ranker, tf.float32)
        self.initial = comparison.arrays("weights_init")
        # A bias in front of a norm has no gradient: EasyRec trains it all the same, here it has no slots.
        self.untrained = {name for name, p in self.ranker.parameters.items() if not p.variable.trainable}

    def run(self) -> None:
        """Compares everything that the case has numbers for."""
        load_weights(self.ranker, self.initial)
        self._compare_forward("init")
        with TrainingInput(self.pipeline, self.ranker, None).feed as feed:
            batches = [to_tensors(next(feed).rows) for _ in range(NUM_STEPS)]
        self._compare_gradients(batches[0])
        load_weights(self.ranker, self.initial)
        self._train(batches)
        self._compare_forward("step5")

    def _train(self, batches: list[dict[str, np.ndarray]]) -> None:
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        signature = batch_signature(batches[0])
        settings = self.pipeline.train_config
        touch_rows_as_easyrec(self.ranker.embeddings)
        train_step = make_train_step(self.ranker, self.optimizers, step, settings, tf.float32, signature)
        expected = self.comparison.json("train_steps.json")["steps"]
        for number, batch in enumerate(batches, start=1):
            rates = np.array(self.optimizers.learning_rates(number - 1), np.float32)
            losses = {name: float(value) for name, value in train_step(batch, rates).items()}
            self._compare_losses(f"step {number}", losses, expected[number - 1]["loss"])
            if number in (1, NUM_STEPS):
                self._compare_weights(f"weights_step{number}")

    def _compare_losses(self, moment: str, found: Mapping[str, float], expected: Mapping[str, float]) -> None:
        expected = {RENAMED_LOSSES.get(name, name): value for name, value in expected.items()}
        expected["loss"] = expected.pop("total_loss")
        for name in sorted(set(found) | set(expected)):
            value = found.get(name, np.nan)
            self.comparison.compare("losses", f"losses:{moment} {name}", value, expected.get(name, np.nan))

    def _compare_weights(self, file: str) -> None:
        expected = self.comparison.arrays(file)
        for name, value in weights_of(self.ranker, self.optimizers):
            there = name_there(name, expected)
            if there is not None:
                self.comparison.compare("weights", f"{file}:{there}", value, expected.pop(there))
        # A bias in front of a norm has no slots here: it is not trained.
        untrained = tuple(f"{p.name}/" for p in self.ranker.parameters.values() if not p.variable.trainable)
        others = [name for name in expected if not name.startswith(untrained or ("/",))]
        missing = [name for name in others if name not in ("beta1_power", "beta2_power", "global_step")]
        missing = [name for name in missing if name.rpartition("/")[0] not in self.untrained]
        if missing:
            self.comparison.differences.append(f"{file}: we have no {missing}")

    def _compare_forward(self, moment: str) -> None:
        expected = self.comparison.arrays("forward_eval")
        encoder = self.scorer.encoder([])
        with evaluation_feed(self.pipeline, encoder, self.pipeline.eval_input_path) as feed:
            [rows] = [batch.rows for batch in feed]
        predictions, _ = self.scorer.score(rows)
        predictions |= {f"input_layer/{name}": value for name, value in group_values(self.ranker, rows).items()}
        self._compare_predictions(moment, predictions, expected)
        self._compare_eval_losses(moment, rows)

    def _compare_eval_losses(self, moment: str, rows) -> None:
        expected = self.comparison.json("metrics.json").get(f"eval_batch_losses_{moment}", [])
        size = self.pipeline.data_config.batch_size
        for index, losses in enumerate(expected):
            found = self.scorer.score(rows.slice(index * size, min(size, rows.num_rows - index * size)))[1]
            values = {name: float(value) for name, value in found.items()}
            values["loss"] = sum(values.values())
            self._compare_losses(f"eval_{moment} {index}", values, losses)

    def _compare_predictions(
        self, moment: str, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
    ) -> None:
        for name, value in found.items():
            if f"{moment}/{name}" in expected:
                key = f"{moment}/{name}"
                self.comparison.compare("forward", f"forward_eval:{key}", value, expected[key])

    def _compare_gradients(self, batch: Mapping[str, np.ndarray]) -> None:
        batch = {name: tf.constant(value) for name, value in batch.items()}
        gradients, logits = self._gradients(batch)
        predictions = {name: value.numpy() for name, value in self.ranker.predictions(logits).items()}
        self._compare_predictions("train_step1", predictions, self.comparison.arrays("forward_eval"))
        expected = self.comparison.arrays("grads_step1")
        for name, parameter in self.ranker.parameters.items():
            there = name_there(name, expected)
            if there is not None:
                gradient = gradients.get(parameter.variable.ref(), tf.zeros(parameter.variable.shape))
                value = parameter.read(gradient).numpy()
                self.comparison.compare("gradients", f"grads_step1:{there}", value, expected.pop(there))
        if expected:
            self.comparison.differences.append(f"grads_step1: we have no {list(expected)}")

    def _gradients(self, batch: Mapping[str, tf.Tensor]) -> tuple[dict, dict[str, tf.Tensor]]:
        """Returns the gradients of the first batch by variable, and the logits that belong to them."""
        ranker, dense = self.ranker, self.ranker.dense_variables
        call = Call(training=True, dtype=tf.float32, seed=tf.constant([0, 0], tf.int64))
        lookups = ranker.embeddings.lookup(batch)
        rows = [lookup.rows for lookup in lookups.values()]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*dense, *rows])
            logits, norm = ranker.logits(batch, lookups, call)
            total = ranker.losses_of(logits, batch, norm).total
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(total, [*dense, *rows], unconnected_gradients=zero)
        # A bias in front of a norm is not trained here: its gradient is zero but for EasyRec's rounding.
        untrained = [parameter.variable for parameter in ranker.parameters.values()]
        result = {variable.ref(): tf.zeros(variable.shape) for variable in untrained}
        result |= {variable.ref(): gradient for variable, gradient in zip(dense, gradients)}
        for (width, lookup), gradient in zip(lookups.items(), gradients[len(dense) :]):
            variable = ranker.embeddings.variable(width)
            scattered = tf.scatter_nd(lookup.row_numbers[:, tf.newaxis], gradient, tf.shape(variable))
            result[variable.ref()] = scattered
        return result, logits


def load_weights(ranker: Ranker, values: Mapping[str, np.ndarray]) -> None:
    """Overwrites all parameters with EasyRec's; every one of them must be there."""
    for name, parameter in ranker.parameters.items():
        there = name_there(name, values)
        if is_count_of_norm(name):
            parameter.assign(tf.fill(parameter.shape, CONVERGED))
            continue
        assert there is not None, f"EasyRec has no {name}; it has {sorted(values)}"
        assert values[there].shape == parameter.shape, f"{name}: {values[there].shape} there, {parameter.shape} here"
        parameter.assign(values[there])


def weights_of(ranker: Ranker, optimizers: Optimizers) -> Iterator[tuple[str, np.ndarray]]:
    """Yields every parameter and every slot with its name."""
    for name, parameter in ranker.parameters.items():
        yield name, parameter.read().numpy()
        for slot, variable in optimizers.slots_of(parameter.variable).items():
            yield f"{name}/{slot}", parameter.read(variable).numpy()


def group_values(ranker: Ranker, rows) -> dict[str, np.ndarray]:
    """Returns the input of every feature group, `[rows, width]`."""
    batch = {name: tf.constant(value) for name, value in to_tensors(rows).items()}
    embeddings = ranker.embeddings
    groups = embeddings.groups(batch, embeddings.vectors(batch, embeddings.lookup(batch)))
    return {name: value.numpy() for name, value in groups.items()}


def main(root: Path) -> int:
    """Prints a line per case; the exit code is 1 when one has failed."""
    results = [run_case(root, case) for case in find_cases(root)]
    for result in results:
        print(f"{result.status:8} {result.case}: {result.text}")
        for difference in result.differences[1:10]:
            print(f"{'':9}{difference}")
    statuses = [result.status for result in results]
    print(", ".join(f"{statuses.count(status)} {status}" for status in ("passed", "differs", "later", "failed")))
    return int("failed" in statuses)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "data" / "easyrec_golden")))
