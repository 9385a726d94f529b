"""Labels, weights and numbers of the first rows, as a training would take them."""

import pyarrow as pa
import pytest
from google.protobuf import text_format

from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.verbs.value_check import default_problems, label_problems
from tests.verbs.declared_rows import FIELDS, csv, declared, parquet


def test_wrong_labels_and_missing_ones(tmp_path):
    text = 'label_fields: ["click", "price"]'
    towers = 'task_towers { tower_name: "ctr" } task_towers { tower_name: "paid" }'
    pipeline = text_format.Parse(f"model_config {{ simple_multi_task {{ {towers} }} }}", Pipeline())
    pipeline.data_config.CopyFrom(declared(text))
    problems, notes = label_problems(csv(tmp_path, "1,a,\n-1,a,\n"), pipeline)
    assert len(problems) == 1
    assert 'rows.csv:2: column "click" holds -1, the label of the tower "ctr": 0, 1,' in problems[0]
    assert notes == ['None of the first 2 rows has a label "price": the tower "paid" learns nothing from them.']
    pipeline.data_config.ignore_error = True
    assert label_problems(csv(tmp_path, "1,a,0.5\n-1,a,\n"), pipeline) == ([], [])


NUMBERS = Pipeline(
    data_config=text_format.Parse(
        f"{FIELDS} with_header: true label_fields: 'click' sample_weight: 'price'"
        "label_values { label_name: 'click' number: 1 texts: 'yes' }",
        DatasetConfig(),
    )
)
text_format.Parse(
    'feature_config { features { input_names: "user_id" feature_type: RawFeature } }'
    'model_config { feature_groups { group_name: "all" feature_names: "user_id" } dbmtl { task_towers { '
    'tower_name: "ctr" label_name: "click" use_sample_weight: true } } }',
    NUMBERS,
)


def test_a_text_that_a_feature_cannot_read_as_a_number_is_told(tmp_path):
    pipeline = Pipeline.FromString(NUMBERS.SerializeToString())
    paths = csv(tmp_path, "click,user_id,price\n1,7,1\n,,1\n0,young,1\n")
    del pipeline.data_config.label_values[:]
    (problem,), _ = label_problems(paths, pipeline)
    assert problem.startswith(f'{paths}:4: field "user_id" of "user_id" holds "young", which cannot be read as a num')
    pipeline.data_config.ignore_error = True
    assert label_problems(paths, pipeline)[0] == []


@pytest.mark.parametrize(
    ("field", "default", "found"),
    [(0, "no", 'holds "no", which data_config.label_values'), (1, "young", '"young", which cannot'), (2, "-1", "-1.0")],
)
def test_a_default_that_no_reader_takes_is_told_before_a_row_needs_it(field, default, found):
    pipeline = Pipeline.FromString(NUMBERS.SerializeToString())
    fields = pipeline.data_config.input_fields
    fields[0].input_type = DatasetConfig.STRING
    assert default_problems(pipeline) == []
    fields[field].default_val = default
    (problem,) = default_problems(pipeline)
    assert problem.startswith(f'data_config.input_fields "{fields[field].input_name}": where its default_val is put')
    assert found in problem
    pipeline.data_config.ignore_error = True
    assert default_problems(pipeline) == []


@pytest.mark.parametrize(("num_rows", "is_refused"), [(3, True), (3000, False)])
def test_labels_for_which_all_rows_are_left_out_are_refused_as_training_does(tmp_path, num_rows, is_refused):
    pipeline = Pipeline.FromString(NUMBERS.SerializeToString())
    pipeline.data_config.ignore_error = True
    del pipeline.data_config.label_values[:]
    paths = parquet(
        tmp_path, pa.table({"click": [7] * num_rows, "user_id": ["1"] * num_rows, "price": [1.0] * num_rows})
    )
    problems, notes = label_problems(paths, pipeline)
    assert ("All rows are left out" in " ".join(problems)) == is_refused
    assert ("All of the first rows are left out" in " ".join(notes)) != is_refused


def test_histories_that_are_read_side_by_side_and_differ_are_told(tmp_path):
    pipeline = Pipeline(data_config=declared("with_header: true label_fields: 'click'"))
    names = ("user_id", "items", "times")
    for name in names[1:]:
        pipeline.data_config.input_fields.add(input_name=name)
    histories = "".join(
        f'features {{ input_names: "{name}" feature_type: SequenceFeature hash_bucket_size: 9 embedding_dim: 4 }} '
        for name in names[1:]
    )
    text_format.Parse(
        f'feature_config {{ features {{ input_names: "user_id" hash_bucket_size: 9 embedding_dim: 4 }} {histories} }}'
        'model_config { feature_groups { group_name: "all" feature_names: "user_id" sequence_features { '
        'group_name: "h" seq_att_map { key: "user_id" hist_seq: "items" aux_hist_seq: "times" } } } '
        'dbmtl { task_towers { tower_name: "ctr" label_name: "click" } } }',
        pipeline,
    )
    head = "click,user_id,price,items,times\n"
    assert label_problems(csv(tmp_path, f"{head}1,u,1,a|b,3|4\n0,u,1,,\n0,u,1,c,\n"), pipeline)[0] == []
    paths = csv(tmp_path, f"{head}1,u,1,a|b,3|4\n0,u,1,c|d,5\n0,u,1,c,5|6\n")
    (problem,), _ = label_problems(paths, pipeline)
    assert problem.startswith(f'{paths}:3: the history "items" has 2 steps and "times" has 1.')
    pipeline.data_config.ignore_error = True
    assert label_problems(paths, pipeline)[0] == []
