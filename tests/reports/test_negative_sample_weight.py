"""A sample weight below 0, infinite or NaN turned the loss around, or ended the training, without a word from check."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.usefixtures("op_by_op")

CHECK = "check --pipeline_config x.config"
TRAIN = "train --pipeline_config x.config"
IGNORE = "--set data_config.ignore_error=true"


@pytest.fixture
def folder(report):
    return report("negative-sample-weight")


@pytest.mark.parametrize("command", [CHECK, TRAIN])
def test_it_is_told_with_file_row_and_value(folder, command):
    outcome = folder.run(command)
    assert outcome.code == 2
    assert 'train.parquet: row 2 (row group 0): column "w" holds -1.0, a sample weight' in outcome.message


@pytest.mark.parametrize("weight", [float("inf"), float("nan"), -0.5])
def test_check_sees_the_others_too(folder, weight):
    table = pq.read_table(folder.folder / "train.parquet")
    weights = pa.array([1.0] * 10 + [weight] + [None] * (table.num_rows - 11), pa.float32())
    pq.write_table(table.set_column(table.schema.get_field_index("w"), "w", weights), folder.folder / "train.parquet")
    outcome = folder.run(CHECK)
    assert outcome.code == 2
    assert f'row 11 (row group 0): column "w" holds {weight}' in outcome.message


@pytest.mark.slow
def test_such_rows_are_left_out_and_counted(folder):
    outcome = folder.run(f"{TRAIN} {IGNORE}")
    assert outcome.code == 0
    assert "Skipped" in outcome.out
    assert 0 < float(outcome.out.rpartition("\nloss ")[2].split()[0]) < 2
