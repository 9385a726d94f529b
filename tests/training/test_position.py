"""Where a training goes on in a part of data that follows others."""

import pytest

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.same_data import DataIdentity
from easymtl.data.fingerprint import FileMark
from easymtl.data.order import Cursor
from easymtl.errors import UserError
from easymtl.peers.peers import Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training.position import position_of

FILES = (FileMark("part-0.csv", 10, "x"),)
ORDER = {"train_config.seed": "1"}


def position(tmp_path, here, there, new_data=False, cursor=(0, 0, 0, 7)):
    state = {"cursor": Cursor(*cursor).to_dict(), "data": there.to_dict(), "data_step": 3}
    return position_of(Pipeline(), here, Checkpoint(tmp_path, 9), state, new_data)


def test_a_part_is_begun_also_where_its_files_are_those_of_the_one_before(tmp_path):
    found = position(tmp_path, DataIdentity(FILES, ORDER, "dt=2"), DataIdentity(FILES, ORDER, "dt=1"))
    assert found.cursor is None and found.data_step == 9
    plain = position(tmp_path, DataIdentity(FILES, ORDER, "dt=2"), DataIdentity(FILES, ORDER))
    assert plain.cursor is None


def test_a_part_that_was_begun_goes_on_and_is_refused_when_it_has_changed(tmp_path):
    there = DataIdentity(FILES, ORDER, "dt=2")
    found = position(tmp_path, DataIdentity.from_dict(there.to_dict()), there)
    assert (found.cursor, found.data_step, found.notes) == (Cursor(0, 0, 0, 7), 3, ())
    other = DataIdentity((FileMark("part-0.csv", 11, "y"),), ORDER, "dt=2")
    with pytest.raises(UserError, match=r'the part "dt=2" has changed while it was trained on: 1 changed'):
        position(tmp_path, other, there)


def test_another_order_of_its_rows_is_told(tmp_path):
    found = position(
        tmp_path, DataIdentity(FILES, {"train_config.seed": "2"}, "dt=2"), DataIdentity(FILES, ORDER, "dt=2")
    )
    assert found.cursor == Cursor(0, 0, 0, 7) and "train_config.seed (was 1, is 2)" in found.notes[0]


def test_data_without_parts_are_what_they_were(tmp_path):
    data = DataIdentity(FILES, ORDER)
    assert "part" not in data.to_dict()
    assert position(tmp_path, data, DataIdentity(FILES, ORDER, "dt=1")).cursor == Cursor(0, 0, 0, 7)


class First(Peers):
    """One of two workers, the other one of which says so or not."""

    size = 2

    def __init__(self, other):
        self.other = other

    def share(self, value):
        return [value, self.other]


@pytest.mark.parametrize("other", [True, False])
def test_workers_begin_new_data_all_of_them_or_none(tmp_path, other):
    # This one is at the beginning of a pass, where any order will do, and the other one in the middle of it.
    cursors = [Cursor(1).to_dict(), Cursor(1, 0, 0, 7).to_dict()]
    here, there = DataIdentity(FILES, {"train_config.seed": "2"}), DataIdentity(FILES, ORDER)
    state = {"cursor": cursors[0], "cursors": cursors, "data": there.to_dict(), "data_step": 3}
    found = position_of(Pipeline(), here, Checkpoint(tmp_path, 9), state, True, First(other))
    assert found.cursor == (None if other else Cursor(1)) and found.data_step == (9 if other else 3)
