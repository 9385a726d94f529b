import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.errors import UserError
from easymtl.serving.scoring import SavedModelScorer, check_keep, newest_export, predict, step_of_export


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


def test_missing_values_score_as_empty_ones(trained, exported, tmp_path):
    """A request cannot leave a value out: it sends '' and 0, and the default is up to whoever asks."""
    pipeline = trained.pipeline()
    scorer = SavedModelScorer(exported.path, pipeline)
    empty = {"user": "", "city": "", "tags": ""}
    names = list(scorer.encoder([], with_numbers=False).fields)
    nulls = trained.rows.select(names)
    for place, name in enumerate(names):
        if name in empty:
            nulls = nulls.set_column(place, name, pa.nulls(len(nulls), pa.string()))
    blanks = nulls
    for place, name in enumerate(names):
        if name in empty:
            blanks = blanks.set_column(place, name, pa.array([""] * len(nulls)))
    scores = []
    for name, table in (("nulls", nulls), ("blanks", blanks)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
        target, _ = predict(pipeline, scorer, str(tmp_path / f"{name}.parquet"), tmp_path / name, [])
        scores.append(pq.read_table(target))
    assert scores[0] == scores[1]


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


def test_failed_prediction_leaves_no_file(trained, exported, tmp_path):
    pipeline = trained.pipeline()
    scorer = SavedModelScorer(exported.path, pipeline)
    target = tmp_path / "to" / "scores.parquet"
    with pytest.raises(UserError, match=r"nowhere\.parquet"):
        predict(pipeline, scorer, str(tmp_path / "nowhere.parquet"), target, [])
    assert not list(target.parent.iterdir())
    with pytest.raises(UserError, match=r"scores\.csv: scores are written as Parquet"):
        predict(pipeline, scorer, str(trained.folder / "rows.parquet"), tmp_path / "scores.csv", [])


def test_a_remote_file_of_another_format_is_refused(trained, exported):
    pipeline = trained.pipeline()
    scorer = SavedModelScorer(exported.path, pipeline)
    with pytest.raises(UserError, match=r"s3://bucket/scores\.csv: scores are written as Parquet"):
        predict(pipeline, scorer, str(trained.folder / "rows.parquet"), "s3://bucket/scores.csv?region=eu", [])


def test_kept_columns_must_be_declared(trained):
    check_keep(trained.pipeline(), ["row", "user"])
    with pytest.raises(UserError, match=r'"usr" is not in data_config.input_fields.*Did you mean "user"'):
        check_keep(trained.pipeline(), ["usr"])


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
