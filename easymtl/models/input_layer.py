"""From the vectors of features to the inputs of a model: joins, combiners of histories, attention to a target."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np
import tensorflow as tf

from easymtl.config.input_groups import InputGroup
from easymtl.config.names import INPUT_GROUP
from easymtl.features.embeddings import column_name, combined_scopes
from easymtl.features.feature_set import FeatureSet
from easymtl.features.kinds import Slot, StepColumns
from easymtl.features.tables import GroupSlots
from easymtl.layers.context import Build, Call
from easymtl.layers.feature_numbers import NumberVectors
from easymtl.layers.sequence_combiners import Combiner, make_combiner
from easymtl.layers.shapes import Array
from easymtl.layers.steps import Steps
from easymtl.layers.target_attention import TargetAttention
from easymtl.layers.variational_dropout import VariationalDropout
from easymtl.models.group_dropout import GroupDropout
from easymtl.models.inputs import GroupInput, GroupShape, Inputs, InputShapes
from easymtl.protos.model_pb2 import VariationalDropoutLayer

Vectors = Mapping[str, tf.Tensor]


class InputLayer(tf.Module):
    """The layers between embeddings and architecture, which every architecture has.

    Features of a group stand side by side in the order of the config; histories with a `sequence_combiner` come behind
    them as one vector each, and what `sequence_features` attend to comes last.
    """

    def __init__(self, build: Build, feature_set: FeatureSet, dropout: VariationalDropoutLayer | None = None):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            feature_set: has the groups.
            dropout: how rates of dropping features are learnt; None for no such dropout.
        """
        super().__init__()
        self._dropout = dropout
        self._groups = {
            name: _Group(build, group, feature_set.groups[name], feature_set, dropout)
            for name, group in feature_set.input_groups.items()
        }
        self._runs = _runs_by_columns(self._groups.values())
        self.shapes = InputShapes({name: group.shape for name, group in self._groups.items()})

    def __call__(self, vectors: Vectors, call: Call) -> Inputs:
        """Maps the vectors of all features (see `PackedColumns.vectors`) to the groups of a batch."""
        pieces: dict[tuple[str, int], tf.Tensor] = {}
        for runs in self._runs.values():
            parts = runs[0][0].columns.split(vectors, runs)
            pieces |= {_key(run[0]): part for run, part in zip(runs, parts)}
        inputs = Inputs({name: group(vectors, pieces, call) for name, group in self._groups.items()})
        dropouts = [group.dropout for group in self._groups.values() if group.dropout]
        if self._dropout is not None and dropouts and call.training:
            batch_size = tf.cast(next(iter(inputs.groups.values())).num_rows, tf.float32)
            # The penalty is the same on every worker, and losses of layers are means over all rows.
            penalty = tf.add_n([dropout.penalty() for dropout in dropouts]) / call.peers.size
            call.add_loss(
                "variational_dropout_loss", self._dropout.regularization_lambda * penalty / tf.maximum(batch_size, 1)
            )
        return inputs

    def dropout_rates(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns the learnt rates of each feature, `[1]` or one for each number, by group; empty without any."""
        return {name: group.dropout.rates() for name, group in self._groups.items() if group.dropout}


class _Group(tf.Module):
    """The layers of one group."""

    def __init__(
        self,
        build: Build,
        group: InputGroup,
        slots: GroupSlots,
        features: FeatureSet,
        dropout: VariationalDropoutLayer | None,
    ):
        super().__init__()
        self.slots = slots
        self.numbers = {
            slot.feature: NumberVectors(build, f"{group.scope}/{group.plain_name(slot.feature)}", message, slot.width)
            for slot in [*slots.plain, *slots.attention.values()]
            if (message := features.transforms[slot.feature].feature).WhichOneof("number_embedding")
        }
        self.runs = list(_runs(slots.plain, self.numbers))
        self.combiners: dict[str, Combiner] = {}
        scopes = combined_scopes(features)
        for slot in sorted(slots.sequences, key=lambda slot: column_name(slot, features)):
            if (scope := scopes.get((slot.group, slot.feature))) is not None:
                message = features.transforms[slot.feature].feature.sequence_combiner
                self.combiners[slot.feature] = make_combiner(build, scope, message, slot.width)
        self.blocks = [_Attention(build, block, slots, self.numbers) for block in group.config.sequence_features]
        widths = {slot.feature: slot.width for slot in slots.plain}
        widths |= {name: numbers.width for name, numbers in self.numbers.items() if name in widths}
        widths |= {name: combiner.width for name, combiner in self.combiners.items()}
        self.dropout: VariationalDropout | None = None
        if dropout is not None and widths:
            name = "logit_p" if group.name == INPUT_GROUP else f"logit_p_{group.name}"
            self.dropout = VariationalDropout(build, name, widths, dropout.embedding_wise_variational_dropout)
        sequences = {slot.feature: slot.width for slot in slots.sequences}
        columns = {slot.feature: _column_shape(slot) for slot in slots.columns}
        self.shape = GroupShape(widths, sequences, tuple(block.attention.width for block in self.blocks), columns)
        self.feature_dropout: GroupDropout | None = None
        if group.config.feature_dropout_rate:
            self.feature_dropout = GroupDropout(group, self.shape)

    def attention_runs(self) -> list[list[Slot]]:
        """Returns the slots that only attention reads and that are no histories, each alone."""
        return [[slot] for slot in self.slots.attention.values() if not isinstance(slot.columns, StepColumns)]

    def __call__(self, vectors: Vectors, pieces: Mapping[tuple[str, int], tf.Tensor], call: Call) -> GroupInput:
        sequences = {slot.feature: steps_of(slot, vectors) for slot in self.slots.sequences}
        parts = [self._vector(run[0], pieces, call) for run in self.runs]
        for name, combiner in self.combiners.items():
            # Vectors of features are float32 in any precision, and stand side by side.
            parts.append(tf.cast(combiner(sequences[name], call), tf.float32))
            call.add_norm(parts[-1])
        joined = tf.concat(parts, axis=1) if len(parts) > 1 else (parts[0] if parts else None)
        columns = {slot.feature: vectors[slot.columns.name] for slot in self.slots.columns}
        group = GroupInput(self.shape, joined, sequences, columns=columns)
        if not self.blocks:
            return self._dropped(group, call)
        # What is attended with is whole: a key has its own vector there.
        known = dict(group.vectors())
        for slot in self.slots.attention.values():
            if not isinstance(slot.columns, StepColumns):
                known[slot.feature] = self._vector(slot, pieces, call)
        histories = {
            slot.feature: steps_of(slot, vectors)
            for slot in self.slots.attention.values()
            if isinstance(slot.columns, StepColumns)
        }
        attended = tuple(block(known, histories, call) for block in self.blocks)
        return self._dropped(replace(group, attended=attended), call)

    def _dropped(self, group: GroupInput, call: Call) -> GroupInput:
        """Returns the group with what either dropout leaves of it."""
        if self.dropout is not None and group.joined is not None:
            return replace(group, joined=self.dropout(group.joined, call))
        return group if self.feature_dropout is None else self.feature_dropout(group, call)

    def _vector(self, slot: Slot, pieces: Mapping[tuple[str, int], tf.Tensor], call: Call) -> tf.Tensor:
        """Returns the vector of a feature, or of those that lie behind it in the packed columns, too."""
        part = pieces[_key(slot)]
        if slot.feature not in self.numbers:
            return part
        part = self.numbers[slot.feature](part, call)
        call.add_norm(part)
        return part


class _Attention(tf.Module):
    """One block of sequence_features."""

    def __init__(self, build: Build, config, slots: GroupSlots, numbers: Mapping[str, NumberVectors]):
        super().__init__()
        maps = config.seq_att_map
        self.keys = [name for one in maps for name in one.key]
        self.histories = [name for one in maps for name in one.hist_seq]
        self.others = [name for one in maps for name in one.aux_hist_seq]
        widths = {slot.feature: slot.width for slot in slots.plain}
        widths |= {name: slot.width for name, slot in slots.attention.items()}
        widths |= {name: layer.width for name, layer in numbers.items()}
        self.attention = TargetAttention(
            build,
            config,
            [widths[name] for name in self.keys],
            [widths[name] for name in self.histories],
            [widths[name] for name in self.others],
        )

    def __call__(self, vectors: Mapping[str, tf.Tensor], histories: Mapping[str, Steps], call: Call) -> tf.Tensor:
        return self.attention(
            [vectors[name] for name in self.keys],
            [histories[name] for name in self.histories],
            [histories[name] for name in self.others],
            call,
        )


def steps_of(slot: Slot, vectors: Vectors) -> Steps:
    """Returns the history of a feature."""
    assert isinstance(slot.columns, StepColumns), f"{slot.feature} is no history"
    return slot.columns.steps(vectors)


def _column_shape(slot: Slot) -> Array:
    (spec,) = slot.columns.vector_specs().values()
    return Array(tuple(spec.shape.as_list()), spec.dtype)


def _runs(slots: list[Slot], alone: Collection[str]) -> Iterator[list[Slot]]:
    """Splits the slots of a group into runs that lie side by side in the packed columns; some features stay alone."""
    run: list[Slot] = []
    for slot in slots:
        is_alone = slot.feature in alone or (bool(run) and run[-1].feature in alone)
        if run and (is_alone or not slot.columns.follows(run[-1], slot)):
            yield run
            run = []
        run.append(slot)
    if run:
        yield run


def _runs_by_columns(groups) -> dict[str, list[list[Slot]]]:
    """Returns all runs of each of the packed columns in the order of their slots."""
    runs = [run for group in groups for run in [*group.runs, *group.attention_runs()]]
    result: dict[str, list[list[Slot]]] = {}
    for run in sorted(runs, key=lambda run: run[0].index):
        result.setdefault(run[0].columns.name, []).append(run)
    return result


def _key(slot: Slot) -> tuple[str, int]:
    return slot.columns.name, slot.index
