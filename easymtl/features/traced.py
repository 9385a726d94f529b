"""The transforms of a feature set as traced functions, made once for all encoders of its declarations."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakKeyDictionary

import tensorflow as tf

from easymtl.features.feature_set import FeatureSet
from easymtl.features.pieces import Piece
from easymtl.features.text import Items


class TracedTransforms:
    """What an encoder runs: functions of distinct values, and of rows where a feature reads several fields.

    They are concrete: traced here, then called by any thread. Tracing takes some milliseconds a feature, which a model
    that is evaluated again and again would pay each time.

    Attributes:
        uses: for each field the (feature, input position) pairs that read it.
        per_value: for each field the function from values `[d]` to the pieces of all features that read it.
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
        self.per_value = {field: self._value_function(feature_set, field) for field in feature_set.fields}
        multiple = [name for name, transform in feature_set.transforms.items() if len(transform.inputs) > 1]
        self.per_row = {name: self._row_function(feature_set, name) for name in multiple}
        self._transforms = dict(feature_set.transforms)
        self._of_items: dict[str, Any] = {}
        self._lock = threading.Lock()

    def of_items(self, field: str) -> Any:
        """Returns the function from the items of a field to the pieces of all features that read it.

        It is traced when it is first asked for: few columns are lists.
        """
        with self._lock:
            if field not in self._of_items:
                uses = [(self._transforms[name], position) for name, position in self.uses[field]]
                whole = tf.TensorSpec([None], tf.int64)
                signature = Items(tf.TensorSpec([None], tf.string), whole, whole, whole)
                self._of_items[field] = _traced(
                    lambda column: [transform.per_value(position, column) for transform, position in uses], signature
                )
            return self._of_items[field]

    def _value_function(self, feature_set: FeatureSet, field: str) -> Any:
        uses = [(feature_set.transforms[name], position) for name, position in self.uses[field]]

        def per_value(column: tf.Tensor) -> list[Piece]:
            filled = feature_set.filled(field, column)
            return [transform.per_value(position, filled) for transform, position in uses]

        signature = [tf.TensorSpec([None], feature_set.field_types[field])]
        return _traced(per_value, *signature)

    def _row_function(self, feature_set: FeatureSet, name: str) -> Any:
        transform = feature_set.transforms[name]
        if tf.config.functions_run_eagerly():
            return transform.per_row
        made = [
            self.per_value[field].structured_outputs[self.uses[field].index((name, position))]
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
