"""Rows of text that features are made of: training and the exported graph refuse them or make the same of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.data.bad_values import BadValues
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import as_trained, make_batch, make_pipeline, serving_tensors
from tests.features.test_serving_equals_training import FEATURES, FIELDS
from tests.fuzz.judging import Try

MOST_ROWS = 8
_NUMBERS = {"INT32": 31, "INT64": 63}


def try_features(folder: Path) -> Try:
    """Lines are rows, and TAB separates their columns; columns that are not there are missing."""
    pipeline = make_pipeline(FIELDS, FEATURES)
    features = FeatureSet(pipeline)
    signature = {name: tf.TensorSpec([None], dtype) for name, dtype in features.field_types.items()}
    packed = tf.function(features.packed, input_signature=[signature], autograph=False)
    encoder = Encoder(features)

    def attempt(data: bytes) -> None:
        rows = [line.split("\t") for line in data.decode("utf-8", "replace").split("\n")[:MOST_ROWS]]
        columns = {
            name: [_value(kind, row[place] if place < len(row) else None) for row in rows]
            for place, (name, kind) in enumerate(FIELDS.items())
        }
        batch = make_batch(pipeline, columns)
        try:
            trained = to_tensors(features.growing.look_up(encoder(batch)))
        except BadValues:
            _require_refusal(packed, serving_tensors(features, batch))
            raise
        served = as_trained(features, packed(serving_tensors(features, batch)))
        for name, array in trained.items():
            if array.dtype.kind == "f":
                np.testing.assert_array_max_ulp(served[name], array, 2)
            else:
                np.testing.assert_array_equal(served[name], array, name)

    return attempt


def _require_refusal(packed: tf.types.experimental.PolymorphicFunction, columns: dict[str, tf.Tensor]) -> None:
    try:
        packed(columns)
    except tf.errors.InvalidArgumentError:
        return
    raise AssertionError("training refuses what is served")


def _value(kind: str, text: str | None) -> object:
    """Returns what a column of a type holds for a text; missing where it is none of the type."""
    if text is None or kind == "STRING":
        return text
    try:
        if kind in _NUMBERS:
            limit = 1 << _NUMBERS[kind]
            return int(text) if -limit <= int(text) < limit else None
        number = float(text)
    except ValueError:
        return None
    if kind == "BOOL":
        return bool(number)
    return float(np.float32(number)) if kind == "FLOAT" else number


def seeds_of_features() -> Iterator[bytes]:
    """Yields rows with a value of each column."""
    row = "a b\té|\t7\t-1\t2.5\t0.5\t1\t3\t7\t1|2|3\tx|y|x\tx:2|y:0.5\t1|2\ta|b;a|b\t1;2|3\t7:a|é|:0\t1;2"
    yield row.encode()
    yield f"{row}\n\n{row.replace('|', '||')}\n".encode()
    yield row.replace("2", "nan").encode()
