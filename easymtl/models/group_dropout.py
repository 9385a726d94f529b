"""Dropout of the features of a group, in whatever form they are read."""

from dataclasses import replace

import tensorflow as tf

from easymtl.config.input_groups import InputGroup
from easymtl.layers.context import Call
from easymtl.layers.feature_dropout import FeatureDropout, scaled, scaled_steps
from easymtl.models.inputs import GroupInput, GroupShape


class GroupDropout(tf.Module):
    """The `feature_dropout_rate` of a group: x_f m_f, with the factors m of `FeatureDropout`, in training alone.

    A feature that is a vector is dropped as one, a history with the same factors in both of its forms: all of its steps
    and what a combiner makes of them. What a block of `sequence_features` makes is dropped as a feature of its own, so
    that it attends with whole keys to whole histories, or is gone together with the key that it holds.
    """

    def __init__(self, group: InputGroup, shape: GroupShape):
        """Takes the names of what is dropped.

        Args:
            group: what is read, with its rate.
            shape: of the group.
        """
        super().__init__()
        self._names = {name: group.plain_name(name) for name in [*shape.vectors, *shape.sequences]}
        self._blocks = [f"sequence_features/{block.group_name}" for block in group.config.sequence_features]
        self._dropout = FeatureDropout(
            group.name, [*self._names.values(), *self._blocks], group.config.feature_dropout_rate
        )

    def __call__(self, group: GroupInput, call: Call) -> GroupInput:
        """Returns the group without what is dropped."""
        if not call.training:
            return group
        factors = self._dropout(group.num_rows, call)
        of_features = {feature: factors[name] for feature, name in self._names.items()}
        joined, widths = group.joined, group.shape.vectors
        if joined is not None:
            joined = scaled(joined, list(widths.values()), [of_features[feature] for feature in widths])
        sequences = {name: scaled_steps(steps, of_features[name]) for name, steps in group.sequences.items()}
        attended = tuple(x * factors[name][:, tf.newaxis] for x, name in zip(group.attended, self._blocks))
        return replace(group, joined=joined, sequences=sequences, attended=attended)
