import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.scoring.predictions import predict
from easymtl.serving.saved_model_scorer import SavedModelScorer, newest_export, step_of_export

pytestmark = pytest.mark.usefixtures("op_by_op")


def test_tensorflows_own_tool_gives_the_scores_of_predict(trained, exported, tmp_path):
    pipeline = trained.pipeline()
    rows = {
        "user": ["u1", "u2", "never seen"],
        "city": ["北京", "cairo", ""],
        "level": [1, 5, 3],
        "tags": ["t1:2|t3:1", "", "t5:3"],
        "price": [0.5, 1.5, 9.0],
        "age": [20.0, 50.0, 80.0],
    }
    types = {"level": pa.int32(), "price": pa.float32()}
    path = tmp_path / "three.parquet"
    pq.write_table(pa.table({name: pa.array(values, types.get(name)) for name, values in rows.items()}), path)
    target, _ = predict(pipeline, SavedModelScorer(exported.path, pipeline), str(path), tmp_path / "three", [])
    expected = pq.read_table(target)
    inputs = ";".join(f"{name}={values!r}" for name, values in rows.items())
    tool = Path(sys.executable).with_name("saved_model_cli")
    command = [tool, "run", "--dir", exported.path, "--tag_set", "serve", "--signature_def", "serving_default"]
    run = subprocess.run([*command, "--input_exprs", inputs], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    printed = re.search(r"output key probs_click:\s*\[([^\]]*)\]", run.stdout)[1]
    np.testing.assert_allclose([float(text) for text in printed.split()], expected["probs_click"], rtol=1e-5)


def test_nulls_are_sent_as_a_client_sends_them(trained, exported, tmp_path):
    """Whether a value is null or what a client sends in its place, the SavedModel scores it alike."""
    pipeline = trained.pipeline()
    scorer = SavedModelScorer(exported.path, pipeline)
    sent = {"user": "", "city": "", "tags": "", "level": 3, "price": 0.0, "age": 0.0}
    nulls, values = trained.rows, trained.rows
    for name, value in sent.items():
        kind, place = nulls[name].type, nulls.column_names.index(name)
        nulls = nulls.set_column(place, name, pa.nulls(len(nulls), kind))
        values = values.set_column(place, name, pa.array([value] * len(values), kind))
    scores = []
    for name, table in (("nulls", nulls), ("values", values)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
        target, _ = predict(pipeline, scorer, str(tmp_path / f"{name}.parquet"), tmp_path / name, [])
        scores.append(pq.read_table(target))
    assert scores[0] == scores[1]


def test_an_input_of_another_type_than_the_field_is_named(trained, exported):
    place = [field.input_name for field in trained.pipeline().data_config.input_fields].index("price")
    other = trained.pipeline(f"data_config.input_fields[{place}].input_type=DOUBLE")
    with pytest.raises(UserError, match=r'the input "price" of the SavedModel is float32, .* declares it DOUBLE'):
        SavedModelScorer(exported.path, other)
    del other.data_config.input_fields[place]
    with pytest.raises(UserError, match=r'the SavedModel has an input "price", which is not in data_config'):
        SavedModelScorer(exported.path, other)


def test_a_call_with_unequal_columns_names_them(exported):
    serve = tf.saved_model.load(str(exported.path)).signatures["serving_default"]
    request = {
        name: tf.constant(["" if kind == "string" else 1] * (1 if name == "city" else 3), kind)
        for name, kind in exported.inputs.items()
    }
    with pytest.raises(tf.errors.InvalidArgumentError, match="different numbers of rows: city 1, user 3"):
        serve(**request)


def test_data_without_labels_can_be_scored_and_kept_columns_come_first(trained, exported, tmp_path):
    pipeline = trained.pipeline()
    path = tmp_path / "unlabelled.parquet"
    pq.write_table(trained.rows.drop(["click", "kind", "seconds", "weight"]), path)
    target, num_rows = predict(
        pipeline, SavedModelScorer(exported.path, pipeline), str(path), tmp_path, ["user", "row"]
    )
    scores = pq.read_table(target)
    assert num_rows == scores.num_rows == trained.rows.num_rows
    assert scores.column_names[:2] == ["user", "row"]
    assert scores["user"].to_pylist() == trained.rows["user"].to_pylist(), "nulls stay nulls"
    assert scores["row"].to_pylist() == trained.rows["row"].to_pylist()
    assert scores.schema.field("user").type == pa.string()
    assert scores.schema.field("probs_kind").type == pa.list_(pa.float32(), 3)


def test_newest_export_is_by_number_and_a_model_folder_is_itself(tmp_path):
    for number in ("9", "10", "assets"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "saved_model.pb").write_bytes(b"")
    (tmp_path / "11").mkdir()
    assert newest_export(tmp_path) == tmp_path / "10"
    assert newest_export(tmp_path / "9") == tmp_path / "9"
    with pytest.raises(UserError, match="no SavedModel is in this folder"):
        newest_export(tmp_path / "11")
    assert step_of_export(tmp_path / "9") == 0


def test_damaged_model_is_named(trained, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(UserError, match=f"{tmp_path.name}: cannot be loaded as a SavedModel"):
        SavedModelScorer(tmp_path, trained.pipeline())
