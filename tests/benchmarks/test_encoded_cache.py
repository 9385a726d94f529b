"""What python -m benchmarks.encoded_cache measures."""

import pytest

from benchmarks.encoded_cache import COLD, WARM, WITHOUT, measure
from tests.training.small_runs import small_config, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")


def test_each_way_takes_its_turn_and_leaves_nothing_behind(tmp_path):
    write_data(tmp_path)
    small_config(tmp_path)
    (tmp_path / "caches").mkdir()
    rates = measure(str(tmp_path / "small.config"), [], tmp_path / "caches", rounds=2)
    assert {name: len(values) for name, values in rates.items()} == {WITHOUT: 2, COLD: 2, WARM: 2}
    assert all(value > 0 for values in rates.values() for value in values)
    assert not list((tmp_path / "caches").iterdir())
