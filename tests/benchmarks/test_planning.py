"""What the benchmark of plans reckons; that it runs, its results tell."""

import json

import pytest

from benchmarks.planning import (
    LAYOUTS,
    RESULTS,
    compare,
    error,
    markdown,
    sent_by_exchange,
    sent_by_gather,
    sent_by_sum,
)
from easymtl.training.traffic import traffic

SCALING = [
    {"workers": 1, "sent": {"total": 0.0}, "cpu_seconds": 0.020},
    {"workers": 2, "sent": {"total": 900.0}, "cpu_seconds": 0.030},
]
MEASURED = {
    1: {"bytes": 0.0, "cpu_seconds": 0.025, "collectives": 0.0},
    2: {"bytes": 1000.0, "cpu_seconds": 0.025, "collectives": 6.0},
}


def test_what_is_counted_is_what_the_formulas_say_of_the_same_tensors():
    assert sent_by_sum(4 * 300, 3) == traffic(300, {}, 3, False).sent
    # Ten rows of width 4, each with its number.
    assert sent_by_gather(10 * 5 * 4, 4) == traffic(0, {4: 10}, 4, False).sent
    # They are asked for, come, and their gradients go back.
    exchanged = [10 * numbers * 4 for numbers in (1, 4, 4)]
    assert sum(sent_by_exchange(one, 4) for one in exchanged) == traffic(0, {4: 10}, 4, True).sent


def test_an_error_is_a_share_of_what_was_measured():
    assert error(9, 10) == pytest.approx(-0.1)
    assert error(12, 10) == pytest.approx(0.2)
    assert error(0, 0) is None


def test_expected_and_measured_stand_side_by_side():
    alone, both = compare(SCALING, MEASURED)
    assert alone["bytes_error"] is None and alone["cpu_error"] == pytest.approx(-0.2)
    assert both["bytes_error"] == pytest.approx(-0.1) and both["cpu_error"] == pytest.approx(0.2)
    assert (
        markdown([alone, both]).splitlines()[-1] == "| 2 | 0.001 MB | 0.001 MB | -10.0% | 30.0 ms | 25.0 ms | +20.0% |"
    )


def test_the_tables_of_the_guide_are_those_of_the_results():
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    guide = RESULTS.parents[2] / "docs" / "guides" / "plan.md"
    assert list(rows) == list(LAYOUTS)
    for found in rows.values():
        assert [row["workers"] for row in found] == [1, 2, 3]
        assert markdown(found) in guide.read_text(encoding="utf-8")
