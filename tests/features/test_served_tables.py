"""The tables of an export: all rows of the trained ones behind a row of zeros, in as many bytes as are asked for."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features import served_tables
from easymtl.features.embeddings import Embeddings
from easymtl.features.feature_set import FeatureSet
from easymtl.features.narrow_rows import rounding
from easymtl.features.served_tables import ServedTables
from easymtl.protos.export_pb2 import BFLOAT16, FLOAT16, FLOAT32, INT8
from tests.features.test_packing import FEATURES_OF_TWO_WIDTHS, FIELDS, GROUPS, make_pipeline

BYTES = {FLOAT32: 4, FLOAT16: 2, BFLOAT16: 2, INT8: 1}


@pytest.fixture
def embeddings():
    made = Embeddings(FeatureSet(make_pipeline(FIELDS, FEATURES_OF_TWO_WIDTHS, GROUPS)), 7)
    for width, num_rows in made.feature_set.rows_by_width.items():
        made.variable(width).assign(tf.random.stateless_normal([num_rows, width], [1, width]))
    return made


@pytest.mark.parametrize("precision", BYTES)
@pytest.mark.parametrize("block_bytes", [100, 1 << 20])
def test_every_row_is_served_as_it_is_rounded(embeddings, monkeypatch, precision, block_bytes):
    monkeypatch.setattr(served_tables, "_BLOCK_BYTES", block_bytes)
    for width, table in ServedTables(embeddings, precision).by_width().items():
        trained = embeddings.variable(width)
        num_rows = trained.shape[0]
        served = table.take(tf.range(1 + num_rows)).numpy()
        assert served.dtype == np.float32 and not served[0].any()
        np.testing.assert_array_equal(served[1:], rounding(precision)(tf.convert_to_tensor(trained)))
        sizes = [part.dtype.size * part.shape.num_elements() for part in table.parts]
        assert sizes == [
            (1 + num_rows) * width * BYTES[precision],
            *([4 * (1 + num_rows)] if precision == INT8 else []),
        ]


@pytest.mark.parametrize(
    ("precision", "value", "said"),
    [
        (INT8, np.nan, "holds nan, which is no number in INT8. The training has gone wrong"),
        (BFLOAT16, -np.inf, "holds -inf, which is no number in BFLOAT16. The training has gone wrong"),
        (FLOAT16, 7e4, "holds 70000, which is no number in FLOAT16. Use BFLOAT16 or INT8"),
        (BFLOAT16, 3.4028e38, r"holds 3.4028e\+38, which is no number in BFLOAT16. Use INT8 or FLOAT32"),
    ],
)
def test_what_is_no_number_is_refused_with_table_and_row(embeddings, monkeypatch, precision, value, said):
    monkeypatch.setattr(served_tables, "_BLOCK_BYTES", 100)
    (name, parameter) = list(embeddings.parameters().items())[1]
    parameter.variable[parameter.begin + 9, 1].assign(value)
    with pytest.raises(UserError, match=f"row_precision: row 9 of the table {name} {said}"):
        ServedTables(embeddings, precision)
    parameter.variable[parameter.begin + 9, 1].assign(7e4)
    ServedTables(embeddings, INT8)
