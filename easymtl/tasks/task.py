"""One task of a multi-task model: its label, its loss, the weights of its samples, its predictions.

A model gives one logits tensor per task and knows nothing else. Everything here is keyed by names, the
tower's and the columns', so that no order of labels or towers in a config can mix two tasks up.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from easymtl.features.numbers import NumberColumn
from easymtl.layers.context import Build
from easymtl.protos.loss_pb2 import Loss
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.task_pb2 import TaskTower
from easymtl.tasks.label_transform import Transform
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.measures import Measure
from easymtl.tasks.own_losses import OwnLosses
from easymtl.tasks.predicted import Predicted
from easymtl.tasks.reach import Reach
from easymtl.tasks.sample_weights import Factor, factor_of
from easymtl.tasks.sampling import rate_of_metrics, rows_stood_for
from easymtl.tasks.sums import Part, Sums
from easymtl.tasks.terms import Joint, Term, TermInputs
from easymtl.tasks.tower_metrics import Metric, build_metrics


class Task:
    """One tower of the config: label, losses, weights and predictions.

        loss(sample)  = one row of `easymtl.tasks.losses.LOSSES`, of the label behind `label_transform`
        weight        = sample weight · space of the label · space of the feature · (label is there)
        loss of entry = tower.weight · loss.weight · Σ weight · loss(sample) / count(weight != 0)

    Attributes:
        tower: the tower's message.
        name: the tower's name.
        label: name of the label field.
        label_column: the column of the label.
        num_outputs: width of the logits.
        factors: the factors of a sample's weight beside the presence of the label.
        output: what the logits stand for.
        metrics: the metrics of the tower.
        terms: further loss entries, which look beyond this task; whoever builds the tasks adds them.
        distillations: loss entries against other models' predictions; the weight of the tower is none of theirs.
        transform: what the label goes through before the loss sees it, and predictions back; None for the label itself.
        joint: what makes the scores from the logits of several tasks; None when the task's own are the scores.
    """

    def __init__(
        self,
        tower: TaskTower,
        label: NumberColumn,
        factors: Sequence[Factor] = (),
        reduction: int = ModelConfig.NONZERO_WEIGHT_MEAN,
    ):
        """Checks the losses and metrics of the tower.

        Args:
            tower: the tower's message.
            label: the column of the label.
            factors: factors of a sample's weight beside the presence of the label.
            reduction: how the losses of the samples become one number, an `ModelConfig.LossReduction`.

        Raises:
            UserError: when a loss is not available, or does not go with the rest of the tower.
        """
        self.tower = tower
        self.name = tower.tower_name
        self.label = label.field
        self.label_column = label
        self.num_outputs = tower.num_class
        self.factors: tuple[Factor, ...] = tuple(factors)
        self.terms: list[Term] = []
        self.distillations: list[Term] = []
        self.joint: Joint | None = None
        self._reduction = reduction
        self.transform = Transform(tower.label_transform) if tower.HasField("label_transform") else None
        self._own = OwnLosses(tower)
        self.output = self._own.output
        self._predicted = Predicted(self.output, self.num_outputs, self.transform, self._own.lognormal)
        self.metrics: list[Metric] = build_metrics(
            tower.metrics_set, self.predicted, self.num_outputs, f'Task tower "{self.name}"'
        )

    def make_variables(self, build: Build) -> list[tf.Variable]:
        """Makes what the losses train themselves."""
        return self._own.make_variables(build)

    @property
    def is_multi_class(self) -> bool:
        """Whether the task has several outputs."""
        return self.num_outputs > 1

    @property
    def predicted(self) -> str:
        """What the task predicts: `binary` (the probability of one event), `classes` (of several) or `value`."""
        return self._predicted.kind

    @property
    def loss_names(self) -> list[str]:
        """Names of the loss entries: `<loss name>_<tower>`, with `_2`, `_3` behind further losses of one name."""
        return [*self._own.entries, *(term.name for term in (*self.terms, *self.distillations))]

    @property
    def loss_entries(self) -> dict[str, Loss]:
        """The entries of the config behind the losses of the task's own logits, by the name of the loss."""
        return self._own.entries

    @property
    def number_columns(self) -> list[NumberColumn]:
        """The number columns that the losses and the metrics read, each once; behind the label those of others."""
        columns = [factor.column for factor in self.factors]
        columns.append(self.label_column)
        columns.extend(self.joint.number_columns if self.joint else ())
        columns.extend(column for term in (*self.terms, *self.distillations) for column in term.number_columns)
        return list({column.name: column for column in columns}.values())

    @property
    def key_fields(self) -> list[str]:
        """The fields that tell sessions apart for the losses, each once; mostly none."""
        of_terms = [field for term in (*self.terms, *self.distillations) for field in term.key_fields]
        return list(dict.fromkeys(filter(None, [*self._own.key_fields, *of_terms])))

    def weights(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the weight of each sample in this task, float32 `[batch]`; 0 where the label is missing.

        Args:
            numbers: the number columns by name, `[batch]` each, NaN where missing.
        """
        weights = tf.cast(tf.logical_not(tf.math.is_nan(self.labels(numbers))), tf.float32)
        for factor in self.factors:
            weights *= factor_of(factor, numbers)
        return weights

    def in_space(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns whether each sample has a label and is in the task's space, bool `[batch]`.

        Any weight of 0 puts a sample out of the space but for the one that the data give it, `sample_weight`.

        Args:
            numbers: the number columns by name, `[batch]` each, NaN where missing.
        """
        result = tf.logical_not(tf.math.is_nan(self.labels(numbers)))
        for factor in self.factors:
            if not factor.keeps_in_space:
                result &= tf.not_equal(factor_of(factor, numbers), 0)
        return result

    def labels(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns what the predictions are held against, float32 `[batch]`, NaN where missing.

        Args:
            numbers: the number columns by name, `[batch]` each, NaN where missing.
        """
        return self.joint.labels(numbers) if self.joint else tf.cast(numbers[self.label], tf.float32)

    def losses(self, logits: Mapping[str, tf.Tensor], labelled: Labelled) -> dict[str, tf.Tensor]:
        """Returns the loss entries by name, float32 scalars with all weights applied; their sum is the task's loss.

        Args:
            logits: what the model gave, by tower name: `[batch, num_outputs]`, or `[batch]` where there is one
                output; any float type.
            labelled: the number columns and keys of the batch.
        """
        return self.reduced(self.sums(logits, labelled))

    def sums(
        self, logits: Mapping[str, tf.Tensor], labelled: Labelled, reach: Reach | None = None
    ) -> dict[str, Sequence[Part]]:
        """Returns the loss entries by name as numbers that add up, without the weights of losses and tower.

        Args:
            logits: what the model gave, by tower name.
            labelled: the number columns and keys of the batch.
            reach: returns the entries that have to see this together; None for all entries.
        """
        labels = self.labels(labelled.numbers)
        # The label is replaced before any arithmetic: the gradient of a NaN is NaN even under a weight of 0.
        labels = tf.where(tf.math.is_nan(labels), tf.zeros_like(labels), labels)
        labels = self.transform.forward(labels) if self.transform else labels
        weights = self.weights(labelled.numbers)
        scores, in_space = self.scores(logits), self.in_space(labelled.numbers)
        of_terms = TermInputs(logits, labelled, labels, weights)
        names = [name for name, its in self.reaches.items() if reach is None or its == reach]
        result: dict[str, Sequence[Part]] = {}
        for name in names:
            if name in self._own.entries:
                result[name] = self._own.sums(name, scores, labels, weights, labelled.keys, in_space)
            else:
                term, _ = self._terms[name]
                result[name] = [term(of_terms)]
        return result

    def reduced(self, sums: Sums) -> dict[str, tf.Tensor]:
        """Returns the loss entries by name, scalars with all weights applied, from the sums of all that counts."""
        return {
            name: self._weight(name) * tf.add_n([part.reduced(self._reduction) for part in parts])
            for name, parts in sums.items()
        }

    @property
    def reaches(self) -> dict[str, Reach]:
        """Which rows each loss entry has to see together, by name; outside of it the sums of the entry add up."""
        return self._own.reaches | {name: term.reach for name, (term, _) in self._terms.items()}

    @property
    def _terms(self) -> dict[str, tuple[Term, float]]:
        """The further loss entries with their weights, by name."""
        terms = {term.name: (term, self.tower.weight * term.weight) for term in self.terms}
        return terms | {term.name: (term, term.weight) for term in self.distillations}

    def _weight(self, name: str) -> float:
        if name in self._own.entries:
            return self.tower.weight * self._own.entries[name].weight
        return self._terms[name][1]

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
        log_odds = self.log_odds(logits)
        return tf.math.log_sigmoid(log_odds), tf.math.log_sigmoid(-log_odds)

    def log_odds(self, logits: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns log p - log(1 - p) of the task's event, float32 `[batch]`."""
        assert self.predicted == "binary", f"{self.name} predicts {self.predicted}"
        return self._predicted.log_odds(self.scores(logits))

    def predictions(self, logits: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the predictions by name, see `Predicted.named`, and further ones of `joint`.

        Args:
            logits: what the model gave, by tower name.
        """
        further = {} if self.joint is None else self.joint.predictions(logits)
        return self.named_predictions(self.output_name, self.scores(logits)) | further

    @property
    def prediction_names(self) -> list[str]:
        """The names of the predictions of its scores."""
        return self._predicted.names(self.output_name)

    def named_predictions(self, name: str, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the predictions that scores, like those of `scores`, stand for: `probs_<name>` and so on."""
        return self._predicted.named(name, scores)

    @property
    def measures(self) -> list[Measure]:
        """What the metrics of the task are computed on, one by one."""
        stands_for = self.stands_for if self.is_sampled else None
        own = Measure(self.output_name, self.output_name, self.labels, stands_for=stands_for)
        return [own, *(self.joint.measures if self.joint else ())]

    @property
    def is_sampled(self) -> bool:
        """Whether evaluation data hold a share of the negatives, of this task or of what has to happen first."""
        return rate_of_metrics(self.tower) < 1 or (self.joint is not None and self.joint.is_sampled)

    def stands_for(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns how many rows each row of evaluation data stands for in metrics, float32 `[batch]`.

        Args:
            numbers: the number columns by name, `[batch]` each, NaN where missing.
        """
        if self.joint is not None:
            return self.joint.stands_for(numbers)
        return rows_stood_for(self.tower, self.labels(numbers))

    @property
    def output_name(self) -> str:
        """What stands behind the kind in the names of its predictions: `probs_<name>`."""
        return self.joint.name if self.joint else self.name
