"""Runs a config with EasyRec's data and initial weights, and holds the result against EasyRec's own numbers.

A case is a folder with `pipeline.config`, `train_steps.json` and `.npz` files (tests/data/easyrec_golden/README.md).
`make parity` runs all of them (tests/parity/__main__.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.names_of_easyrec import is_bookkeeping, is_count_of_norm, name_there
from easymtl.config import Config, load_config
from easymtl.data.rows import Rows
from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.layers.context import Call
from easymtl.layers.norm import CONVERGED
from easymtl.layers.target_attention import TargetAttention
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.feed import evaluation_feed
from easymtl.scoring.pass_losses import PassLosses
from easymtl.scoring.scorer import RankerScorer, kept_columns
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.ranker import Ranker
from easymtl.tasks.task import Task
from easymtl.training.balancing.choice import make_descent
from easymtl.training.balancing.descents import Forward, losses_by_task
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.step import make_train_step
from easymtl.training.step_values import StepValues
from tests.parity.comparison import Comparison
from tests.parity.initial_values import compare_initial_values
from tests.parity.kinks import KINK, smallest_before_relu
from tests.parity.metric_values import auc_of_thresholds, compare_metrics
from tests.parity.rounded_powers import round_powers_as_easyrec
from tests.parity.touched_rows import touch_rows_as_easyrec

OVERRIDES = ("train_config.mixed_precision=FLOAT32", "model_config.bn_debias=false")
"""What every case runs with; Adam and AdamW also with `dense_embedding_update`."""

NUM_STEPS = 5
SHIFTS = (
    LossType.PAIR_WISE_LOSS,
    LossType.PAIRWISE_LOGISTIC_LOSS,
    LossType.PAIRWISE_FOCAL_LOSS,
    LossType.PAIRWISE_HINGE_LOSS,
    LossType.LISTWISE_RANK_LOSS,
    LossType.LISTWISE_DISTILL_LOSS,
)
"""A shift of all logits does not change these losses: the last bias has no gradient but noise, which Adam enlarges."""

RENAMED_LOSSES = {"mse": "mse_t"}


def load_golden_config(overrides: Sequence[str] = ()) -> Config:
    """Loads `pipeline.config` of the current folder with what parity needs, and further overrides."""
    overrides = [*OVERRIDES, *overrides]
    plain = load_config("pipeline.config", overrides)
    dense = [
        f"train_config.optimizer_config[{index}].{kind}.dense_embedding_update=true"
        for index, entry in enumerate(plain.pipeline.train_config.optimizer_config)
        if (kind := entry.WhichOneof("optimizer")) in ("adam_optimizer", "adamw_optimizer")
    ]
    return load_config("pipeline.config", [*overrides, *dense])


class GoldenRun:
    """The training of one case, step by step beside EasyRec's."""

    def __init__(self, config: Config, comparison: Comparison):
        self.pipeline: Pipeline = config.pipeline
        self.comparison = comparison
        self.ranker = Ranker(self.pipeline)
        self.descent = make_descent(self.pipeline, self.ranker)
        self.dense = [*self.ranker.dense_variables, *self.descent.trained]
        tables = list(self.ranker.embeddings.variables_by_width.values())
        settings = self.pipeline.train_config
        self.optimizers = Optimizers(settings.optimizer_config, tables, self.dense)
        self.scorer = RankerScorer(self.ranker, tf.float32)
        self.shifted = {task.name for task in self.ranker.tasks if is_shifted(task)}
        # Nor does a shift of all scores of a history: the last bias of attention has no gradient but noise either.
        blocks = [one for one in self.ranker.network.submodules if isinstance(one, TargetAttention)]
        biases = {block.dnn.dense[-1].bias.ref() for block in blocks}
        self.shifts_of_scores = tuple(n for n, p in self.ranker.parameters.items() if p.variable.ref() in biases)
        self.initial = comparison.arrays("weights_init")
        self.pending_kink = 0
        # A bias in front of a norm has no gradient: EasyRec trains it all the same, here it has no slots.
        # What nothing reads is not made here.
        self.unread = tuple(f"{name}/" for name in self.ranker.unread) or ("/",)
        self.untrained = {name for name, p in self.ranker.parameters.items() if not p.variable.trainable}

    def run(self) -> None:
        """Compares everything that the case has numbers for."""
        compare_initial_values(self.ranker, self.comparison)
        load_weights(self.ranker, self.initial)
        self._compare_forward("init")
        if self.comparison.quirk and not self.comparison.quirk.is_trained:
            return
        with TrainingInput(self.pipeline, self.ranker, None).feed as feed:
            batches = [to_tensors(next(feed).rows) for _ in range(NUM_STEPS)]
        self._compare_gradients(batches[0])
        load_weights(self.ranker, self.initial)
        expected = self.comparison.json("train_steps.json")["steps"]
        for number, losses in enumerate(self.train(batches), start=1):
            self._compare_losses(f"step {number}", losses, expected[number - 1]["loss"])
            self.comparison.kink = self.comparison.kink or self.pending_kink
            if number in (1, NUM_STEPS):
                self._compare_weights(f"weights_step{number}")
        self._compare_forward("step5")

    def train(self, batches: list[dict[str, np.ndarray]]) -> Iterator[dict[str, float]]:
        """Trains on each batch and yields the losses before its update."""
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        signature = batch_signature(batches[0])
        settings = self.pipeline.train_config
        touch_rows_as_easyrec(self.ranker.embeddings)
        round_powers_as_easyrec(self.optimizers)
        train_step = make_train_step(self.ranker, self.optimizers, step, settings, tf.float32, signature, self.descent)
        for number, batch in enumerate(batches):
            if not self.comparison.kink and smallest_before_relu(self.ranker, batch, number) < KINK:
                self.pending_kink = number + 1
            rates = np.array(self.optimizers.learning_rates(number), np.float32)
            losses = StepValues.of(train_step(batch, rates)).losses
            yield {name: float(value) for name, value in losses.items()}

    def _compare_losses(self, moment: str, found: Mapping[str, float], expected: Mapping[str, float]) -> None:
        expected = {RENAMED_LOSSES.get(name, name.removeprefix("weighted_")): v for name, v in expected.items()}
        expected["loss"] = expected.pop("total_loss")
        if "regularization_loss" in found:
            # EasyRec has no such entry where a model has nothing to regularize.
            expected.setdefault("regularization_loss", 0.0)
        for name in sorted(set(found) | set(expected)):
            value = found.get(name, np.nan)
            self.comparison.compare("losses", f"losses:{moment} {name}", value, expected.get(name, np.nan))

    def _compare_weights(self, file: str) -> None:
        expected = self.comparison.arrays(file)
        for name, value in weights_of(self.ranker, self.optimizers):
            there = name_there(name, expected)
            is_shift = name.split("/")[0] in self.shifted and "output/bias" in name
            if there is not None and (is_shift or name.startswith(self.shifts_of_scores)):
                expected.pop(there)
            elif there is not None:
                self.comparison.compare("weights", f"{file}:{there}", value, expected.pop(there))
        # A bias in front of a norm has no slots here: it is not trained.
        untrained = tuple(f"{p.name}/" for p in self.ranker.parameters.values() if not p.variable.trainable)
        others = [name for name in expected if not name.startswith(untrained or ("/",))]
        missing = [name for name in others if not is_bookkeeping(name)]
        missing = [name for name in missing if name.rpartition("/")[0] not in self.untrained]
        missing = [name for name in missing if not name.startswith(self.unread)]
        if missing:
            self.comparison.differ(f"{file}:", f"we have no {missing}")

    def _compare_forward(self, moment: str) -> None:
        expected = self.comparison.arrays("forward_eval")
        evaluation = Evaluation(self.ranker.tasks)
        encoder = self.scorer.encoder(evaluation.key_fields)
        with evaluation_feed(self.pipeline, encoder, self.pipeline.eval_input_path) as feed:
            rows = Rows.concat([batch.rows for batch in feed])
        predictions, _ = self.scorer.score(rows)
        self._compare_metrics(moment, evaluation, predictions, rows)
        predictions |= {f"input_layer/{name}": value for name, value in group_values(self.ranker, rows).items()}
        self._compare_predictions(moment, predictions, expected)
        self._compare_eval_losses(moment, rows)

    def _compare_metrics(
        self, moment: str, evaluation: Evaluation, predictions: Mapping[str, np.ndarray], rows: Rows
    ) -> None:
        numbers = {column.name: rows["numbers"][:, i] for i, column in enumerate(self.scorer.number_columns)}
        evaluation.add(dict(predictions), numbers, kept_columns(rows))
        thresholded = {
            name: _auc_of_thresholds(measure.labels(numbers).numpy(), predictions[f"probs_{measure.output}"])
            for task in self.ranker.tasks
            for measure in task.measures
            if (name := f"auc_{measure.name}") in evaluation.metrics
        }
        if not self.shifted or moment == "init":
            compare_metrics(self.comparison, moment, evaluation.result(), thresholded)

    def _compare_eval_losses(self, moment: str, rows: Rows) -> None:
        expected = self.comparison.json("metrics.json").get(f"eval_batch_losses_{moment}", [])
        size = self.pipeline.data_config.batch_size
        for index, losses in enumerate(expected):
            # EasyRec tells the losses of each batch: here it is a pass of one batch.
            _, found = self.scorer.score(rows.slice(index * size, min(size, rows.num_rows - index * size)))
            of_batch = PassLosses(self.ranker.tasks)
            of_batch.add(found)
            self._compare_losses(f"eval_{moment} {index}", of_batch.result(), losses)

    def _compare_predictions(
        self, moment: str, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
    ) -> None:
        for name, value in self._without_shifts(moment, found).items():
            if f"{moment}/{name}" in expected:
                key = f"{moment}/{name}"
                there = expected[key]
                # One prediction of a row is [rows] here; there it is [rows, 1] where it is cut from several logits.
                there = there[:, 0] if there.ndim == value.ndim + 1 and there.shape[1] == 1 else there
                self.comparison.compare("forward", f"forward_eval:{key}", value, there)

    def _without_shifts(self, moment: str, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the predictions that can be compared: of a trained shifted task the logits, without their mean."""
        shifted = {name: name.partition("_")[2] in self.shifted and moment == f"step{NUM_STEPS}" for name in found}
        for name in found:
            there = self.comparison.arrays("forward_eval").get(f"{moment}/{name}")
            if shifted[name] and name.startswith("logits_") and there is not None:
                centred = [value - value.mean() for value in (found[name], there)]
                self.comparison.compare("forward", f"forward_eval:{moment}/{name}", *centred)
        return {name: value for name, value in found.items() if not shifted[name]}

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
        missing = [name for name in expected if not (is_bookkeeping(name) or name.startswith(self.unread))]
        if missing:
            self.comparison.differ("grads_step1:", f"we have no {missing}")

    def _gradients(self, batch: Mapping[str, tf.Tensor]) -> tuple[dict, dict[str, tf.Tensor]]:
        """Returns the gradients of the first batch by variable, and the logits that belong to them."""
        ranker, dense = self.ranker, self.dense
        of_layers: dict[str, tf.Tensor] = {}
        call = Call(training=True, dtype=tf.float32, seed=tf.constant([0, 0], tf.int64), losses=of_layers)
        lookups = ranker.embeddings.lookup(batch)
        rows = [lookup.rows for lookup in lookups.values()]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*dense, *rows])
            logits, norm = ranker.logits(batch, lookups, call)
            parts = replace(ranker.losses_of(logits, batch, norm), of_layers=of_layers)
            forward = Forward(tape, parts, parts.total, losses_by_task(parts), dense, rows, call.seed)
        gradients = self.descent(forward).gradients
        # A bias in front of a norm is not trained here: its gradient is zero but for EasyRec's rounding.
        untrained = [parameter.variable for parameter in ranker.parameters.values()]
        result = {variable.ref(): tf.zeros(variable.shape) for variable in untrained}
        result |= {variable.ref(): gradient for variable, gradient in zip(dense, gradients)}
        for (width, lookup), gradient in zip(lookups.items(), gradients[len(dense) :]):
            variable = ranker.embeddings.variable(width)
            scattered = tf.scatter_nd(lookup.row_numbers[:, tf.newaxis], gradient, tf.shape(variable))
            result[variable.ref()] = scattered
        return result, logits


def _auc_of_thresholds(labels: np.ndarray, predictions: np.ndarray) -> float:
    rows = ~np.isnan(labels)
    return auc_of_thresholds(labels[rows], predictions[rows])


def is_shifted(task: Task) -> bool:
    """Returns whether a shift of all logits of a task changes none of its losses."""
    return all(loss.loss_type in SHIFTS for loss in task.tower.losses) and bool(task.tower.losses)


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


def group_values(ranker: Ranker, rows: Rows) -> dict[str, np.ndarray]:
    """Returns the input of every feature group that has vectors, `[rows, width]`."""
    batch = {name: tf.constant(value) for name, value in to_tensors(rows).items()}
    embeddings = ranker.embeddings
    groups = ranker.network.input_layer(embeddings.looked_up(batch), Call())
    return {name: groups[name].numpy() for name, width in ranker.network.shapes.items() if width}
