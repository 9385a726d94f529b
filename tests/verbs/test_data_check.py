import gzip

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.verbs.data_check import data_problems, quote_problems, unread_columns
from tests.verbs.declared_rows import NAMES, ROWS, csv, declared, parquet


def test_data_as_declared_have_no_problem(tmp_path):
    assert data_problems(parquet(tmp_path, ROWS), declared(), NAMES) == []
    assert data_problems(csv(tmp_path, "1,a,0.5\n"), declared(), NAMES) == []
    assert (
        data_problems(csv(tmp_path, "price,more,click,user_id\n0.5,x,1,a\n"), declared("with_header: true"), NAMES)
        == []
    )


def test_all_missing_columns_are_told_with_the_nearest_of_those_nobody_declared(tmp_path):
    paths = parquet(tmp_path, ROWS.rename_columns(["clk", "userid", "price"]))
    first, second = data_problems(paths, declared(), NAMES)
    assert first == f'{paths}: column "click" is not in the file. Did you mean "clk"?'
    assert second.startswith(f'{paths}: column "user_id" is not in the file. Did you mean "userid"?')
    assert second.endswith('columns that the config does not declare: "clk", "userid".')


def test_all_columns_of_a_wrong_type_are_told(tmp_path):
    rows = pa.table({"click": ["yes", "no"], "user_id": ["a", "b"], "price": [[1.0], [2.0]]})
    first, second = data_problems(parquet(tmp_path, rows), declared(), NAMES)
    assert 'column "click" holds "yes"' in first
    assert "is no INT32" in first
    assert 'column "price" is list<' in second


def test_all_columns_of_a_csv_that_do_not_parse_are_told(tmp_path):
    first, second = data_problems(csv(tmp_path, "yes,a,cheap\n"), declared(), NAMES)
    assert ":1:" in first
    assert '"click" holds "yes"' in first
    assert '"price" holds "cheap"' in second


def test_columns_that_nothing_reads_need_not_fit(tmp_path):
    rows = ROWS.set_column(2, "price", pa.array(["cheap", "dear"]))
    assert data_problems(parquet(tmp_path, rows), declared(), ["click", "user_id"]) == []


def test_header_that_the_config_does_not_know_of(tmp_path):
    (problem,) = data_problems(csv(tmp_path, "click,user_id,price\n1,a,0.5\n"), declared(), NAMES)
    assert problem.endswith("rows.csv:1: the first line names the columns. Set data_config.with_header: true.")


def test_header_that_is_not_there(tmp_path):
    (problem,) = data_problems(csv(tmp_path, "1,a,0.5\n0,b,1.5\n"), declared("with_header: true"), NAMES)
    assert "names none of the declared columns" in problem
    assert "set with_header: false" in problem


def test_number_of_columns(tmp_path):
    (problem,) = data_problems(csv(tmp_path, "1,a\n"), declared(), NAMES)
    assert "2 columns were found where data_config.input_fields declares 3" in problem


def test_another_separator(tmp_path):
    (problem,) = data_problems(csv(tmp_path, "1\ta\t0.5\n"), declared(), NAMES)
    assert "1 column" in problem


@pytest.mark.parametrize("text", ["", "\n", "\n\n"])
def test_csv_without_a_row(tmp_path, text):
    assert data_problems(csv(tmp_path, text), declared(), NAMES) == [f"{tmp_path}/rows.csv: there is no row."]


def test_parquet_without_a_row(tmp_path):
    (problem,) = data_problems(parquet(tmp_path, ROWS.slice(0, 0)), declared(), NAMES)
    assert problem.endswith("there is no row.")


def test_header_without_a_row(tmp_path):
    (problem,) = data_problems(csv(tmp_path, "click,user_id,price\n"), declared("with_header: true"), NAMES)
    assert problem.endswith("there is no row.")


def test_another_format_than_declared(tmp_path):
    (problem,) = data_problems(parquet(tmp_path, ROWS), declared("input_type: CSVInput"), NAMES)
    assert "Set data_config.input_type to ParquetInput" in problem
    (problem,) = data_problems(csv(tmp_path, "1,a,0.5\n"), declared("input_type: ParquetInput"), NAMES)
    assert "input_type to CSVInput" in problem


def test_every_file_is_opened(tmp_path):
    parquet(tmp_path, ROWS)
    pq.write_table(ROWS.drop(["price"]), tmp_path / "second.parquet")
    (problem,) = data_problems(f"{tmp_path}/*.parquet", declared(), NAMES)
    assert problem.startswith(f'{tmp_path}/second.parquet: column "price" is not in the file')


def test_columns_that_nothing_reads(tmp_path):
    more = ROWS.append_column("true_click", pa.array([0.5, 0.5]))
    assert unread_columns(parquet(tmp_path, more), declared(), ["click", "user_id"]) == ["price", "true_click"]
    assert unread_columns(csv(tmp_path, "1,a,0.5\n"), declared(), ["click", "price"]) == ["user_id"]
    with_header = declared("with_header: true")
    assert unread_columns(csv(tmp_path, "x,click\n1,1\n"), with_header, ["click"]) == ["x"]


def pipeline_of(more: str = "") -> Pipeline:
    return text_format.Parse("model_config { simple_multi_task { } }", Pipeline(data_config=declared(more)))


@pytest.mark.parametrize("pack", [lambda text: text, gzip.compress])
def test_quotes_are_looked_at_far_behind_the_first_rows(tmp_path, pack):
    lines = [f"{row % 2},user {row},{row / 4}" for row in range(20_000)]
    path = tmp_path / "rows.csv"
    path.write_bytes(pack("\n".join(lines).encode()))
    assert quote_problems(str(path), pipeline_of(), NAMES) == ([], [])
    lines[15_000] = '1,"15 inch,0.5'
    lines[15_003] = '0,"7 inch,1.5'
    path.write_bytes(pack("\n".join(lines).encode()))
    problems, (warning,) = quote_problems(str(path), pipeline_of(), NAMES)
    assert problems == []
    assert f"{path}:15001: a quoted field starts here and ends on line 15004, and each of these 4 lines" in warning
    assert quote_problems(str(path), pipeline_of('quote: ""'), NAMES) == ([], [])
    lines[15_003] = "0,none,1.5"
    path.write_bytes(pack("\n".join(lines).encode()))
    (problem,), _ = quote_problems(str(path), pipeline_of(), NAMES)
    assert f"{path}:15001: a quoted field starts here and nothing closes it" in problem


def test_parquet_has_no_quotes(tmp_path):
    assert quote_problems(parquet(tmp_path, ROWS), pipeline_of(), NAMES) == ([], [])
