"""What models read: the features of each group, as one vector, as vectors by feature, and as histories."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import tensorflow as tf

from easymtl.layers.shapes import Array
from easymtl.layers.steps import Steps


@dataclass(frozen=True)
class GroupShape:
    """The widths of a group, known before anything is built.

    Attributes:
        vectors: of each feature that is one vector of a row, in the order in which they are joined.
        sequences: of a step of each history.
        attended: of what each block of sequence_features makes.
        columns: shapes of the values of features that are read without embeddings.
    """

    vectors: Mapping[str, int]
    sequences: Mapping[str, int] = field(default_factory=dict)
    attended: tuple[int, ...] = ()
    columns: Mapping[str, Array] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Returns the width of the group as one vector."""
        return sum(self.vectors.values()) + sum(self.attended)


class InputShapes(Mapping[str, int]):
    """The width of each group by its name, and what it consists of."""

    def __init__(self, groups: Mapping[str, GroupShape]):
        self.groups = dict(groups)

    def __getitem__(self, group: str) -> int:
        return self.groups[group].width

    def __iter__(self) -> Iterator[str]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    def vectors(self, group: str) -> Mapping[str, int]:
        """Returns the width of each feature of a group that is one vector, in the order in which they are joined."""
        return self.groups[group].vectors

    def sequences(self, group: str) -> Mapping[str, int]:
        """Returns the width of a step of each history among the features of a group, in the order of the config."""
        return self.groups[group].sequences

    def attended(self, group: str) -> tuple[int, ...]:
        """Returns the width of each block of sequence_features of a group."""
        return self.groups[group].attended

    def columns(self, group: str) -> Mapping[str, Array]:
        """Returns the shape of the values of each feature of a group that is read without embeddings."""
        return self.groups[group].columns


@dataclass(frozen=True)
class GroupInput:
    """A group of features of a batch.

    Attributes:
        shape: its widths.
        joined: `[batch, width]`, the vectors of all features; None where there are none.
        sequences: the history of each feature that is one and stands in the group's feature_names, in their order.
        attended: `[batch, width]` of each block of sequence_features.
        columns: the values of features that are read without embeddings.
    """

    shape: GroupShape
    joined: tf.Tensor | None
    sequences: Mapping[str, Steps] = field(default_factory=dict)
    attended: tuple[tf.Tensor, ...] = ()
    columns: Mapping[str, tf.Tensor] = field(default_factory=dict)

    @property
    def num_rows(self) -> tf.Tensor:
        """Returns the rows of the batch, a scalar."""
        parts = [*([] if self.joined is None else [self.joined]), *self.attended, *self.columns.values()]
        return tf.shape(parts[0])[0] if parts else next(iter(self.sequences.values())).batch_size

    @property
    def flat(self) -> tf.Tensor:
        """Returns the group as one vector `[batch, width]`: features in the order of the config, then attention."""
        parts = [*([] if self.joined is None else [self.joined]), *self.attended]
        return tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]

    def vectors(self) -> dict[str, tf.Tensor]:
        """Returns the vector `[batch, width]` of each feature that is one."""
        widths = self.shape.vectors
        if self.joined is None or len(widths) == 1:
            return dict.fromkeys(widths, self.joined)
        return dict(zip(widths, tf.split(self.joined, list(widths.values()), axis=1)))


class Inputs(Mapping[str, tf.Tensor]):
    """The groups of a batch: each as one vector `[batch, width]` by its name, and its features one by one.

    Attributes:
        groups: the features of each group.
    """

    def __init__(self, groups: Mapping[str, GroupInput]):
        self.groups = dict(groups)

    def __getitem__(self, group: str) -> tf.Tensor:
        return self.groups[group].flat

    def __iter__(self) -> Iterator[str]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    def vectors(self, group: str) -> dict[str, tf.Tensor]:
        """Returns the vector `[batch, width]` of each feature of a group that is one, in the order of the config."""
        return self.groups[group].vectors()

    def sequences(self, group: str) -> Mapping[str, Steps]:
        """Returns the histories among the features of a group, in the order of the config."""
        return self.groups[group].sequences

    def attended(self, group: str) -> tuple[tf.Tensor, ...]:
        """Returns `[batch, width]` of each block of sequence_features of a group."""
        return self.groups[group].attended

    def columns(self, group: str) -> Mapping[str, tf.Tensor]:
        """Returns the values of the features of a group that is read without embeddings, in the order of the config."""
        return self.groups[group].columns
