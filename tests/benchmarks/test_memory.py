"""What a peak of memory is held against."""

import itertools

import pytest

from benchmarks.memory import PARTS, known_bytes, lines, overrides_of, table
from easymtl.features.memory_needs import Needs

MIB = 1 << 20


def test_a_process_is_held_against_the_one_before_it_and_what_is_known_of_the_rest():
    known = known_bytes(Needs(400 * MIB, slots=800 * MIB), Needs(10 * MIB, slots=20 * MIB), 50 * MIB)
    assert known == {"tables": 1170 * MIB, "feed": 50 * MIB, "save": 1200 * MIB}
    peaks = {"step": 1000, "tables": 2200, "feed": 2250, "save": 3000}
    found = lines({name: {"peak": peak * MIB, "libraries": 600 * MIB} for name, peak in peaks.items()}, known)
    assert [one.before // MIB for one in found] == [600, 1000, 2200, 2250]
    assert [one.rest for one in found] == [None, pytest.approx(30 / 2200), 0.0, pytest.approx(-450 / 3000)]
    assert "| save | 1.17 GiB | 0.73 GiB | 2.93 GiB | -15.0% |" in table(found)


def test_each_process_has_one_thing_more():
    said = {part: set(overrides_of(part, ["d"], ["many"], ["few"])) for part in PARTS}
    more = [said[after] ^ said[before] for before, after in itertools.pairwise(PARTS)]
    assert more[0] == {"many", "few"}
    assert more[1] == {"data_config.input_type=DummyInput"}
    assert more[2] == {"train_config.save_checkpoints_steps=0", "train_config.save_checkpoints_steps=20"}
