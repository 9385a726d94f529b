"""The packed form of a request: what is left of raw columns when all text has become rows of tables and numbers.

    ids                     int64 `[rows, features]`: features of one value, of all widths
    bag_ids, bag_weights    int64, float32 `[rows, features, values]`: features of several values
    dense                   float32 `[rows, numbers]`
    history_<k>_lengths     int64 `[rows]`: of histories that are read side by side, which stand in the same tensors
    history_<k>_ids         int64 `[rows, steps, features]`
    history_<k>_item_ids, history_<k>_item_weights    int64, float32 `[rows, steps, items, features]`
    history_<k>_values      float32 `[rows, steps, numbers]`
    plain_<k>               a value that a block reads as it is

Only those exist that the model has. Ids are rows of the feature's own table; -1, and whatever is no row of it, is the
zero vector. A feature that several groups read stands in a tensor once, whatever tables they have for it.
"""

from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from easymtl.features.kinds import PackedColumns, Slot
from easymtl.features.kinds.base import FEATURES, NUMBERS, PackedForm, Tensors
from easymtl.features.pieces import Piece
from easymtl.features.served_table import ServedTable
from easymtl.features.together import Together


class PackedTensor:
    """A tensor of a packed request.

    Attributes:
        form: what it is.
        slots: the features that stand in it, in their order, each once.
    """

    def __init__(self, form: PackedForm):
        self.form = form
        self.slots: list[Slot] = []
        self._places: dict[str, range] = {}
        self._axis = next((axis for axis, name in enumerate(form.axes) if name in (FEATURES, NUMBERS)), None)

    def add(self, slot: Slot, size: int) -> bool:
        """Takes a feature with so many places; returns whether it is a new one."""
        if slot.feature in self._places:
            return False
        first = self.size
        self._places[slot.feature] = range(first, first + size)
        self.slots.append(slot)
        return True

    @property
    def is_shared(self) -> bool:
        """Returns whether its features have places of their own in it."""
        return self._axis is not None

    @property
    def size(self) -> int:
        """Returns the places of all features."""
        return sum(map(len, self._places.values()))

    def places(self, slot: Slot) -> range:
        """Returns the places of a feature."""
        return self._places[slot.feature]

    def spec(self, num_rows: int | None) -> tf.TensorSpec:
        """Returns the spec for requests of so many rows; None for any number."""
        shape: list[int | None] = [None] * len(self.form.axes)
        shape[0] = num_rows
        if self._axis is not None:
            shape[self._axis] = self.size
        return tf.TensorSpec(shape, self.form.dtype)

    def joined(self, parts: Sequence[tf.Tensor], features: Sequence[Sequence[str]]) -> tf.Tensor:
        """Returns the tensor of its parts; what varies from row to row is padded to the longest part.

        Args:
            parts: in any order.
            features: of each part, in the order in which they stand there.
        """
        if self._axis is None:
            return parts[0]
        places = [place for names in features for name in names for place in self._places[name]]
        whole = self._side_by_side(parts)
        if places == sorted(places):
            return whole
        return tf.gather(whole, sorted(range(len(places)), key=places.__getitem__), axis=self._axis)

    def _side_by_side(self, parts: Sequence[tf.Tensor]) -> tf.Tensor:
        if len(parts) == 1:
            return parts[0]
        is_joint = [axis == self._axis for axis in range(len(self.form.axes))]
        is_ragged = any(not is_joint[axis] for axis in range(1, len(is_joint)))
        if is_ragged:
            sizes = tf.stack([tf.shape(part) for part in parts])
            missing = tf.where(is_joint, 0, tf.reduce_max(sizes, axis=0) - sizes)
            padding = tf.constant(self.form.padding, self.form.dtype)
            ends = [tf.stack([tf.zeros_like(one), one], axis=1) for one in tf.unstack(missing, num=len(parts))]
            parts = [tf.pad(part, end, constant_values=padding) for part, end in zip(parts, ends)]
        return tf.concat(parts, axis=self._axis)

    def part(self, tensor: tf.Tensor, slots: Sequence[Slot]) -> tf.Tensor:
        """Returns the places of slots, in their order."""
        if self._axis is None:
            return tensor
        places = [place for slot in slots for place in self.places(slot)]
        if places == list(range(self.size)):
            return tensor
        if places == list(range(places[0], places[-1] + 1)):
            whole = [slice(None)] * self._axis
            return tensor[(*whole, slice(places[0], places[-1] + 1))]
        return tf.gather(tensor, places, axis=self._axis)


