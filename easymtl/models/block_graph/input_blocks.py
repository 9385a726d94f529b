"""Blocks that read feature groups: the options of `input_layer`, and the columns of `raw_input`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import tensorflow as tf

from easymtl.errors import quoted
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dropout
from easymtl.layers.merging import merged, merged_shape, of_one_type
from easymtl.layers.norm import BatchNorm, LayerNorm
from easymtl.layers.shapes import Array, History, Shape, ShapeFault, Value, describe, vector
from easymtl.models.inputs import Inputs, InputShapes
from easymtl.protos.backbone_pb2 import InputLayer

_EPSILON = 1e-12
Norm = BatchNorm | LayerNorm
T = TypeVar("T")


class InputBlock(Protocol):
    """A block that reads a group.

    Attributes:
        shape: of its result.
    """

    shape: Shape

    def make(self, build: Build) -> list[tf.Module]:
        """Makes and returns its layers."""

    def __call__(self, inputs: Inputs, call: Call) -> Value:
        """Returns the value of the group."""


def in_order(vectors: Mapping[str, T], histories: Iterable[str]) -> list[T]:
    """Returns what stands for the features of a group: plain ones first, then combined histories as they are listed."""
    histories = list(histories)
    return [*plain(vectors, histories), *(vectors[name] for name in histories if name in vectors)]


def plain(vectors: Mapping[str, T], histories: Iterable[str]) -> list[T]:
    """Returns what stands for the features of a group that are no histories."""
    others = set(histories)
    return [one for name, one in vectors.items() if name not in others]


@dataclass
class Histories:
    """`output_seq_and_normal_feature`: the histories, the lengths of the first one, and the other features.

    Attributes:
        group: what it reads.
        is_joined: whether histories, and features, are each one value and no list.
    """

    group: str
    is_joined: bool
    shape: Shape

    @staticmethod
    def plan(shapes: InputShapes, group: str, title: str, is_joined: bool) -> Histories:
        """Returns the block.

        Raises:
            ShapeFault: the group has no history.
        """
        widths = list(shapes.sequences(group).values())
        if not widths:
            text = f'reads histories (output_seq_and_normal_feature), and the group "{title}" has no SequenceFeature'
            raise ShapeFault(text)
        others = [vector(width) for width in plain(shapes.vectors(group), shapes.sequences(group))]
        histories: list[Shape] = [History(width) for width in widths]
        lengths = Array((None,), tf.int32)
        if is_joined:
            rest = merged_shape(others) if others else None
            return Histories(group, is_joined, (merged_shape(histories), lengths, rest))
        return Histories(group, is_joined, (histories, lengths, list(others)))

    def make(self, build: Build) -> list[tf.Module]:
        """Makes nothing."""
        return []

    def __call__(self, inputs: Inputs, call: Call) -> Value:
        """Returns histories, lengths int32 `[batch]`, and the other features; None where there are none to join."""
        histories = list(inputs.sequences(self.group).values())
        others = plain(inputs.vectors(self.group), inputs.sequences(self.group))
        lengths = histories[0].lengths
        if not self.is_joined:
            return (histories, lengths, others)
        return (merged(histories, -1, call.dtype), lengths, merged(others, -1, call.dtype) if others else None)


@dataclass
class Vectors:
    """The features of a group, joined, as a list, or stacked; with norms and dropout.

    With `feature_dropout_rate` every feature has its norm, is dropped as a whole for a batch or kept, and then joined:
    in training and evaluation alike. Without it the joined tensor has a norm of its own.

    Attributes:
        group: what it reads.
        title: of the group in the config.
        options: the norms, dropouts and the form of the result.
        name: of its dropout.
        widths: of the features.
    """

    group: str
    title: str
    options: InputLayer
    name: str
    widths: list[int]
    shape: Shape
    _norms: list[Norm] = field(default_factory=list)
    _joined_norm: Norm | None = None

    @staticmethod
    def plan(shapes: InputShapes, group: str, title: str, options: InputLayer, name: str) -> Vectors:
        """Returns the block.

        Raises:
            ShapeFault: the group has no features of this form.
        """
        widths = [*in_order(shapes.vectors(group), shapes.sequences(group)), *shapes.attended(group)]
        joined, parts = vector(shapes[group]), [vector(width) for width in widths]
        alone = [feature for feature in shapes.sequences(group) if feature not in shapes.vectors(group)]
        if alone:
            raise ShapeFault(
                f'reads the group "{title}" as vectors, and {quoted(alone)} in it has no sequence_combiner; give it '
                "one, or read histories step by step: output_seq_and_normal_feature: true"
            )
        if not widths:
            raise ShapeFault(f'reads the group "{title}", which has no feature that is one vector')
        shape: Shape = joined
        if options.only_output_feature_list:
            shape = list(parts)
        elif options.only_output_3d_tensor:
            if len(set(widths)) > 1:
                raise ShapeFault(
                    "stacks the features (only_output_3d_tensor), which takes vectors of one width, but the group "
                    f'"{title}" has {describe(list(parts))}; give its features one embedding_dim'
                )
            shape = Array((None, len(widths), widths[0]))
        elif options.output_2d_tensor_and_feature_list:
            shape = (joined, list(parts))
        return Vectors(group, title, options, name, widths, shape)

    @property
    def _has_parts(self) -> bool:
        """Whether the vectors of features are needed one by one."""
        return bool(self.options.feature_dropout_rate) or not isinstance(self.shape, Array) or len(self.shape.sizes) > 2

    @property
    def _joins_parts(self) -> bool:
        """Whether the joined tensor is made of what became of the features."""
        return bool(self.options.feature_dropout_rate)

    @property
    def _has_joined(self) -> bool:
        return isinstance(self.shape, tuple) or not self._has_parts or self._joins_parts

    def make(self, build: Build) -> list[tf.Module]:
        """Makes the norms: that of the joined tensor first."""
        make_norm = _norm_maker(build, self.options, self.title)
        if make_norm is None:
            return []
        # Names are counted for norms that nothing reads too, as EasyRec does.
        joined_name, *names = [make_norm.name(index) for index in range(-1, len(self.widths))]
        if self._has_joined and not self._joins_parts:
            self._joined_norm = make_norm(joined_name, sum(self.widths))
        else:
            build.unread.append(joined_name)
        if self._has_parts:
            self._norms = [make_norm(name, width) for name, width in zip(names, self.widths)]
        else:
            build.unread += names
        return [*([self._joined_norm] if self._joined_norm else []), *self._norms]

    def __call__(self, inputs: Inputs, call: Call) -> Value:
        """Returns the vectors in their form."""
        parts = self._parts(inputs, call) if self._has_parts else []
        if self.options.only_output_feature_list:
            return parts
        if self.options.only_output_3d_tensor:
            return tf.stack(of_one_type(parts, call.dtype), axis=1)
        joined = self._joined(inputs, parts, call)
        return (joined, parts) if self.options.output_2d_tensor_and_feature_list else joined

    def _parts(self, inputs: Inputs, call: Call) -> list[tf.Tensor]:
        group = self.group
        parts = [*in_order(inputs.vectors(group), inputs.sequences(group)), *inputs.attended(group)]
        if self._norms:
            parts = [norm(part, call) for norm, part in zip(self._norms, parts)]
        rate = self.options.feature_dropout_rate
        if call.training and rate:
            ones = Dropout(f"{self.name}/feature_dropout", rate)(tf.ones([len(parts)]), call)
            parts = [part * tf.cast(ones[index], part.dtype) for index, part in enumerate(parts)]
        return [self._dropped(f"{index}", part, call) for index, part in enumerate(parts)]

    def _joined(self, inputs: Inputs, parts: list[tf.Tensor], call: Call) -> tf.Tensor:
        if self._joins_parts:
            return tf.concat(of_one_type(parts, call.dtype), axis=1)
        joined = inputs[self.group]
        if self._joined_norm is not None:
            joined = self._joined_norm(joined, call)
        return self._dropped("joined", joined, call)

    def _dropped(self, part: str, x: tf.Tensor, call: Call) -> tf.Tensor:
        return Dropout(f"{self.name}/dropout_{part}", self.options.dropout_rate)(x, call)


@dataclass
class Columns:
    """`raw_input`: the columns of a group as a list, without embeddings."""

    group: str
    shape: Shape

    def make(self, build: Build) -> list[tf.Module]:
        """Makes nothing."""
        return []

    def __call__(self, inputs: Inputs, call: Call) -> Value:
        """Returns the columns."""
        return list(inputs.columns(self.group).values())


class _NormMaker:
    """Makes the norms of an input layer, under the names that EasyRec gives them."""

    def __init__(self, build: Build, is_batch_norm: bool, group: str):
        self._build, self._is_batch_norm, self._group = build, is_batch_norm, group

    def name(self, index: int) -> str:
        """Returns the name of the norm of a feature, or with -1 of the joined tensor."""
        if self._is_batch_norm:
            return self._build.numbered("batch_normalization")
        return self._build.numbered(f"{self._group}_features" if index < 0 else f"{self._group}f_{index}")

    def __call__(self, name: str, width: int) -> Norm:
        """Makes a norm."""
        if self._is_batch_norm:
            return BatchNorm(self._build, [name], width)
        return LayerNorm(self._build, name, width, epsilon=_EPSILON)


def _norm_maker(build: Build, options: InputLayer, group: str) -> _NormMaker | None:
    has_norm = options.do_batch_norm or options.do_layer_norm
    return _NormMaker(build, options.do_batch_norm, group) if has_norm else None
