"""One task of a multi-task model: its label, its loss, the weights of its samples, its predictions.

A model gives one logits tensor per task and knows nothing else. Everything here is keyed by names, the
tower's and the columns', so that no order of labels or towers in a config can mix two tasks up.
"""

from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from easymtl.config import view
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.numbers import NumberColumn
from easymtl.protos.loss_pb2 import Loss, LossType
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import SampleWeight, TaskTower
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.losses import LOSSES, LossInputs, LossKind, Output
from easymtl.tasks.metrics import Metric, build_metrics
from easymtl.tasks.names import numbered
from easymtl.tasks.sample_weights import Factor, Present, Space, Value
from easymtl.tasks.sums import Sum
from easymtl.tasks.terms import Joint, Term, TermInputs


class Task:
    """One tower of the config: label, losses, weights and predictions.

        loss(sample)  = one row of `easymtl.tasks.losses.LOSSES`
        weight        = sample weight · space of the label · space of the feature · (label is there)
        loss of entry = tower.weight · loss.weight · Σ weight · loss(sample) / count(weight != 0)

    Attributes:
        tower: the tower's message.
        name: the tower's name.
        label: name of the label field.
        num_outputs: width of the logits.
        factors: the factors of a sample's weight.
        output: what the logits stand for.
        metrics: the metrics of the tower.
        terms: further loss entries, which look beyond this task; whoever builds the tasks adds them.
        joint: what makes the scores from the logits of several tasks; None when the task's own are the scores.
    """

    def __init__(
        self,
        tower: TaskTower,
        label: str,
        factors: Sequence[Factor] = (),
        reduction: int = ModelConfig.NONZERO_WEIGHT_MEAN,
    ):
        """Checks the losses and metrics of the tower.

        Args:
            tower: the tower's message.
            label: name of the label field.
            factors: factors of a sample's weight beside the presence of the label.
            reduction: how the losses of the samples become one number, an `ModelConfig.LossReduction`.

        Raises:
            UserError: when a loss is not available, or does not go with the rest of the tower.
        """
        self.tower = tower
        self.name = tower.tower_name
        self.label = label
        self.num_outputs = tower.num_class
        self.factors: tuple[Factor, ...] = (*factors, Present(NumberColumn(label, label)))
        self.terms: list[Term] = []
        self.joint: Joint | None = None
        self._reduction = reduction
        entries = list(tower.losses) or [Loss(loss_type=tower.loss_type)]
        kinds = [self._kind(entry) for entry in entries]
        self._losses = dict(zip(self._loss_names(entries, kinds), zip(entries, kinds)))
        self.output = self._one_output(kinds)
        self.metrics: list[Metric] = build_metrics(
            tower.metrics_set, self.predicted, self.num_outputs, f'Task tower "{self.name}"'
        )

    @property
    def is_multi_class(self) -> bool:
        """Whether the task tells several classes apart."""
        return self.num_outputs > 1

    @property
    def predicted(self) -> str:
        """What the task predicts: `binary` (the probability of one event), `classes` (of several) or `value`."""
        if self.output is not Output.PROBABILITY:
            return "value"
        return "classes" if self.is_multi_class else "binary"

    @property
    def loss_names(self) -> list[str]:
        """Names of the loss entries: `<loss name>_<tower>`, with `_2`, `_3` behind further losses of one name."""
        return [*self._losses, *(term.name for term in self.terms)]

    @property
    def number_columns(self) -> list[NumberColumn]:
        """The number columns that the losses and the metrics read, each once, the label last but for those of terms."""
        own = {factor.column.name: factor.column for factor in self.factors}
        return list((own | {column.name: column for term in self.terms for column in term.number_columns}).values())

    @property
    def key_fields(self) -> list[str]:
        """The fields that tell sessions apart for the losses, each once; mostly none."""
        return list(dict.fromkeys(field for term in self.terms for field in term.key_fields))

    def weights(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the weight of each sample in this task, float32 `[batch]`; 0 where the label is missing.

        Args:
            numbers: the number columns by name, `[batch]` each, NaN where missing.
        """
        weights = tf.ones_like(tf.cast(numbers[self.label], tf.float32))
        for factor in self.factors:
            weights *= factor(numbers)
        return weights

    def losses(self, logits: Mapping[str, tf.Tensor], labelled: Labelled) -> dict[str, tf.Tensor]:
        """Returns the loss entries by name, float32 scalars with all weights applied; their sum is the task's loss.

        Args:
            logits: what the model gave, by tower name: `[batch, num_outputs]`, or `[batch]` where there is one
                output; any float type.
            labelled: the number columns and keys of the batch.
        """
        labels = tf.cast(labelled.numbers[self.label], tf.float32)
        # The label is replaced before any arithmetic: the gradient of a NaN is NaN even under a weight of 0.
        labels = tf.where(tf.math.is_nan(labels), tf.zeros_like(labels), labels)
        weights = self.weights(labelled.numbers)
        scores = self.scores(logits)
        result = {}
        for name, (entry, kind) in self._losses.items():
            inputs = LossInputs(scores, labels, weights, entry)
            loss = Sum.of(kind.per_sample(inputs), weights).reduced(self._reduction)
            result[name] = self.tower.weight * entry.weight * loss
        for term in self.terms:
            loss = term(TermInputs(logits, labelled, labels, weights)).reduced(self._reduction)
            result[term.name] = self.tower.weight * term.weight * loss
        return result

    def own_logits(self, logits: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns what the model gave for this task, float32 `[batch]`, or `[batch, num_outputs]` of several outputs.

        Args:
            logits: what the model gave, by tower name.
        """
        own = tf.cast(logits[self.name], tf.float32)
        return own if self.is_multi_class else tf.reshape(own, [-1])

    def scores(self, logits: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns what losses and predictions go by: the own logits, or what `joint` makes of several tasks'.

        float32 `[batch]`, or `[batch, num_outputs]` of several outputs.
        """
        return self.own_logits(logits) if self.joint is None else self.joint.scores(logits)

    def log_probabilities(self, logits: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns log p and log(1 - p) of the task's event, float32 `[batch]` each, finite for any finite score."""
        assert self.predicted == "binary", f"{self.name} predicts {self.predicted}"
        scores = self.scores(logits)
        return tf.math.log_sigmoid(scores), tf.math.log_sigmoid(-scores)

    def predictions(self, logits: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the predictions by name, float32 except the number of a class; they need no label and no key.

        One event: `probs_<task>` and `logits_<task>`, `[batch]`. Classes: the same as `[batch, num_class]`, and
        `y_<task>`, int64 `[batch]`, the likeliest class. Regression: `y_<task>`, `[batch]`. Further ones of `joint`.

        Args:
            logits: what the model gave, by tower name.
        """
        further = {} if self.joint is None else self.joint.predictions(logits)
        return self._predictions(self.scores(logits)) | further

    def _predictions(self, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        if self.output is Output.VALUE:
            return {f"y_{self.name}": scores}
        if self.output is Output.RATE:
            return {f"y_{self.name}": tf.sigmoid(scores)}
        if not self.is_multi_class:
            return {f"probs_{self.name}": tf.sigmoid(scores), f"logits_{self.name}": scores}
        return {
            f"probs_{self.name}": tf.nn.softmax(scores),
            f"logits_{self.name}": scores,
            f"y_{self.name}": tf.argmax(scores, axis=-1),
        }

    def _kind(self, entry: Loss) -> LossKind:
        type_name = LossType.Name(entry.loss_type)
        kind = LOSSES.get(entry.loss_type)
        available = quoted(LossType.Name(loss_type) for loss_type in LOSSES)
        if kind is None:
            raise UserError(
                f'Task tower "{self.name}": loss_type {type_name} is not available yet; available: {available}.'
            )
        if entry.learn_loss_weight:
            raise UserError(
                f'Task tower "{self.name}": learn_loss_weight of {type_name} is not available yet; '
                "remove it and set the weight of the loss."
            )
        if self.is_multi_class and not kind.multi_class:
            raise UserError(
                f'Task tower "{self.name}": loss_type {type_name} needs num_class 1, found {self.num_outputs}.'
            )
        return kind

    def _loss_names(self, entries: Iterable[Loss], kinds: Iterable[LossKind]) -> list[str]:
        return numbered(f"{entry.loss_name or kind.name}_{self.name}" for entry, kind in zip(entries, kinds))

    def _one_output(self, kinds: Iterable[LossKind]) -> Output:
        outputs = {kind.output for kind in kinds}
        if len(outputs) > 1:
            raise UserError(
                f'Task tower "{self.name}": its losses disagree on what a logit means '
                f"({quoted(sorted(output.value for output in outputs))}); use losses of one kind."
            )
        return outputs.pop()


def build_tasks(pipeline: Pipeline) -> list[Task]:
    """Returns the tasks of a pipeline, in the order of its towers.

    Raises:
        UserError: when a tower asks for something that is not available or does not exist.
    """
    _check_strategy(pipeline.model_config)
    tasks = [
        Task(
            tower,
            view.label_name(pipeline, index),
            _factors(pipeline, tower, view.label_name(pipeline, index)),
            pipeline.model_config.loss_reduction,
        )
        for index, tower in enumerate(view.task_towers(pipeline))
    ]
    _check_names(tasks)
    return tasks


def number_columns(tasks: Iterable[Task]) -> list[NumberColumn]:
    """Returns the number columns of all tasks, each once."""
    return list({column.name: column for task in tasks for column in task.number_columns}.values())


def key_fields(tasks: Iterable[Task]) -> list[str]:
    """Returns the key fields of all tasks, each once."""
    return list(dict.fromkeys(field for task in tasks for field in task.key_fields))


def _check_strategy(model: ModelConfig) -> None:
    if model.loss_weight_strategy != ModelConfig.Fixed:
        strategy = ModelConfig.LossWeightStrategy.Name(model.loss_weight_strategy)
        raise UserError(
            f"model_config.loss_weight_strategy {strategy} is not available yet; use Fixed and set the weights."
        )


def _check_names(tasks: Sequence[Task]) -> None:
    for kind, names in (
        ("task tower", [task.name for task in tasks]),
        ("loss", [name for task in tasks for name in task.loss_names]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(f"Two entries share the {kind} name {quoted(twice)}; give each its own name.")


def _factors(pipeline: Pipeline, tower: TaskTower, label: str) -> list[Factor]:
    factors: list[Factor] = []
    if tower.use_sample_weight and pipeline.data_config.sample_weight:
        factors.append(Value(_plain(pipeline.data_config.sample_weight)))
    inside, outside = tower.in_task_space_weight, tower.out_task_space_weight
    if tower.task_space_indicator_label:
        factors.append(Space(_plain(tower.task_space_indicator_label), inside, outside))
    if tower.task_space_indicator_name:
        factors.append(Space(_indicator_column(pipeline, tower), inside, outside))
    factors.extend(_extra_factor(entry, label) for entry in tower.sample_weights if entry.WhichOneof("factor"))
    return factors


def _extra_factor(entry: SampleWeight, label: str) -> Factor:
    if entry.WhichOneof("factor") == "class_weights":
        return Space(_plain(label), entry.class_weights.positive, entry.class_weights.negative)
    return Value(_plain(entry.column or entry.label))


def _plain(field: str) -> NumberColumn:
    return NumberColumn(field, field)


def _indicator_column(pipeline: Pipeline, tower: TaskTower) -> NumberColumn:
    """Returns the indicator "the named feature has the value": of its first input field, or of a field of that name."""
    name, value = tower.task_space_indicator_name, tower.task_space_indicator_value
    fields = {field.input_name: field.input_name for field in pipeline.data_config.input_fields}
    fields |= {view.feature_name(feature): feature.input_names[0] for feature in view.features(pipeline)}
    if name not in fields:
        raise UserError(
            f'Task tower "{tower.tower_name}": task_space_indicator_name "{name}" is neither a feature nor an '
            f"input field (there are {quoted(fields)}).{did_you_mean(name, fields)}"
        )
    return NumberColumn.indicator(fields[name], value)
