"""Small pipelines, batches and packed rows read back, for the tests of this folder."""

import numpy as np
import pyarrow as pa
import tensorflow as tf
from google.protobuf import text_format

from easymtl.data.fields import input_fields
from easymtl.data.rows import Rows
from easymtl.features.encoder import Encoder
from easymtl.features.feature_set import FeatureSet, Slot
from easymtl.features.tally import Tally
from easymtl.protos.pipeline_pb2 import Pipeline


def make_pipeline(fields: dict[str, str], features: list[str], groups: dict[str, list[str]] | None = None) -> Pipeline:
    """Returns a pipeline of `{input_name: INPUT_TYPE}` and the bodies of features, by default all in one group."""
    pipeline = Pipeline()
    for name, kind in fields.items():
        text_format.Parse(f'input_name: "{name}" input_type: {kind}', pipeline.data_config.input_fields.add())
    for body in features:
        text_format.Parse(body, pipeline.feature_config.features.add())
    names = [feature.feature_name or feature.input_names[0] for feature in pipeline.feature_config.features]
    for group, members in (groups or {"all": names}).items():
        pipeline.model_config.feature_groups.add(group_name=group, feature_names=members)
    return pipeline


def make_batch(pipeline: Pipeline, columns: dict[str, list]) -> pa.RecordBatch:
    """Returns columns as a source yields them: text as dictionaries, the rest as declared."""
    fields = input_fields(pipeline.data_config)
    arrays = {}
    for name, values in columns.items():
        array = pa.array(values, fields[name].type, from_pandas=False)
        arrays[name] = array.dictionary_encode() if fields[name].type == pa.string() else array
    return pa.record_batch(arrays)


def serving_tensors(feature_set: FeatureSet, batch: pa.RecordBatch) -> dict[str, tf.Tensor]:
    """Returns the columns of a batch as a server sends them: null is '' or 0."""
    tensors = {}
    for name, dtype in feature_set.field_types.items():
        empty = "" if dtype == tf.string else dtype.as_numpy_dtype(0).item()
        values = [empty if value is None else value for value in batch.column(name).to_pylist()]
        tensors[name] = tf.constant(values, dtype)
    return tensors


class Case:
    """One or more features over one batch, encoded."""

    def __init__(self, fields: dict[str, str], features: list[str] | str, columns: dict[str, list]):
        self.pipeline = make_pipeline(fields, [features] if isinstance(features, str) else features)
        self.features = FeatureSet(self.pipeline)
        self.batch = make_batch(self.pipeline, columns)
        self.encoder = Encoder(self.features)
        self.rows = self.encoder(self.batch)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        return count_oddities(self.encoder, self.rows)

    def slot(self, name: str) -> Slot:
        return next(slot for slot in self.features.slots if slot.feature == name)

    def ids(self, name: str) -> list[int]:
        """Returns the row in the feature's own table for each row of the batch."""
        slot = self.slot(name)
        ids = self.rows[f"ids_{slot.width}"][:, slot.index]
        return np.where(ids < 0, -1, ids - slot.table.offset).tolist()

    def bags(self, name: str) -> list[list[tuple[int, float]]]:
        """Returns (row in the feature's own table, weight) pairs for each row of the batch."""
        slot = self.slot(name)
        return read_bags(self.rows, slot)

    def dense(self, name: str) -> list[list[float]]:
        slot = self.slot(name)
        return self.rows["dense"][:, slot.index : slot.index + slot.width].tolist()


def count_oddities(encoder: Encoder, *rows: Rows) -> dict[str, dict[str, int]]:
    tally = Tally(encoder.codes)
    for part in rows:
        tally.add(part)
    return tally.counts


def read_bags(rows: Rows, slot: Slot) -> list[list[tuple[int, float]]]:
    ragged = rows[f"bags_{slot.width}"]
    weights = np.ones(len(ragged.values)) if ragged.weights is None else ragged.weights
    ends = np.cumsum(ragged.lengths.reshape(-1))
    flat = ends.reshape(ragged.lengths.shape)[:, slot.index]
    result = []
    for end, length in zip(flat, ragged.lengths[:, slot.index]):
        places = range(end - length, end)
        result.append([(int(ragged.values[i]) - slot.table.offset, float(weights[i])) for i in places])
    return result


def as_trained(features: FeatureSet, packed: dict) -> dict[str, np.ndarray]:
    """Returns a packed request as the tensors of a batch of training, which have the same values in another form."""
    arrays = {name: np.asarray(tensor) for name, tensor in packed.items()}
    result = {"batch_size": np.array(len(next(iter(arrays.values()))), np.int32)}
    for name, columns in features.layout.columns.items():
        forms = [form for form in columns.packed_forms() if form.name in arrays]
        parts = {
            form.name: features.packing.tensors[form.name].part(arrays[form.name], columns.slots) for form in forms
        }
        weights = next((parts[form.name] for form in forms if form.is_weight and columns.is_weighted), None)
        data = np.asarray(next(parts[form.name] for form in forms if not form.is_weight and not form.is_length))
        offsets = np.array([slot.offset for slot in columns.slots])
        kind = features.layout.id_type(columns.width).as_numpy_dtype
        if name.startswith(("dense", "plain")):
            result[name] = data
        elif name.startswith("ids"):
            result[name] = np.where(data < 0, -1, data + offsets).astype(kind)
        elif name.startswith("bags"):
            exists = data >= 0
            result |= _entries("bag", columns.width, (data + offsets[:, np.newaxis]).astype(kind), weights, exists)
        else:
            lengths = next(parts[form.name] for form in forms if form.is_length)
            result |= _steps(columns, data, weights, lengths, offsets, kind)
    return result


def _entries(name: str, key: object, ids: np.ndarray, weights, exists: np.ndarray) -> dict[str, np.ndarray]:
    """Returns what is there of rectangles, one behind the other, and the bag (all but the last axis) of each."""
    segments = np.repeat(np.arange(exists[..., 0].size, dtype=np.int32), exists.sum(axis=-1).reshape(-1))
    where = "segments" if name == "bag" else "steps"
    found = {f"{name}_ids_{key}": ids[exists], f"{name}_{where}_{key}": segments}
    return found if weights is None else {**found, f"{name}_weights_{key}": np.asarray(weights)[exists]}


def _steps(columns, data: np.ndarray, weights, lengths: np.ndarray, offsets: np.ndarray, kind) -> dict[str, np.ndarray]:
    key, lengths = columns.key, lengths.astype(np.int32)
    rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    result = {f"step_rows_{key}": rows, f"step_lengths_{key}": lengths}
    is_step = np.arange(data.shape[1]) < lengths[:, np.newaxis]
    steps = data[is_step]
    if data.dtype == np.float32:
        return {**result, f"step_values_{key}": steps}
    ids = np.where(steps < 0, -1, steps + offsets).astype(kind)[..., 0]
    if data.ndim == 3:
        return {**result, f"step_ids_{key}": ids}
    return result | _entries("item", key, ids, None if weights is None else weights[is_step][..., 0], ids >= 0)
