"""What block graphs ask of the features of a batch, and of their shapes before there is a batch."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import tensorflow as tf

from easymtl.layers.shapes import Array
from easymtl.layers.steps import Steps


class GroupShapes(Protocol):
    """The widths of what `GroupInputs` answers."""

    def __getitem__(self, group: str) -> int:
        """Returns the width of a group as one tensor."""

    def vectors(self, group: str) -> Mapping[str, int]:
        """Returns the width of each feature of a group that is one vector, in order."""

    def sequences(self, group: str) -> Mapping[str, int]:
        """Returns the width of a step of each history of a group, in order."""

    def attended(self, group: str) -> Sequence[int]:
        """Returns the width of the result of each target attention of a group."""

    def columns(self, group: str) -> Mapping[str, Array]:
        """Returns the shape of the column of each feature of a group, without embeddings."""


class GroupInputs(Protocol):
    """The features of a batch by group."""

    def __getitem__(self, group: str) -> tf.Tensor:
        """Returns a group as one tensor, `[batch, width]`."""

    def vectors(self, group: str) -> Mapping[str, tf.Tensor]:
        """Returns each feature of a group that is one vector, `[batch, width]`, in order."""

    def sequences(self, group: str) -> Mapping[str, Steps]:
        """Returns each history of a group, in order."""

    def attended(self, group: str) -> Sequence[tf.Tensor]:
        """Returns the result of each target attention of a group, `[batch, width]`."""

    def columns(self, group: str) -> Mapping[str, tf.Tensor]:
        """Returns the column of each feature of a group, without embeddings."""
