"""What the encoded rows of some data depend on, for whoever keeps them: `data_config.encoded_cache`."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf

import easymtl
from easymtl.config.vocabulary import read_vocabulary
from easymtl.data.blocks import Source
from easymtl.data.encoded_cache import EncodedCache, Encoding
from easymtl.data.fields import input_fields
from easymtl.data.reading import would_read
from easymtl.data.rows_file import FORMAT
from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.features.feature_set import FeatureSet
from easymtl.features.kinds import PackedColumns
from easymtl.features.labels import LabelCheck
from easymtl.features.tally import ODDITIES
from easymtl.features.transform import Transform
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_READING = ("input_type", "separator", "quote", "with_header", "ignore_error")
# What changes neither ids nor numbers. The width of a table is one of them: only names of columns have it.
_FREE = ("embedding_dim", "initializer", "max_partitions", "vocab_file")
_ROOMS = ("data", "features")


def open_cache(pipeline: Pipeline, source: Source, encoder: object) -> EncodedCache | None:
    """Returns the cache of a config for a source and who encodes its rows; None where nothing is kept.

    Raises:
        UserError: a file of the data is gone or cannot be read, or the cache would lie among them.
    """
    config = pipeline.data_config.encoded_cache
    if not config.path:
        return None
    require_apart(config.path, source)
    encoding = encoding_of(pipeline.data_config, source, encoder)
    return None if encoding is None else EncodedCache(config.path, config.max_bytes, source, encoding)


def require_apart(path: str, source: Source) -> None:
    """Refuses a folder for encoded rows in which data are looked for.

    Raises:
        UserError: it is one.
    """
    folder = would_read(source.paths, str(Path(path) / "key" / "block.rows"))
    if folder is not None:
        raise UserError(
            f'data_config.encoded_cache.path "{path}" lies where "{folder}" is read: its files would be taken for '
            "data. Name a folder outside of the data."
        )


def encoding_of(data_config: DatasetConfig, source: Source, encoder: object) -> Encoding | None:
    """Returns how rows of a source are encoded; None where an earlier pass cannot tell what they are now.

    That is so of made-up rows, of rows for a SavedModel, and of ids that are scored by a table that grows: how many of
    them have no row is told of each row, and changes.
    """
    labels = encoder if isinstance(encoder, LabelCheck) else None
    rows = labels.encoder if labels else encoder
    if not isinstance(rows, Encoder) or not source.blocks or not source.paths:
        return None
    features = rows.feature_set
    if rows.is_scoring and features.growing.ids_of:
        return None
    texts = {
        **{f'the field "{name}"': repr(field) for name, field in source.fields.items()},
        **_features(features),
        "the feature groups": repr([_columns(features, column) for column in features.layout.columns.values()]),
        "histories that are read side by side": repr(sorted(map(sorted, features.parallel))),
        "serving_value": repr({field: value.as_py() for field, value in rows.constants.items()}),
        "labels and weights": repr((labels.rules if labels else (), rows.number_columns, rows.key_fields)),
        "columns that are handed on": repr(rows.keep),
        "how files are read": _reading(data_config),
        "the version of easymtl": f"{easymtl.__version__} {FORMAT} {_code()}",
        **{f"the version of {module.__name__}": module.__version__ for module in (tf, np, pa)},
    }
    names = {name: f"column {place}" for place, name in enumerate(features.layout.columns)}
    parts = {name: hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for name, text in texts.items()}
    return Encoding(parts, names, {ODDITIES: rows.codes}, rows.notes, rows.note)


def _features(features: FeatureSet) -> Mapping[str, str]:
    found = {}
    for name, transform in features.transforms.items():
        found[f'the feature "{name}"'] = _feature(transform)
        if transform.feature.vocab_file:
            words = read_vocabulary(transform.feature.vocab_file).words
            found[f'the vocab_file of "{name}"'] = repr(words)
    return found


def _feature(transform: Transform) -> str:
    message = FeatureConfig()
    message.CopyFrom(transform.feature)
    for field in _FREE:
        message.ClearField(field)
    declared = message.SerializeToString(deterministic=True)
    made = (transform.kind, transform.kind_of_steps, transform.num_rows, transform.is_weighted, transform.most_items)
    return repr((declared, type(transform), transform.inputs, made))


def _columns(features: FeatureSet, columns: PackedColumns) -> tuple[object, ...]:
    """Returns what a column of `Rows` holds: of tables where their rows begin, of numbers how many there are."""
    slots = [(slot.feature, slot.index, slot.offset, slot.is_growing) for slot in columns.slots]
    widths = [slot.width for slot in columns.slots if not slot.table]
    id_type = features.layout.packed_id_type(columns).name
    return (type(columns), slots, widths, id_type, columns.is_weighted)


def _reading(data_config: DatasetConfig) -> str:
    names = [] if data_config.with_header else list(input_fields(data_config))
    return repr(([getattr(data_config, name) for name in _READING], names))


@cache
def _code() -> str:
    """Returns a digest of the code that reads and encodes, so that no change of it is forgotten."""
    digest = hashlib.blake2b(digest_size=16)
    root = Path(easymtl.__file__).parent
    for path in sorted(path for room in _ROOMS for path in (root / room).rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
