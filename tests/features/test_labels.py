"""Labels that a task may not have are refused or left out, and towers without any are known."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from easymtl.data.feed import Feed
from easymtl.data.rows import Rows
from easymtl.data.sources import open_source
from easymtl.errors import UserError
from easymtl.features.labels import LabelCheck, LabelRule, label_rules
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline


class Numbers:
    """An encoder of the row numbers."""

    fields = ("i", "y")

    def __call__(self, batch):
        return Rows({"i": batch.column("i").to_numpy()})


def declared(label, more=""):
    fields = f'input_fields {{ input_name: "i" input_type: INT32 }} input_fields {{ input_name: "y" {label} }}'
    return text_format.Parse(f"{fields} {more}", DatasetConfig())


def read(paths, kind="INT32", num_classes=1, more=""):
    fields = (
        f'input_fields {{ input_name: "i" input_type: INT32 }} input_fields {{ input_name: "y" input_type: {kind} }}'
    )
    config = text_format.Parse(f"{fields} {more}", DatasetConfig())
    source = open_source(str(paths), config, Numbers.fields, block_bytes=64)
    check = LabelCheck(Numbers(), [LabelRule("t", "y", num_classes)])
    with Feed(source, check, 1000, chunk_rows=1) as feed:
        numbers = []
        for batch in feed:
            check.count(batch.rows)
            numbers += batch.rows["i"].tolist()
    return numbers, check, source


@pytest.fixture
def csv(tmp_path):
    def write(labels, name="a.csv"):
        text = "".join(f"{place},{label}\n" for place, label in enumerate(labels)).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize(
    ("kind", "written", "shown"),
    [("INT32", "2", "2"), ("FLOAT", "1.50", "1.5"), ("STRING", " 3", " 3"), ("INT64", "-1", "-1")],
)
def test_the_line_of_a_wrong_label_is_named(csv, name, kind, written, shown):
    labels = [*("01" * 20), written, 1]
    with pytest.raises(UserError, match=rf'{name}:41: column "y" holds {shown}, the label of the tower "t": 0, 1, or'):
        read(csv(labels, name), kind)
    numbers, check, source = read(csv(labels, name), kind, more="ignore_error: true")
    assert numbers == [*range(40), 41]
    assert source.skipped_rows == 1
    assert check.num_labels == {"y": 41}


def test_the_row_of_a_wrong_label_in_parquet_is_named(tmp_path):
    table = pa.table({"i": pa.array(range(6), pa.int32()), "y": pa.array([0.0, 0.5, None, 1.0, 1.25, 7.0])})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    with pytest.raises(UserError, match=r'a.parquet: row 5 \(row group 2\): column "y" holds 1.25'):
        read(tmp_path / "a.parquet", "DOUBLE")
    numbers, _, source = read(tmp_path / "a.parquet", "DOUBLE", more="ignore_error: true")
    assert (numbers, source.skipped_rows) == ([0, 1, 2, 3], 2)


def test_soft_labels_and_missing_ones_are_allowed(csv):
    numbers, check, _ = read(csv(["0", "0.25", "", "1", "nan"]), "FLOAT")
    assert numbers == [*range(5)]
    assert check.num_labels == {"y": 3}
    assert not check.unlabelled()


@pytest.mark.parametrize("label", ["3", "-1", "0.5", "inf"])
def test_classes_are_whole_numbers_below_their_count(csv, label):
    read(csv(["0", "2", ""]), "FLOAT", num_classes=3)
    with pytest.raises(UserError, match=r"whole numbers from 0 to 2 are allowed \(num_class is 3\)"):
        read(csv(["0", label]), "FLOAT", num_classes=3)


def test_any_number_is_a_label_of_a_regression(csv):
    read(csv(["-7", "1e9", ""]), "FLOAT", num_classes=0)


def test_a_default_that_is_no_label_is_found_where_the_field_is_empty(csv):
    config = declared('input_type: INT32 default_val: "-1"')
    source = open_source(str(csv(["1", "", "0"])), config, Numbers.fields)
    check = LabelCheck(Numbers(), [LabelRule("t", "y", 1)])
    with pytest.raises(UserError, match=r"a\.csv:2:.*holds -1"), Feed(source, check, 8) as feed:
        next(feed)


def test_towers_without_a_label_are_known(csv):
    _, check, _ = read(csv(["", ""]), "INT32")
    assert [rule.tower for rule in check.unlabelled()] == ["t"]


def test_the_losses_of_a_tower_say_what_its_label_is():
    pipeline = text_format.Parse(
        """
        data_config { label_fields: ["a", "b", "c", "d", "e"] }
        model_config { simple_multi_task {
          task_towers { tower_name: "event" }
          task_towers { tower_name: "classes" num_class: 4 }
          task_towers { tower_name: "value" loss_type: L2_LOSS }
          task_towers { tower_name: "pairs" losses { loss_type: PAIR_WISE_LOSS } }
          task_towers { tower_name: "both" losses { loss_type: PAIR_WISE_LOSS } losses { loss_type: CLASSIFICATION } }
          task_towers { tower_name: "amount" label_name: "a" num_class: 3 loss_type: ZILN_LOSS }
        } }
        """,
        Pipeline(),
    )
    found = {rule.tower: (rule.field, rule.num_classes) for rule in label_rules(pipeline)}
    assert found == {
        "event": ("a", 1),
        "classes": ("b", 4),
        "value": ("c", 0),
        "pairs": ("d", 0),
        "both": ("e", 1),
        "amount": ("a", 0),
    }


def test_numbers_that_are_not_there_are_not_bad():
    assert not LabelRule("t", "y", 1).is_bad(np.array([np.nan, 0, 1, 0.5], np.float32)).any()
