"""An open model: the same scores for a table and for the file that it is written to, and what else it tells."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

import easymtl
from tests.api.shop import shop_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


@pytest.fixture(scope="module")
def model(run):
    return run.model


def test_scores_are_those_of_the_file_bit_by_bit_under_the_index(model, eval_rows):
    of_file = model.predict("eval.parquet", keep=["age"])
    of_table = model.predict(eval_rows, keep=["age"])
    assert of_table.index.equals(eval_rows.index) and next(iter(of_table)) == "age"
    pd.testing.assert_frame_equal(of_table.reset_index(drop=True), of_file, check_exact=True)
    assert of_table["probs_click"].dtype == np.float32 and of_table["probs_click"].between(0, 1).all()


def test_scores_of_all_kinds_of_tables_are_the_same(model, eval_rows):
    expected = model.predict(eval_rows).reset_index(drop=True)
    plain = eval_rows.drop(columns="note")
    arrow = pa.Table.from_pandas(plain, preserve_index=False)
    for data in (arrow, pl.from_pandas(plain), arrow.to_reader(), ["eval.parquet"]):
        pd.testing.assert_frame_equal(model.predict(data), expected, check_exact=True)


def test_rows_need_no_labels(model, eval_rows):
    unlabelled = eval_rows.drop(columns=["click", "buy"])
    pd.testing.assert_frame_equal(model.predict(unlabelled), model.predict(eval_rows))


def test_rows_that_cannot_be_read_are_nan_where_the_config_leaves_them_out(run, eval_rows):
    careless = easymtl.load(run.model_dir / "pipeline.config", {"data_config.ignore_error": True})
    bad = eval_rows.astype({"age": "float64"})
    bad.loc["row3", "age"] = 2.5
    with pytest.raises(easymtl.UserError, match=r'table "data": row 3 \(the first is 0\): column "age" holds 2.5'):
        run.model.predict(bad)
    model = type(run.model)(careless, run.model._scorer, run.model.source, run.model.step, run.model._ranker)
    scores = model.predict(bad)
    assert scores.index.equals(bad.index) and bad.index[scores.isna().any(axis=1)].tolist() == ["row3"]
    expected = run.model.predict(eval_rows)
    pd.testing.assert_frame_equal(scores.drop(index="row3"), expected.drop(index="row3"))


def test_an_evaluation_is_that_of_scikit_learn(model, eval_rows):
    result = model.evaluate(eval_rows)
    scores = model.predict(eval_rows)
    for task in ("click", "buy"):
        auc = roc_auc_score(eval_rows[task], scores[f"probs_{task}"])
        assert result.metrics[f"auc_{task}"] == pytest.approx(auc, abs=1e-6)
    assert result.num_examples == 120 and result.segments.empty


def test_segments_are_evaluations_of_their_rows(model, eval_rows):
    # The second column is not declared by the config.
    rows = eval_rows.assign(day=np.arange(120) % 2)
    found = model.evaluate(rows, by=["city", "day"]).segments
    of_rome = found.query("value == 'Rom' and result == 'auc_click'").iloc[0]
    rome = rows[rows["city"] == "Rom"]
    assert of_rome["rows"] == len(rome) and of_rome["low"] < of_rome["estimate"] < of_rome["high"]
    assert of_rome["estimate"] == pytest.approx(model.evaluate(rome).metrics["auc_click"], abs=1e-6)
    assert set(found["column"]) == {"city", "day"}
    with pytest.raises(easymtl.UserError, match=r'by: "dya" is neither .* Did you mean "day"'):
        model.evaluate(rows, by="dya")


def test_an_explanation_is_the_ranking_of_the_command(model, eval_rows):
    found = model.explain(eval_rows, metric="auc_click", repeats=2)
    assert set(found["task"]) == {"click"} and set(found["part"]) == {"city", "item", "tags", "age", "price"}
    assert found["loss"].is_monotonic_decreasing
    ranking = model.rank_features("eval.parquet", "auc_click", repeats=2)
    assert found["loss"].tolist() == [one.loss for one in ranking.found]
    with pytest.raises(easymtl.UserError, match='"feture" is none of'):
        model.explain(eval_rows, by="feture")
    with pytest.raises(easymtl.UserError, match="repeats: 0 is too small"):
        model.explain(eval_rows, repeats=0)


def table_of(model, feature) -> np.ndarray:
    ranker = model._ranker
    (slot,) = [slot for slot in ranker.feature_set.slots if slot.feature == feature]
    return ranker.embeddings.variable(slot.width).numpy()[slot.offset : slot.offset + slot.table.rows]


def test_embeddings_of_a_vocabulary_are_its_rows(model):
    found = model.embeddings("city")
    assert found.index.tolist() == ["Berlin", "Rom", "Wien"] and found.index.name == "city"
    np.testing.assert_array_equal(found.to_numpy(), table_of(model, "city"))
    np.testing.assert_array_equal(model.embeddings("city", values=["Wien"]).to_numpy(), table_of(model, "city")[2:])
    assert model.embeddings("age").shape == (100, 2)


def test_embeddings_of_a_hash_are_those_that_rows_are_scored_with(model):
    import tensorflow as tf

    values = ["i1", "i17", "never seen", "", None]
    found = model.embeddings("item", values=values)
    rows = tf.strings.to_hash_bucket_fast(values[:3], 50).numpy()
    np.testing.assert_array_equal(found.to_numpy()[:3], table_of(model, "item")[rows])
    assert not found.to_numpy()[3:].any()
    assert model.embeddings("age", values=[17, 18]).to_numpy().tolist() == table_of(model, "age")[17:19].tolist()
    assert model.embeddings("tags", values=["t1"]).shape == (1, 4)


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("item",), "hash table of 50 rows"),
        (("itme",), 'no feature of the model .*Did you mean "item"'),
        (("price",), "looks no single value up in a table: it is a RawFeature"),
        (("city", None, "wide"), 'is not in the group "wide"; it is in "all"'),
    ],
)
def test_embeddings_that_are_not_there_are_told(model, arguments, says):
    with pytest.raises(easymtl.UserError, match=says):
        model.embeddings(*arguments)


def test_an_export_of_a_run_on_tables_scores_as_the_model(run, model, eval_rows, score_here, capsys):
    folder = easymtl.export(run, "exports/shop")
    said = " ".join(capsys.readouterr().out.split())
    assert "equal on 120 rows" in said
    opened = easymtl.open("exports/shop")
    assert opened.source == folder and opened.step == 20 and opened.is_export
    scores = opened.predict(eval_rows)
    expected = model.predict(eval_rows)[list(scores)]
    pd.testing.assert_frame_equal(scores, expected, atol=1e-5)
    assert opened.evaluate(eval_rows).metrics["auc_click"] == pytest.approx(run.metrics["auc_click"], abs=1e-4)
    for ask in (lambda: opened.embeddings("city"), lambda: opened.explain(eval_rows)):
        with pytest.raises(easymtl.UserError, match=r"not a SavedModel\. Open its model_dir"):
            ask()
    with pytest.raises(easymtl.UserError, match="this is an export already"):
        easymtl.export(opened, "exports/again")
    with pytest.raises(easymtl.UserError, match="an export has one state"):
        easymtl.open("exports/shop", checkpoint=10)


def test_a_model_dir_that_has_moved_is_opened(run, eval_rows, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(run.model_dir.absolute())
    opened = easymtl.open(moved, checkpoint=10)
    assert opened.step == 10
    assert not np.allclose(opened.predict(eval_rows)["probs_click"], run.model.predict(eval_rows)["probs_click"])
    with pytest.raises(easymtl.UserError, match="memory://eval"):
        opened.evaluate()
    with pytest.raises(easymtl.UserError, match="there is no such folder"):
        easymtl.open(tmp_path / "nowhere")
    with pytest.raises(easymtl.UserError, match="neither a model_dir"):
        easymtl.open(tmp_path)


def test_of_no_rows_there_are_no_scores_and_no_metrics(model, eval_rows):
    scores = model.predict(eval_rows.head(0), keep=["city"])
    assert len(scores) == 0 and list(scores) == ["city", *model.predict(eval_rows)]
    with pytest.raises(easymtl.UserError, match=r'^The data is empty: the table "eval" has no rows'):
        model.evaluate(eval_rows.head(0))


def test_data_of_no_kind_are_refused(model):
    with pytest.raises(easymtl.UserError, match=r'"data": builtins\.dict is no table'):
        model.predict({"city": ["Rom"]})
    with pytest.raises(easymtl.UserError, match='table "data": column "city" is not in the table'):
        model.predict(shop_rows(5).drop(columns="city"))
