"""One number of a Parquet column is out of the range of its declared type."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.usefixtures("op_by_op")

NAME = "parquet-number-that-does-not-fit"


@pytest.mark.slow
def test_its_row_is_left_out_and_counted(report):
    project = report(NAME)
    assert project.run("check --pipeline_config x.config").code == 0
    outcome = project.run("train --pipeline_config x.config")
    assert outcome.code == 0, outcome.message
    assert "Evaluation at step 4: 119 rows" in outcome.out
    assert "Skipped 1 row" in outcome.out


@pytest.mark.parametrize(
    "name, value, kind",
    [("price", 2.5, pa.float64()), ("price", -(2**40), pa.int64()), ("click", float("nan"), pa.float64())],
)
def test_without_ignore_error_the_row_is_named(report, name, value, kind):
    project = report(NAME)
    table = pq.read_table(project.folder / "train.parquet")
    values = [0] * len(table)
    values[41] = value
    table = table.set_column(table.schema.get_field_index("price"), "price", pa.array([0] * len(table)))
    table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, kind))
    pq.write_table(table, project.folder / "train.parquet")
    check = "check --pipeline_config x.config"
    outcome = project.run(f"{check} --set data_config.ignore_error=false")
    assert outcome.code == 2
    assert f'train.parquet: row 42 (row group 0): column "{name}" holds {value}, which is no INT32' in outcome.message
    assert project.run(check).code == 0
