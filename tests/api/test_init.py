"""Configs that are drafted for tables in memory."""

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


def test_overrides_have_the_last_word(rows):
    for overrides in ({"train_config.num_steps": 3, "model_dir": "x"}, ["train_config.num_steps=3", "model_dir=x"]):
        config = easymtl.init(rows, ["click"], overrides=overrides)
        assert config.pipeline.train_config.num_steps == 3 and config.pipeline.model_dir == "x"


def test_what_cannot_be_drafted_is_told(rows):
    with pytest.raises(easymtl.UserError, match=r"clik.*click"):
        easymtl.init(rows, ["clik"])
    with pytest.raises(easymtl.UserError, match='"train": column "note" has values of several types'):
        easymtl.init(shop_rows(10), ["click"])


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
