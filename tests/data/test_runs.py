import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easymtl.data.rows import Ragged
from easymtl.data.runs import Runs


def runs_of(lengths, dtype, shape):
    total = sum(lengths)
    values = np.arange(total * int(np.prod(shape, dtype=int))).reshape(total, *shape).astype(dtype)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return values, starts


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), max_size=8),
    st.randoms(use_true_random=False),
    st.sampled_from([np.int32, np.int64, np.float32, np.uint8]),
    st.sampled_from([(), (3,)]),
)
def test_runs_come_whole_in_the_order_that_is_asked_for(lengths, random, dtype, shape):
    values, starts = runs_of(lengths, dtype, shape)
    rows = [random.randrange(len(lengths)) for _ in range(6)] if lengths else []
    taken = Runs(values, starts).take(np.array(rows, np.int64))
    expected = [value for row in rows for value in values[starts[row] : starts[row + 1]].tolist()]
    assert taken.dtype == dtype and taken.shape[1:] == shape
    assert taken.tolist() == expected


def test_a_run_that_is_not_there_is_an_error():
    with pytest.raises(IndexError):
        Runs(*runs_of([1, 2], np.int32, ())).take(np.array([2]))


def test_bags_of_bags_are_taken_with_all_that_they_hold():
    steps = Ragged(np.arange(6), np.array([[2], [0], [1], [3]], np.int32), np.arange(6, dtype=np.float32) / 4)
    rows = Ragged(steps, np.array([[1], [0], [3]], np.int32))
    taken = rows.take(np.array([2, 0, 1, 2]))
    assert taken.lengths.tolist() == [[3], [1], [0], [3]]
    assert taken.values.lengths.tolist() == [[0], [1], [3], [2], [0], [1], [3]]
    assert taken.values.values.tolist() == [2, 3, 4, 5, 0, 1, 2, 3, 4, 5]
    assert taken.values.weights.tolist() == [number / 4 for number in taken.values.values.tolist()]
