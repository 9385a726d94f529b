import numpy as np
import pyarrow as pa
import pytest

from easymtl.synth import best_reachable


def small_table():
    schema = pa.schema(
        [
            pa.field("click", pa.int32()),
            pa.field("seconds", pa.float32(), metadata={"parent": "click"}),
            pa.field("other", pa.int32()),
            pa.field("true_click", pa.float32()),
            pa.field("true_seconds", pa.float32()),
        ]
    )
    return pa.table([[0, 1, 0, 1], [0, 3, 0, 5], [1, 1, 0, 0], [0.1, 0.5, 0.6, 0.8], [0.2, 1.0, 3.0, 4.8]], schema)


def test_numbers_by_hand():
    metrics = best_reachable(small_table())
    assert metrics["auc_click"] == pytest.approx(3 / 4)
    assert metrics["mean_squared_error_seconds"] == pytest.approx(np.mean([0.2**2, 2**2, 3**2, 0.2**2]))
    assert metrics["mean_squared_error_seconds_given_click"] == pytest.approx(np.mean([1, 1]))
    assert set(metrics) == {"auc_click", "mean_squared_error_seconds", "mean_squared_error_seconds_given_click"}


def test_a_label_of_one_class_has_no_auc():
    table = small_table().slice(1, 1)
    assert "auc_click" not in best_reachable(table)
    assert best_reachable(small_table().slice(0, 0)) == {}
