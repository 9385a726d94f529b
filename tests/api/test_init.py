"""Configs that are drafted for tables in memory."""

import numpy as np
import pyarrow as pa
import pytest

import easymtl
from tests.api.shop import shop_rows


@pytest.fixture(scope="module")
def rows():
    return shop_rows(400).drop(columns="note")


def test_a_draft_is_for_the_tables_that_it_was_made_of(rows):
    config = easymtl.init(rows, ["click", "buy"], evaluation=shop_rows(100, 2).drop(columns="note"), model="mmoe")
    pipeline = config.pipeline
    assert (pipeline.train_input_path, pipeline.eval_input_path) == ("memory://train", "memory://eval")
    assert list(pipeline.data_config.label_fields) == ["click", "buy"]
    assert "mmoe" in repr(config) and str(config) == config.text()


def test_one_label_is_named_alone_and_by_the_number_that_pandas_gave_it(rows):
    numbered = rows.rename(columns={"click": 7})
    for data, labels in ((rows, "click"), (rows, ("click",)), (numbered, [7])):
        config = easymtl.init(data, labels)
        assert list(config.pipeline.data_config.label_fields) == ["7" if data is numbered else "click"]


def test_what_was_left_out_is_a_note(rows):
    config = easymtl.init(rows, ["click", "buy"], ignore="city")
    (note,) = [note for note in config.notes if note.startswith("left out: ")]
    assert note == "left out: city (left out by ignore)"
    assert not any(note.startswith("left out") for note in easymtl.init(rows, ["click", "buy"]).notes)


def test_overrides_have_the_last_word(rows):
    for overrides in ({"train_config.num_steps": 3, "model_dir": "x"}, ["train_config.num_steps=3", "model_dir=x"]):
        config = easymtl.init(rows, ["click"], overrides=overrides)
        assert config.pipeline.train_config.num_steps == 3 and config.pipeline.model_dir == "x"


def test_rows_are_kept_aside_where_none_are_given_to_judge_by(rows):
    config = easymtl.init(rows, ["click", "buy"])
    assert config.pipeline.eval_input_path == "memory://eval"
    assert config.train.num_rows + config.eval.num_rows == 400 and 0 < config.eval.num_rows < 100
    joined = {tuple(row.items()) for part in (config.train, config.eval) for row in _texts(part)}
    assert joined == {tuple(row.items()) for row in _texts(config.source)}
    assert any("is kept to judge by" in note for note in config.notes)
    assert config.with_paths(model_dir="x").eval.equals(config.eval), "a copy still has them"
    assert not hasattr(easymtl.init(rows, ["click"], divides=False), "eval")
    assert not hasattr(easymtl.init(rows, ["click"], rows), "eval")


def _texts(table):
    return [{name: str(value) for name, value in row.items()} for row in table.to_pylist()]


def test_what_is_judged_is_exported_of_its_best_step_wherever_the_rows_are(rows, tmp_path):
    rows.to_parquet(tmp_path / "rows.parquet")
    given = {"out": str(tmp_path / "shop.config"), "model_dir": str(tmp_path / "model")}
    exports = [
        easymtl.init(data, ["click"], evaluation, **given).pipeline.export_config
        for data, evaluation in ((str(tmp_path / "rows.parquet"), None), (rows, None), (rows, rows))
    ]
    assert [one.exporter_type for one in exports] == ["best"] * 3
    assert [one.best_exporter_metric for one in exports] == ["auc"] * 3
    unjudged = easymtl.init(rows, ["click"], divides=False).pipeline
    assert not unjudged.HasField("export_config")


def test_each_table_is_taken_for_what_it_is(rows):
    config = easymtl.init(rows, ["click"])
    kept = {"train": config.train, "eval": config.eval}
    for given in (None, rows, rows.copy()):
        found = config.completed({"train": given, "eval": None})
        assert all(found[name] is kept[name] for name in kept)
    other = rows.head(100)
    assert config.completed({"train": other, "eval": None}) == {"train": other, "eval": config.eval}
    assert config.completed({"train": rows, "eval": other}) == {"train": rows, "eval": other}
    assert config.completed({"train": "x.csv", "eval": None})["train"] == "x.csv"


def test_a_table_is_known_by_its_values_also_where_they_are_nan(rows):
    """Taken for another table it would be trained on with the rows that it is judged by."""
    import polars as pl

    rows = pl.from_pandas(rows).with_columns(rate=pl.Series([float("nan"), 0.25] * (len(rows) // 2)))
    config = easymtl.init(rows, ["click"])
    further = rows.with_columns(unread=pl.lit(1))
    for given in (rows, rows.clone(), further, further.to_arrow().combine_chunks()):
        assert config.completed({"train": given, "eval": None})["train"] is config.train
    for other in (rows.with_columns(rate=pl.col("rate") * 2), rows.drop("rate"), rows.reverse()):
        assert config.completed({"train": other, "eval": None})["train"] is other
    strange = rows.to_pandas().assign(unread=[object(), *["a"] * (len(rows) - 1)])
    assert config.completed({"train": strange, "eval": None})["eval"] is config.eval


def test_a_table_that_was_changed_since_is_another_one(rows):
    ages = np.arange(200.0)
    table = pa.table({"age": pa.array(ages), "click": pa.array(np.arange(200) % 2)})
    config = easymtl.init(table, ["click"])
    assert config.completed({"train": table, "eval": None})["train"] is config.train
    ages[3] = 7
    assert table["age"][3].as_py() == 7, "no copy was made of the numbers"
    assert config.completed({"train": table, "eval": None})["train"] is table


def test_by_time_the_last_rows_are_kept(rows):
    import pandas as pd

    timed = rows.assign(event_time=pd.date_range("2024-01-01", periods=len(rows), freq="h"))
    config = easymtl.init(timed, ["click"])
    assert config.train["event_time"].to_pandas().max() < config.eval["event_time"].to_pandas().min()


def test_what_cannot_be_drafted_is_told(rows):
    with pytest.raises(easymtl.UserError, match=r"clik.*click"):
        easymtl.init(rows, ["clik"])
    with pytest.raises(easymtl.UserError, match='"train": column "note" has values of several types'):
        easymtl.init(shop_rows(10), ["click"])


@pytest.mark.slow
def test_a_draft_alone_trains_and_is_judged(rows, tmp_path, op_by_op):
    few = {"train_config.num_steps": 2, "model_dir": str(tmp_path / "model")}
    config = easymtl.init(rows, ["click"], overrides=few)
    run = easymtl.train(config, rows, verbose=False)
    assert "auc_click" in run.metrics
    assert run.model.tables["train"].table.num_rows == config.train.num_rows
    assert run.model.evaluate().num_examples == config.eval.num_rows


@pytest.mark.slow
def test_a_drafted_config_trains_on_its_table(rows, tmp_path, op_by_op):
    few = {"train_config.num_steps": 2, "model_dir": str(tmp_path / "model")}
    config = easymtl.init(rows, ["click", "buy"], evaluation=rows, overrides=few)
    run = easymtl.train(config, rows, rows, verbose=False)
    assert run.step == 2 and {"auc_click", "auc_buy"} <= set(run.metrics)
    assert len(run.model.predict(rows)) == 400
    ranker = easymtl.MultiTaskRanker(overrides={"train_config.num_steps": 2})
    ranker.fit(rows.drop(columns=["click", "buy"]), rows[["click", "buy"]])
    assert 0 < ranker.score(rows) < 1
