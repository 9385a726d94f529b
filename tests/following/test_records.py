"""The file of what became of each part follows the checkpoint."""

import pytest

from easymtl.checkpoints.parts import Parts, TrainedPart
from easymtl.errors import UserError
from easymtl.following.records import Records
from easymtl.reporting.part_records import FILE, read_parts
from easymtl.training.events import PartTrained
from tests.following.test_choosing import DAYS, part


def event(number):
    return PartTrained(DAYS[number - 1], number, 0, number, 10, {"auc": None}, {"click": 0.5}, {})


def parts(number, is_finished=True):
    trained = tuple(TrainedPart(DAYS[day], (2026, 1, day + 1), 1, 10, 0, "") for day in range(number))
    return Parts(trained, number, is_finished)


@pytest.fixture
def written(tmp_path):
    records = Records(tmp_path, None)
    for number in (1, 2, 3):
        records.add(event(number))
    return tmp_path


def numbers(folder):
    return [record["number"] for record in read_parts(folder)]


def test_what_the_checkpoint_says_stays(written):
    records = Records(written, parts(3))
    assert records.has(3) and not records.has(4) and numbers(written) == [1, 2, 3]


def test_what_it_does_not_is_taken_out(written):
    assert not Records(written, parts(3, is_finished=False)).has(3) and numbers(written) == [1, 2]
    assert Records(written, parts(1)).has(1) and numbers(written) == [1]
    assert Records(written, None).trained == [] and numbers(written) == []


def test_a_line_that_a_kill_has_cut_and_foreign_ones_are_left_out(written):
    path = written / FILE
    path.write_text(path.read_text()[:-20] + '\n{"event":"part_trained","number":9}\n[1]\n{"event":"x"}\n')
    records = Records(written, parts(3))
    assert numbers(written) == [1, 2]
    records.add(event(3))
    assert numbers(written) == [1, 2, 3], "a new line begins behind a cut one"


def test_a_part_is_told_of_once_as_it_is(tmp_path):
    records = Records(tmp_path, None)
    assert not records.is_told(part(DAYS[0]), "late") and records.is_told(part(DAYS[0]), "late")
    again = Records(tmp_path, None)
    assert again.is_told(part(DAYS[0]), "late")
    assert not again.is_told(part(DAYS[0], size=11), "late") and not again.is_told(part(DAYS[0]), "changed")


def test_parts_without_rows_are_remembered_as_they_were(tmp_path):
    Records(tmp_path, None).is_told(part(DAYS[0]), "no rows")
    assert Records(tmp_path, None).passed() == {(DAYS[0], part(DAYS[0]).mark)}


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        Records(tmp_path, None).add(event(1))
