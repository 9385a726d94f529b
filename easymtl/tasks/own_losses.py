"""The losses of a task that see its own scores: the entries of its tower, checked, named and computed."""

from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from easymtl.config.names import numbered
from easymtl.errors import UserError, quoted
from easymtl.layers.context import Build
from easymtl.protos.loss_pb2 import Loss, LossType
from easymtl.protos.task_pb2 import TaskTower
from easymtl.tasks.losses import LOSSES, LossInputs, LossKind, Output, kind_of, reach_of, session_of
from easymtl.tasks.reach import Reach
from easymtl.tasks.sums import Part


class OwnLosses:
    """The loss entries of a tower but for those that look beyond the task, which are `Term`s.

    Attributes:
        output: what the logits stand for.
        entries: the entries of the config, by the name of the loss: `<loss name>_<tower>`, with `_2`, `_3` behind
            further losses of one name.
        key_fields: the field of sessions of each entry, empty where it has none.
        reaches: which rows each entry has to see together, by name.
        lognormal: parameters of the loss of lognormal values; None of others.
    """

    def __init__(self, tower: TaskTower):
        """Checks the entries.

        Args:
            tower: has the entries, or the type of its only loss.

        Raises:
            UserError: when a loss is not available, or does not go with the rest of the tower.
        """
        entries = [entry for entry in tower.losses if entry.loss_type != LossType.ORDER_CALIBRATE_LOSS]
        entries = entries or [Loss(loss_type=tower.loss_type)]
        kinds = [_kind(tower, entry) for entry in entries]
        names = numbered(f"{entry.loss_name or kind.name}_{tower.tower_name}" for entry, kind in zip(entries, kinds))
        self.output = _one_output(tower, kinds)
        self.entries = dict(zip(names, entries))
        self.key_fields = list(map(session_of, entries, kinds))
        self.reaches: dict[str, Reach] = dict(zip(names, map(reach_of, entries)))
        self.lognormal = entries[0].ziln_loss if self.output is Output.LOGNORMAL else None
        self._kinds = dict(zip(names, kinds))
        self._scales: dict[str, tf.Variable] = {}

    def make_variables(self, build: Build) -> list[tf.Variable]:
        """Makes what the losses train themselves: the scale of the logits in those with `scale_logits`."""
        for name, kind in self._kinds.items():
            if kind.parameters and getattr(getattr(self.entries[name], kind.parameters), "scale_logits", False):
                # EasyRec's name for it; it has one such loss at most.
                self._scales[name] = build.variable([f"{build.numbered('listwise_loss')}/scale_w"], tf.ones([1]))
        return list(self._scales.values())

    def sums(
        self,
        name: str,
        scores: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        keys: Mapping[str, tf.Tensor],
        in_space: tf.Tensor,
    ) -> Sequence[Part]:
        """Returns the sums whose means add up to a loss; for the arguments see `LossInputs`."""
        inputs = LossInputs(scores, labels, weights, self.entries[name], keys, in_space, self._scales.get(name))
        return self._kinds[name].sums(inputs)


def _kind(tower: TaskTower, entry: Loss) -> LossKind:
    type_name = LossType.Name(entry.loss_type)
    kind = kind_of(entry)
    if kind is None:
        available = quoted(LossType.Name(loss_type) for loss_type in LOSSES)
        raise UserError(
            f'Task tower "{tower.tower_name}": loss_type {type_name} is not available yet; available: {available}.'
        )
    if kind.num_class not in (0, tower.num_class):
        raise UserError(
            f'Task tower "{tower.tower_name}": loss_type {type_name} needs num_class {kind.num_class}, '
            f"found {tower.num_class}."
        )
    return kind


def _one_output(tower: TaskTower, kinds: Iterable[LossKind]) -> Output:
    outputs = {kind.output for kind in kinds}
    if outputs == {Output.PROBABILITY, Output.SECOND_CLASS}:
        return Output.SECOND_CLASS
    if len(outputs) > 1:
        raise UserError(
            f'Task tower "{tower.tower_name}": its losses disagree on what a logit means '
            f"({quoted(sorted(output.value for output in outputs))}); use losses of one kind."
        )
    return outputs.pop()
