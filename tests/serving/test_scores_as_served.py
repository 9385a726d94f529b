"""An export with a final score and with fields that are constants: one answer from checkpoint, SavedModel and files."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import load_ranker
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.predictions import predict
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving.request_form import RequestForm
from easymtl.serving.saved_model import ServingModel
from easymtl.serving.saved_model_scorer import SavedModelScorer
from easymtl.serving.warmup_file import read_warmup
from easymtl.tasks.build import build_tasks

pytestmark = pytest.mark.slow

CONSTANTS = {"level": ("4", 4), "tags": ("t1:2|t7", "t1:2|t7"), "age": ("31.5", 31.5), "city": ("北京", "北京")}
INPUTS = ["user", "price"]


@pytest.fixture(scope="module")
def pipeline(trained):
    pipeline = trained.pipeline()
    for field in pipeline.data_config.input_fields:
        if field.input_name in CONSTANTS:
            field.serving_value = CONSTANTS[field.input_name][0]
    pipeline.export_config.final_score.add(
        name="rank", expression="click^1.2 * log1p(max(y_seconds, 0)) + 1 / logits_click"
    )
    pipeline.export_config.final_score.add(name="often_none", expression="log(logits_click)")
    pipeline.export_config.export_features = True
    pipeline.export_config.user_fields.append("user")
    pipeline.export_config.warmup_rows = pipeline.export_config.NONE
    return pipeline


@pytest.fixture(scope="module")
def exported(trained, pipeline, tmp_path_factory):
    from easymtl.serving import parity
    from easymtl.serving.export import export
    from tests.serving.scoring_here import score_here

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "score_apart", score_here)
        return export(pipeline, trained.checkpoint, tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def files(trained, tmp_path_factory):
    """The rows without the columns that are constants, and with these in all rows."""
    folder = tmp_path_factory.mktemp("rows")
    bare = trained.rows.drop_columns([*CONSTANTS])
    pq.write_table(bare, folder / "bare.parquet")
    filled = bare
    for name, (_, value) in CONSTANTS.items():
        kind = trained.rows.schema.field(name).type
        filled = filled.append_column(name, pa.array([value] * bare.num_rows, kind))
    pq.write_table(filled, folder / "filled.parquet")
    return str(folder / "bare.parquet"), str(folder / "filled.parquet")


@pytest.fixture(scope="module")
def files_apart(trained, pipeline, files, tmp_path_factory):
    """The same without rows that have almost the score of another one.

    Of 300 rows, in which all but a user and the bucket of a price is constant, more than 200 have. Which of them comes
    first is a matter of the last bit, and that of the place in a batch.
    """
    folder = tmp_path_factory.mktemp("apart")
    scorer = RankerScorer(load_ranker(pipeline, trained.checkpoint), tf.float32)
    target, _ = predict(pipeline, scorer, files[0], folder / "scores.parquet", [])
    table = pq.read_table(target, columns=["probs_click", "rank"])
    kept = np.arange(table.num_rows)
    for scores in (column.to_numpy().astype(float) for column in table.columns):
        order = kept[np.argsort(scores[kept])]
        gaps = np.diff(scores[order], prepend=-np.inf)
        kept = np.sort(order[gaps > 1e-5 * np.maximum(np.abs(scores[order]), 1)])
    assert 60 < len(kept) < 100
    for path in files:
        pq.write_table(pq.read_table(path).take(kept), folder / path.rsplit("/", 1)[-1])
    return tuple(str(folder / path.rsplit("/", 1)[-1]) for path in files)


def test_constants_are_no_inputs_and_are_told(exported):
    assert sorted(exported.inputs) == sorted(INPUTS)
    told = json.loads((exported.path / "assets.extra" / "easymtl.json").read_text())
    assert sorted(told["inputs"]) == sorted(told["missing"]) == sorted(INPUTS)
    assert told["constants"] == {name: value for name, (_, value) in CONSTANTS.items()}
    assert {"rank", "often_none"} <= set(told["outputs"])
    served = tf.saved_model.load(str(exported.path)).signatures["serving_default"]
    answer = served(user=tf.constant(["u1", "u2"]), price=tf.constant([1.0, 2.0]))
    assert answer["feature_city"].numpy().tolist() == ["北京".encode()] * 2


def test_no_value_of_a_row_is_shipped_where_none_is_wanted(trained, exported):
    (only,) = json.loads((exported.path / "assets.extra" / "request.json").read_text())["instances"][:1]
    assert only == {"user": "", "price": 0.0}
    content = (exported.path / "assets.extra" / "tf_serving_warmup_requests").read_bytes()
    assert len(content) > 1000 and b"u1" not in content
    logs = read_warmup(str(exported.path / "assets.extra" / "tf_serving_warmup_requests"))
    assert sorted(logs[0].predict_log.request.inputs) == sorted(INPUTS)


@pytest.mark.parametrize("text", ["multi_placeholder: false", "auto_multi_value: true", "filter_inputs: false"])
def test_no_form_of_request_holds_them(trained, pipeline, text):
    from google.protobuf import text_format

    changed = type(pipeline).FromString(pipeline.SerializeToString())
    text_format.Merge(f"export_config {{ {text} }} data_config {{ separator: ';' }}", changed)
    form = RequestForm.of(changed, ServingModel(changed, load_ranker(changed, trained.checkpoint)).fields)
    assert not set(form.fields) & set(CONSTANTS)
    assert set(INPUTS) <= set(form.fields)


def test_all_that_scores_gives_the_same(trained, pipeline, exported, files, tmp_path):
    plain = trained.pipeline()
    plain.export_config.CopyFrom(pipeline.export_config)
    scorers = {
        "checkpoint": (pipeline, RankerScorer(load_ranker(pipeline, trained.checkpoint), tf.float32), files[0]),
        "SavedModel": (pipeline, SavedModelScorer(exported.path, pipeline), files[0]),
        "with columns of the constants": (
            plain,
            RankerScorer(load_ranker(plain, trained.checkpoint), tf.float32),
            files[1],
        ),
        "columns that are not read": (
            pipeline,
            RankerScorer(load_ranker(pipeline, trained.checkpoint), tf.float32),
            str(trained.folder / "rows.parquet"),
        ),
    }
    tables = {}
    for name, (config, scorer, path) in scorers.items():
        target, _ = predict(config, scorer, path, tmp_path / f"{name}.parquet", [])
        tables[name] = pq.read_table(target)
    wanted = tables.pop("checkpoint")
    for name, table in tables.items():
        assert table.column_names == wanted.column_names
        for column in table.column_names:
            found, values = (np.array(one[column].to_pylist(), float) for one in (table, wanted))
            np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-6, err_msg=f"{name}, {column}")
    click, seconds, logits = (
        wanted[name].to_numpy().astype(float) for name in ("probs_click", "y_seconds", "logits_click")
    )
    with np.errstate(invalid="ignore"):
        expected = click**1.2 * np.log1p(np.maximum(seconds, 0)) + 1 / logits
        np.testing.assert_allclose(wanted["rank"].to_numpy(), expected, rtol=1e-6)
        np.testing.assert_allclose(wanted["often_none"].to_numpy(), np.log(logits), rtol=1e-6)


def test_an_evaluation_judges_what_is_served(trained, pipeline, exported, files_apart):
    files = files_apart
    del pipeline.export_config.final_score[1]
    tasks = build_tasks(pipeline)
    plain = trained.pipeline()
    scorer = RankerScorer(load_ranker(pipeline, trained.checkpoint), tf.float32)
    found = evaluate(pipeline, tasks, scorer, files[0]).metrics
    served = evaluate(pipeline, tasks, SavedModelScorer(exported.path, pipeline), files[0]).metrics
    of_columns = evaluate(
        plain, build_tasks(plain), RankerScorer(load_ranker(plain, trained.checkpoint), tf.float32), files[1]
    ).metrics
    assert {"auc_rank_for_click", "gauc_rank_for_click", "mean_rank", "min_rank", "max_rank"} <= set(found)
    for name, value in served.items():
        # No two scores change places.
        assert value == pytest.approx(found[name], rel=1e-12 if "auc" in name else 1e-4), name
    for name, value in of_columns.items():
        assert value == pytest.approx(found[name], rel=1e-5), name
    of_data = evaluate(
        plain, build_tasks(plain), RankerScorer(load_ranker(plain, trained.checkpoint), tf.float32)
    ).metrics
    assert of_data["auc_click"] != pytest.approx(found["auc_click"], rel=1e-6)
