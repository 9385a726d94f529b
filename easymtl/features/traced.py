"""The transforms of a feature set as traced functions, made once for all encoders of its declarations."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import tensorflow as tf

from easymtl.features.feature_set import FeatureSet
from easymtl.features.lookups import fill_missing
from easymtl.features.pieces import Piece
from easymtl.features.text import Items

_ITEMS = Items(tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int64))


class TracedTransforms:
    """What an encoder runs: functions of distinct values, and of rows where a feature reads several fields.

    They are concrete: traced once, when they are first asked for, then called by any thread. Tracing takes some
    milliseconds a feature, which a model that is evaluated again and again would pay each time.

    Attributes:
        uses: for each field the (feature, input position) pairs that read it.
        separators: for each field the characters at which its first feature splits texts; all split lists at the same.
        most_items: for each field how many items of a list its features read, from the first on; 0 for all.
        per_row: for each feature of several fields the function from the pieces of rows of its inputs to its own.
    """

    def __init__(self, feature_set: FeatureSet):
        self.uses: dict[str, list[tuple[str, int]]] = {field: [] for field in feature_set.fields}
        for name, transform in feature_set.transforms.items():
            for position, field in enumerate(transform.inputs):
                self.uses[field].append((name, position))
        most = {
            field: [feature_set.transforms[name].most_items for name, _ in uses] for field, uses in self.uses.items()
        }
        self.separators = {
            field: feature_set.transforms[name].separators(position)
            for field, ((name, position), *_) in self.uses.items()
        }
        self.most_items = {field: 0 if 0 in limits else max(limits) for field, limits in most.items()}
        self._lock = threading.RLock()
        self._found: dict[Hashable, Any] = {}
        # Nothing holds the feature set itself: another one of the same declarations may be all that is left.
        self._types, self._defaults = dict(feature_set.field_types), feature_set.defaults
        self._transforms = dict(feature_set.transforms)
        multiple = [name for name, transform in feature_set.transforms.items() if len(transform.inputs) > 1]
        self.per_row = {name: self._row_function(name) for name in multiple}

    def together(self, lists: frozenset[str]) -> Callable[[list[tf.Tensor | Items]], list[list[Piece]]]:
        """Returns the function from the columns of all fields, in the order of `uses`, to the pieces of each.

        One call in place of one for each field: each has a cost of its own, and threads that wait in between.

        Args:
            lists: the fields that come as items of lists; others are values `[d]`.
        """

        def pieces(columns: list[tf.Tensor | Items]) -> list[list[Piece]]:
            return [self._pieces(field, column) for field, column in zip(self.uses, columns)]

        specs = [_ITEMS if field in lists else self._values_of(field) for field in self.uses]
        return self._traced_once(("together", lists), pieces, specs)

    def of_values(self, field: str) -> Any:
        """Returns the function from values `[d]` of a field to the pieces of all features that read it."""
        return self._traced_once(("values", field), partial(self._pieces, field), self._values_of(field))

    def of_items(self, field: str) -> Any:
        """Returns the function from the items of a field to the pieces of all features that read it."""
        return self._traced_once(("items", field), partial(self._pieces, field), _ITEMS)

    def _pieces(self, field: str, column: tf.Tensor | Items) -> list[Piece]:
        """Returns the pieces of a column for all features that read the field; lists have no default."""
        if not isinstance(column, Items):
            column = fill_missing(column, self._defaults.get(field))
        return [self._transforms[name].per_value(position, column) for name, position in self.uses[field]]

    def _values_of(self, field: str) -> tf.TensorSpec:
        return tf.TensorSpec([None], self._types[field])

    def _traced_once(self, key: Hashable, function: Callable, signature: Any) -> Any:
        with self._lock:
            if key not in self._found:
                self._found[key] = _traced(function, signature)
            return self._found[key]

    def _row_function(self, name: str) -> Any:
        transform = self._transforms[name]
        if tf.config.functions_run_eagerly():
            return transform.per_row
        made = [
            self.of_values(field).structured_outputs[self.uses[field].index((name, position))]
            for position, field in enumerate(transform.inputs)
        ]
        signature = tf.nest.map_structure(lambda piece: None if piece is None else _rows_like(piece), made)
        return _traced(transform.per_row, signature)


def traced_transforms(feature_set: FeatureSet) -> TracedTransforms:
    """Returns the functions of a feature set, traced when its declarations are first met.

    A training and the export behind it have a feature set each, of the same declarations: the few that were met last
    are kept.
    """
    if feature_set not in _TRACED:
        _TRACED[feature_set] = _of_declarations(feature_set)
    return _TRACED[feature_set]


_TRACED: WeakKeyDictionary[FeatureSet, TracedTransforms] = WeakKeyDictionary()
_LAST: OrderedDict[Hashable, TracedTransforms] = OrderedDict()
_MOST_KEPT = 4


def _of_declarations(feature_set: FeatureSet) -> TracedTransforms:
    features = [transform.feature for transform in feature_set.transforms.values()]
    if any(feature.vocab_file for feature in features):
        # The file may hold other words by now.
        return TracedTransforms(feature_set)
    declarations = tuple(feature.SerializeToString(deterministic=True) for feature in features)
    key = (
        declarations,
        tuple(feature_set.parallel),
        tuple(feature_set.field_types.items()),
        tuple(feature_set.defaults.items()),
        tf.config.functions_run_eagerly(),
    )
    if key not in _LAST:
        _LAST[key] = TracedTransforms(feature_set)
    _LAST.move_to_end(key)
    if len(_LAST) > _MOST_KEPT:
        _LAST.popitem(last=False)
    return _LAST[key]


def _traced(function: Callable, *signature: Any) -> Callable:
    """Returns a concrete function; the function itself where TensorFlow is told to run functions op by op."""
    if tf.config.functions_run_eagerly():
        return function
    return tf.function(function, autograph=False).get_concrete_function(*signature)


def _rows_like(tensor: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None], tensor.dtype)
