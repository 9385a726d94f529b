"""What python -m benchmarks.encoder encodes."""

import pyarrow as pa
import pytest

from benchmarks.encoder import FEATURES, columns_of
from benchmarks.histories import LONGEST

ITEMS = {
    "texts": pa.string(),
    "texts, 10 steps": pa.string(),
    "whole numbers": pa.int64(),
    "numbers": pa.float64(),
    "lists of texts": pa.list_(pa.string()),
    "weighted tags": pa.string(),
}


@pytest.mark.parametrize("case", FEATURES)
def test_a_case_has_the_columns_that_its_feature_reads(case):
    columns = columns_of(case, 500)
    assert list(columns) == [name for name in ("h", "w") if f'"{name}"' in FEATURES[case]]
    assert {str(one.type) for one in columns.values()} <= {str(pa.list_(ITEMS[case])), str(pa.list_(pa.float64()))}
    assert columns["h"].type == pa.list_(ITEMS[case])
    lengths = {name: one.value_lengths().to_pylist() for name, one in columns.items()}
    assert max(lengths["h"]) == LONGEST and len(lengths["h"]) == 500
    assert all(one == lengths["h"] for one in lengths.values())
