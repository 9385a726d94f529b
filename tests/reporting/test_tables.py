"""Tables as printed."""

import subprocess
import sys

import pytest

from easymtl.reporting.tables import key_values, print_counts, print_metrics
from easymtl.reporting.terminal import open_terminal

METRICS = {
    "auc_click": 0.712341,
    "gauc_click": float("nan"),
    "auc_on_mic": 0.6,
    "mean_squared_error_mic": 12345.6,
    "cross_entropy_loss_click": 0.5,
    "l2_loss_mic": 1.25,
    "l2_loss_mic_2": 0.25,
    "loss": 2.0,
}


@pytest.fixture
def lines(make_pipe):
    def printed(print_something, *arguments, width=None, **named) -> list[str]:
        pipe = make_pipe("ascii")
        print_something(*arguments, terminal=open_terminal(pipe, width), **named)
        return [line.rstrip() for line in pipe.text().splitlines()]

    return printed


def test_metrics_have_a_row_per_task_and_a_column_per_metric(lines):
    warnings = ["gauc_click is not defined: no group has both classes."]
    found = lines(print_metrics, METRICS, ["click", "mic", "on_mic"], title="Evaluation", warnings=warnings)
    assert found == [
        "Evaluation",
        "task   |     auc | gauc | mean_squared_error |    loss",
        "-------+---------+------+--------------------+--------",
        "click  | 0.71234 |  nan |                    | 0.50000",
        "mic    |         |      |             12,346 |  1.5000",
        "on_mic | 0.60000 |      |                    |",
        "loss 2.0000",
        "Warning: gauc_click is not defined: no group has both classes.",
    ]


@pytest.mark.parametrize("width, is_wide", [(54, True), (53, False), (30, False)])
def test_in_a_narrow_terminal_each_result_has_a_row(lines, width, is_wide):
    found = lines(print_metrics, METRICS, ["click", "mic", "on_mic"], width=width)
    assert all(len(line) <= width for line in found)
    begin = "task   |     auc" if is_wide else "task   | metric" if width == 53 else "click"
    assert found[0].startswith(begin)
    if width == 53:
        assert any(line.split() == ["click", "|", "auc", "|", "0.71234"] for line in found)
    if width == 30:
        assert found[:2] == ["click", "  auc   0.71234"]


def test_no_tower_loses_its_metrics_to_another_one_of_like_name(lines):
    found = lines(print_metrics, {"auc_mic": 0.25, "auc_on_mic": 0.75}, ["mic", "on_mic"])
    assert found[2:] == ["mic    | 0.25000", "on_mic | 0.75000"]


def test_values_stand_below_each_other(lines):
    values = {"rows": 1200000, "auc of all": 0.712341, "path": "a/b", "is best": True}
    assert lines(key_values, values, title="Export") == [
        "Export",
        "rows        1,200,000",
        "auc of all  0.71234",
        "path        a/b",
        "is best     True",
    ]


def test_counts_show_what_is_odd_only(lines):
    counts = {
        "user_id": {"missing": 1234, "unknown": 0},
        "age": {"missing": 0, "out_of_range": 3},
        "clean": {"missing": 0},
    }
    assert lines(print_counts, counts, num_rows=100_000, skipped_rows=1) == [
        "feature |       missing | out of range",
        "--------+---------------+-------------",
        "user_id | 1,234 (1.2 %) |",
        "age     |               |  3 (0.003 %)",
        "Skipped 1 row that could not be parsed.",
    ]
    assert lines(print_counts, counts)[2] == "user_id |   1,234 |"


def test_clean_data_need_no_words(lines):
    assert lines(print_counts, {"user_id": {"missing": 0}}, num_rows=10) == []


def test_tables_do_without_tensorflow():
    code = "import sys, easymtl.reporting.tables; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