class Packing:
    """How the packed columns of a model stand in the tensors of a packed request.

    Attributes:
        tensors: by name.
    """

    def __init__(self, columns: Iterable[PackedColumns]):
        self._columns = list(columns)
        self.tensors: dict[str, PackedTensor] = {}
        self._fills: list[tuple[PackedColumns, list[Slot], set[str]]] = []
        weighted = {
            form.name for one in self._columns if one.is_weighted for form in one.packed_forms() if form.is_weight
        }
        for one in self._columns:
            forms = [form for form in one.packed_forms() if not form.is_weight or form.name in weighted]
            names: set[str] = set()
            slots: dict[str, Slot] = {}
            for form in forms:
                is_first = form.name not in self.tensors
                tensor = self.tensors.setdefault(form.name, PackedTensor(form))
                added = [slot for slot in one.slots if tensor.add(slot, one.packed_size(slot))]
                if added and (is_first or tensor.is_shared):
                    names.add(form.name)
                    slots |= {slot.feature: slot for slot in added}
            if names:
                self._fills.append((one, list(slots.values()), names))

    def specs(self, num_rows: int | None = None) -> dict[str, tf.TensorSpec]:
        """Returns the specs of the tensors of requests of so many rows; None for any number."""
        return {name: tensor.spec(num_rows) for name, tensor in self.tensors.items()}

    def pack(self, pieces: Mapping[str, Piece], together: Iterable[Together] = ()) -> dict[str, tf.Tensor]:
        """Returns the tensors of features as pieces of rows.

        Args:
            pieces: by feature.
            together: those that are in no piece.
        """
        parts: dict[str, list[tf.Tensor]] = {name: [] for name in self.tensors}
        features: dict[str, list[Sequence[str]]] = {name: [] for name in self.tensors}
        for columns, all_slots, names in self._fills:
            slots = [slot for slot in all_slots if slot.feature in pieces]
            for name, part in columns.packed(pieces, slots, names).items() if slots else ():
                parts[name].append(part)
                features[name].append([slot.feature for slot in slots])
        for one in together:
            for name, part in one.values.items():
                if name in parts:
                    parts[name].append(part)
                    features[name].append(one.features)
        return {name: _shaped(one.joined(parts[name], features[name]), one) for name, one in self.tensors.items()}

    def vectors(self, packed: Tensors, tables: Mapping[int, ServedTable]) -> dict[str, tf.Tensor]:
        """Returns the vectors of all features.

        Args:
            packed: the tensors.
            tables: by width, a zero vector and the rows of the width's variable.
        """
        result: dict[str, tf.Tensor] = {}
        for columns in self._columns:
            names = [form.name for form in columns.packed_forms() if form.name in self.tensors]
            parts = {name: self.tensors[name].part(packed[name], columns.slots) for name in names}
            result |= columns.served_vectors(parts, tables.get(columns.width))
        return result

    def vector_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `vectors`."""
        return {name: spec for columns in self._columns for name, spec in columns.served_specs().items()}


def _shaped(value: tf.Tensor, tensor: PackedTensor) -> tf.Tensor:
    """Returns a tensor that is known to have the shape of its spec."""
    shape = tensor.spec(None).shape
    return value if value.shape.as_list() == shape.as_list() else tf.ensure_shape(value, shape)
