"""What `check` remarks on features, from their first rows."""

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format

from easymtl.api.data_notes import feature_notes, label_notes
from easymtl.protos.pipeline_pb2 import Pipeline

ROWS = 60
RANDOM = np.random.default_rng(5)
CLICK = [row % 2 for row in range(ROWS)]
USERS = [f"u{row % 7}" for row in range(ROWS)]
IDS = [int(number) for number in RANDOM.integers(10**8, 10**9, ROWS)]
PIPELINE = """
data_config { label_fields: "click" }
model_config {
  feature_groups { group_name: "all" feature_names: "f" }
  simple_multi_task { task_towers { tower_name: "ctr" label_name: "click" } }
}
"""


def notes(feature, values, num_rows=ROWS):
    pipeline = text_format.Parse(PIPELINE, Pipeline())
    text_format.Parse(f'feature_name: "f" input_names: "x" {feature}', pipeline.feature_config.features.add())
    columns = {"click": pa.array(CLICK), "x": pa.array(values)}
    batch = pa.record_batch({name: column.slice(0, num_rows) for name, column in columns.items()})
    return feature_notes(batch, pipeline)


HASH = "feature_type: IdFeature hash_bucket_size: 100"
RAW = "feature_type: RawFeature"


@pytest.mark.parametrize("values, shown", [(["a"] * ROWS, '"a"'), ([""] * ROWS, "missing"), ([2.5] * ROWS, '"2.5"')])
def test_a_constant_is_told(values, shown):
    (note,) = notes(HASH, values)
    assert note.startswith(f'the feature "f" is constant: {shown} in all of the first 60 rows')


def test_what_is_missing_now_and_then_is_no_constant():
    assert notes(HASH, ["a", None] * (ROWS // 2)) == []
    assert notes(HASH, ["a"] * ROWS, num_rows=10) == [], "ten rows say little"


@pytest.mark.parametrize("values", [CLICK, [str(label) for label in CLICK], [float(label) for label in CLICK]])
def test_a_label_under_another_name_is_told(values):
    (note,) = notes(HASH, values)
    assert 'reads "x", which equals "click", the label of the tower "ctr", in all of the first 60 rows' in note


def test_what_differs_from_the_label_in_one_row_is_not():
    assert notes(HASH, [*CLICK[:-1], 1 - CLICK[-1]]) == []


@pytest.mark.parametrize("values", [IDS, [str(number) for number in IDS], [float(number) for number in IDS]])
def test_large_whole_numbers_that_hardly_repeat_look_like_ids(values):
    (note,) = notes(RAW, values)
    assert "is a RawFeature" in note
    assert "as ids do" in note


def test_whole_numbers_of_a_field_that_is_called_an_id_do_too():
    columns = {"item_id": pa.array([row % 30 for row in range(ROWS)])}
    pipeline = text_format.Parse(PIPELINE, Pipeline())
    text_format.Parse(f'feature_name: "f" input_names: "item_id" {RAW}', pipeline.feature_config.features.add())
    (note,) = feature_notes(pa.record_batch({"click": pa.array(CLICK), **columns}), pipeline)
    assert "30 different whole numbers up to 29" in note


@pytest.mark.parametrize(
    "feature, values",
    [
        (f"{RAW} max_val: 1e9", IDS),
        (f'{RAW} normalizer_fn: "log1p"', IDS),
        (f"{RAW} boundaries: [1, 2] embedding_dim: 4", IDS),
        (RAW, [row * 3 for row in range(ROWS)]),
        (RAW, [row % 5 * 10**6 for row in range(ROWS)]),
        (RAW, [number + 0.5 for number in IDS]),
        (RAW, ["many"] + ["1"] * (ROWS - 1)),
        (HASH, IDS),
        (f"{HASH} precision: 1", [row % 3 + 0.5 for row in range(ROWS)]),
    ],
)
def test_numbers_that_are_used_as_they_are_meant(feature, values):
    assert notes(feature, values) == []


def test_decimals_that_hardly_repeat_are_no_ids():
    (note,) = notes(f"{HASH} precision: 3", RANDOM.random(ROWS).tolist())
    assert "is an IdFeature" in note
    assert "A RawFeature reads numbers" in note


def test_a_vocabulary_of_which_no_value_occurs_is_told(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("U0\nU1\n")
    for vocabulary in (f'vocab_file: "{path}"', 'vocab_list: ["U0", "U1"]'):
        (note,) = notes(f"feature_type: IdFeature {vocabulary}", USERS)
        assert 'not one of the values of the first rows is, such as "u0" where the vocabulary begins with "U0"' in note
    assert notes('feature_type: IdFeature vocab_list: ["U0", "u6"]', USERS) == []
    assert notes('feature_type: IdFeature vocab_list: ["3"]', [row % 5 for row in range(ROWS)]) == []
    assert notes('vocab_list: ["0.50"] precision: 2', [row % 5 / 2 for row in range(ROWS)]) == []
    tags = [f"a:1|{user}:2" for user in USERS]
    assert notes('feature_type: TagFeature vocab_list: "u3" kv_separator: ":"', tags) == []
    assert len(notes('feature_type: TagFeature vocab_list: "u3"', tags)) == 1


@pytest.mark.parametrize(("named", "is_told"), [("1", True), ("true", False), ("yes", True)])
def test_a_label_of_which_no_named_text_occurs_is_told(named, is_told):
    pipeline = text_format.Parse(PIPELINE, Pipeline())
    labels = pipeline.data_config.label_values
    labels.add(label_name="click", number=1, texts=[named])
    labels.add(label_name="click", number=0)
    column = pa.array(["true" if label else "false" for label in CLICK]).dictionary_encode()
    told = label_notes(pa.record_batch({"click": column}), pipeline)
    assert len(told) == is_told
    assert all(f'label_values names ("{named}") in the first 60 rows, which hold "false"' in note for note in told)
    assert label_notes(pa.record_batch({"click": column}).slice(0, 10), pipeline) == [], "ten rows say little"
