"""What python -m benchmarks.feed feeds, and what it says of it."""

from pathlib import Path

import pytest
from google.protobuf import text_format

from benchmarks.feed import STAGES, Found, bars, tables
from benchmarks.feed_data import Case, history_cases, row_cases
from benchmarks.feed_process import Input
from easymtl.protos.pipeline_pb2 import Pipeline


def found(columns, file_format, default, one, two):
    case = Case("rows", Path("x"), columns, file_format)
    stages = {"reading": [0.5], "encoding": [0.25], "cutting": [0.125]}
    return Found(case, stages, {None: [2e6], 1: [1e6], 2: [1.8e6]}, {None: [default], 1: [one], 2: [two]})


@pytest.mark.parametrize("columns", [4, 20, 23])
def test_a_case_has_so_many_columns_and_a_feature_for_each_but_the_labels(tmp_path, columns):
    (case,) = row_cases(tmp_path, 300, 2, [columns], ["csv"])
    pipeline = text_format.Parse(case.config.read_text(), Pipeline())
    assert len(pipeline.data_config.input_fields) == columns
    assert len(pipeline.feature_config.features) == columns - 2
    assert len(pipeline.model_config.feature_groups[0].feature_names) == columns - 2
    with open(tmp_path / f"rows_{columns}.csv") as file:
        assert [len(line.split(",")) for line in file] == [columns] * 301


def test_all_rows_are_measured_by_stage_and_as_a_whole(tmp_path):
    (case,) = row_cases(tmp_path, 300, 2, [4], ["parquet"])
    data = Input(str(case.config), is_training=True)
    told = data.stages()
    assert told["rows"] == data.whole(1)["rows"] == 600
    assert min(told[stage] for stage in STAGES) > 0


def test_a_history_is_the_same_as_lists_and_as_text(tmp_path):
    lists, texts, *_ = history_cases(tmp_path, 60)
    rows = []
    for case in (lists, texts):
        data = Input(str(case.config), is_training=False)
        rows += [data.encode(batch) for block in data.source.blocks for batch in data.source.read(block)]
    first, second = (one["steps_0"] for one in rows)
    assert (lists.file_format, texts.file_format) == ("parquet", "csv")
    assert first.values.tolist() == second.values.tolist()
    assert first.lengths.tolist() == second.lengths.tolist()
    # A row without items has a step, too.
    assert 60 * lists.items <= len(first.values) < 60 * lists.items + 60


def test_bars_go_by_rows_of_twenty_columns():
    of_bars = list(bars([found(20, "parquet", 1.2, 1.0, 1.1), found(10, "csv", 9, 9, 9), found(20, "csv", 2.4, 2, 2)]))
    assert [(bar.number, bar.median, bar.is_met) for bar in of_bars] == [
        ("S15", 1.2, True),
        ("S17", 1.8, True),
        ("S15", 2.4, False),
        ("S17", 1.8, True),
    ]


def test_tables_tell_ratios_to_what_was_before():
    lines = list(tables([found(20, "csv", 1.0, 1.0, 1.5)], [found(20, "csv", 2.0, 2.0, 2.0)]))
    assert "| 20 | csv | default | 2,000 | 1.00 | 0.50 (0.50 to 0.50) |" in lines
    assert "| 20 | csv | 2 | 1,800 | 1.50 | 0.75 (0.75 to 0.75) |" in lines
    assert any(line.startswith("| 20 | csv | 0.50 | 0.25 | 0.12 | 1.00 (1.00 to 1.00);") for line in lines)
