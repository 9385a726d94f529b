"""The feed with the encoder behind it: whatever the threads, the batches are the same to the last bit."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from easymtl.data.feed import Feed
from easymtl.data.rows import Ragged
from easymtl.data.sources import open_source
from easymtl.data.text_form import text_forms
from easymtl.features.encoder import Encoder
from easymtl.features.feature_set import FeatureSet
from easymtl.features.numbers import NumberColumn
from tests.features.feature_cases import make_pipeline

NUM_ROWS = 9000
FIELDS = {"user": "STRING", "kind": "STRING", "tags": "STRING", "history": "STRING", "age": "INT32", "click": "INT32"}
FEATURES = [
    'input_names: "user" embedding_dim: 4 hash_bucket_size: 50000',
    'input_names: "kind" embedding_dim: 4 hash_bucket_size: 50',
    'input_names: "tags" feature_type: TagFeature embedding_dim: 4 hash_bucket_size: 50 combiner: "mean"',
    'input_names: "history" feature_type: SequenceFeature embedding_dim: 4 hash_bucket_size: 50',
    'input_names: "age" feature_type: RawFeature',
]


def table():
    random = np.random.default_rng(3)
    tags = ["|".join(map(str, random.integers(0, 30, size))) for size in random.integers(0, 4, NUM_ROWS)]
    return pa.table(
        {
            "user": [None if number % 11 == 0 else f"user {number}" for number in random.integers(0, 9999, NUM_ROWS)],
            "kind": [f"k{number}" if number else None for number in random.integers(0, 4, NUM_ROWS)],
            "tags": tags,
            "history": tags[::-1],
            "age": pa.array(random.integers(0, 99, NUM_ROWS), pa.int32(), mask=random.random(NUM_ROWS) < 0.1),
            "click": pa.array(random.integers(0, 2, NUM_ROWS), pa.int32()),
        }
    )


@pytest.fixture(scope="module", params=["csv", "parquet"])
def opened(request, tmp_path_factory):
    """Returns what opens the rows, in blocks of about a thousand, and their encoder."""
    path = tmp_path_factory.mktemp("data") / f"a.{request.param}"
    if request.param == "csv":
        pyarrow.csv.write_csv(table(), path)
    else:
        pq.write_table(table(), path, row_group_size=1100)
    pipeline = make_pipeline(FIELDS, FEATURES)
    text_format.Merge("data_config { with_header: true } model_config { dbmtl {} }", pipeline)
    encoder = Encoder(FeatureSet(pipeline), [NumberColumn("click", "click")])

    def open_anew(**options):
        data, forms = pipeline.data_config, text_forms(pipeline)
        options = {"forms": forms, "items": encoder.items, "batch_rows": 700, "block_bytes": 40000, **options}
        return open_source(str(path), data, encoder.fields, **options)

    return open_anew, encoder


def bytes_of(column):
    if isinstance(column, Ragged):
        return bytes_of(column.values), column.lengths.tobytes(), column.weights is None or column.weights.tobytes()
    return str(column.dtype), column.shape, column.tobytes()


def batches(source, encoder, **settings):
    with Feed(source, encoder, 256, shuffle=True, seed=5, num_epochs=2, window_rows=3000, **settings) as feed:
        return [
            (batch.cursor, batch.progress, {name: bytes_of(column) for name, column in batch.rows.columns.items()})
            for batch in feed
        ]


def test_any_number_of_threads_gives_the_same_batches(opened):
    open_anew, encoder = opened
    expected = batches(open_anew(), encoder, threads=1, chunk_rows=1)
    assert len(expected) == 2 * NUM_ROWS // 256 + 1
    for threads in (2, 3, 8):
        assert batches(open_anew(), encoder, threads=threads, chunk_rows=1) == expected


def test_texts_that_hardly_repeat_are_encoded_as_if_they_were_held_once(opened):
    open_anew, encoder = opened
    source = open_anew()
    found = batches(source, encoder, chunk_rows=3000)
    assert found == batches(open_anew(items=()), encoder, chunk_rows=3000)
    if hasattr(source, "_by_row"):
        assert source._by_row == {"user"}
