"""Funnels: tasks that need another one to happen first, written once for `parent`, ESMM and ESCM².

The logits of a task with a parent are those of p(this | parent). Everything that the task trains and predicts goes by
the joint probability over all rows, p(this) = p(parent) · p(this | parent), which needs no choice of rows and so has no
bias of selection (Ma et al., SIGIR 2018, equations 1 and 3). Chains and trees follow, as a parent may have a parent.
"""

from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from easymtl.config import view
from easymtl.features.numbers import NumberColumn
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower
from easymtl.tasks.calibration import OrderCalibration
from easymtl.tasks.counterfactual import counterfactual_terms
from easymtl.tasks.losses import Output
from easymtl.tasks.measures import Measure
from easymtl.tasks.sampling import rate_of_metrics, rows_stood_for
from easymtl.tasks.task import Task


def connect_tasks(pipeline: Pipeline, tasks: Iterable[Task]) -> None:
    """Gives tasks what they need of each other: a joint probability with a parent, terms that look at other tasks."""
    by_name = {task.name: task for task in tasks}
    names = view.result_names(pipeline)
    for child, parent in view.parents(pipeline).items():
        by_name[child].joint = Funnel(by_name[child], by_name[parent], names[child])
    model, name = view.model_message(pipeline), view.model_name(pipeline)
    if name == "aitm" and model.calibration_weight:
        _calibrate(view.chain(model.task_towers), by_name, model.calibration_weight)
    if name == "escm2":
        click, conversion = by_name[model.ctr_tower.tower_name], by_name[model.cvr_tower.tower_name]
        conversion.terms.extend(counterfactual_terms(model, click, conversion))


def weighed_tower(pipeline: Pipeline, tower: TaskTower) -> TaskTower:
    """Returns a tower with the weight that its architecture gives its losses: `global_weight` of ESCM²."""
    model = view.model_message(pipeline)
    if view.model_name(pipeline) != "escm2" or tower.tower_name != model.cvr_tower.tower_name:
        return tower
    weighed = TaskTower()
    weighed.CopyFrom(tower)
    if not weighed.losses:
        weighed.losses.add(loss_type=tower.loss_type)
    for loss in weighed.losses:
        loss.weight *= model.global_weight
    return weighed


def _calibrate(before: Mapping[str, str], tasks: Mapping[str, Task], weight: float) -> None:
    for name, source in before.items():
        if source:
            term = OrderCalibration(f"calibration_loss_{name}", weight, tasks[name], [tasks[source]])
            tasks[name].terms.append(term)


def joint_log_odds(parent: tuple[tf.Tensor, tf.Tensor], given: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Returns log p - log(1 - p) of p = p(parent) · p(this | parent), `[batch]`.

        log p       = log p(parent) + log p(this | parent)
        log (1 - p) = log [(1 - p(parent)) + p(parent) (1 - p(this | parent))]

    Nothing is exponentiated but differences, so neither a rare nor a sure event loses its digits or its gradient.

    Args:
        parent: log p and log(1 - p) of the parent, `[batch]` each, finite.
        given: the same of this event where the parent happened.
    """
    log_p = parent[0] + given[0]
    # With its axis kept: else the gradient would put a shape together on a GPU, for the host.
    log_not_p = tf.reduce_logsumexp(tf.stack([parent[1], parent[0] + given[1]]), axis=0, keepdims=True)
    return log_p - tf.squeeze(log_not_p, axis=0)


class Funnel:
    """The joint probability of a task and its parent: a `Joint` of the task.

    A task that predicts a value is 0 where the parent did not happen, so its joint prediction is
    E[value] = p(parent) · E[value | parent], as ESMM has it for a regression.
    """

    def __init__(self, task: Task, parent: Task, names: Sequence[str]):
        """Connects two tasks.

        Args:
            task: whose logits are given that the parent happened.
            parent: may have a parent itself.
            names: of the results, see `view.result_names`.
        """
        self._task = task
        self._parent = parent
        self.name, self._given_result = names
        self._given_name = view.given_name(task.name, parent.name) if self.name == task.name else task.name

    @property
    def number_columns(self) -> list[NumberColumn]:
        """The columns of the labels of everything that must happen first."""
        return [self._parent.label_column, *(self._parent.joint.number_columns if self._parent.joint else ())]

    def scores(self, logits: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the log-odds of the joint probability, or the expected value, float32 `[batch]`."""
        own = self._task.own_logits(logits)
        parent = self._parent.log_probabilities(logits)
        if self._task.output is Output.VALUE:
            return tf.exp(parent[0]) * own
        return joint_log_odds(parent, (tf.math.log_sigmoid(own), tf.math.log_sigmoid(-own)))

    def predictions(self, logits: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the predictions given that the parent happened, under a name of their own."""
        return self._task.named_predictions(self._given_name, self._task.own_logits(logits))

    def labels(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the label of the joint event, `[batch]`: parent · own, NaN where the data do not tell.

        What needed the parent did not happen where the parent did not, whether or not the row has a label of it.
        """
        parent = self._parent.labels(numbers)
        own = tf.cast(numbers[self._task.label], tf.float32)
        return tf.where(tf.equal(parent, 0), tf.zeros_like(own), parent * own)

    @property
    def measures(self) -> list[Measure]:
        """The task given its parent, measured on the rows where the parent happened."""
        stands_for = self._given_stands_for if rate_of_metrics(self._task.tower) < 1 else None
        return [Measure(self._given_result, self._given_name, self._given_labels, stands_for=stands_for)]

    @property
    def is_sampled(self) -> bool:
        """Whether evaluation data hold a share of the rows where the parent did not happen."""
        return self._parent.is_sampled

    def stands_for(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns how many rows each row stands for, `[batch]`: by the first event of the funnel that did not happen.

        The sampling of later events is one of the rows where those before them happened.
        """
        happened = self._parent.labels(numbers) > 0
        return tf.where(happened, self._given_stands_for(numbers), self._parent.stands_for(numbers))

    def _given_stands_for(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return rows_stood_for(self._task.tower, self._given_labels(numbers))

    def _given_labels(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        happened = self._parent.labels(numbers) > 0
        own = tf.cast(numbers[self._task.label], tf.float32)
        return tf.where(happened, own, tf.fill(tf.shape(own), float("nan")))
