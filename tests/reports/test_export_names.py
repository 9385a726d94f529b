"""Columns that TensorFlow would call otherwise: they trained for hours and could not be exported."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.mark.usefixtures("score_here")
@pytest.mark.slow
@pytest.mark.parametrize("name, column", [("export-upper-case-name", "UserId"), ("export-name-with-blank", "user id")])
def test_the_model_is_exported_with_the_name_of_the_column(report, name, column):
    case = report(name)
    for command in ("check", "train", "export"):
        outcome = case.run(f"{command} --pipeline_config x.config")
        assert outcome.code in (0, None), outcome.message
    assert f"{column} string, item string" in outcome.out
    (export,) = (case.folder / "model" / "export" / "final").iterdir()
    description = json.loads((export / "assets.extra" / "easymtl.json").read_text(encoding="utf-8"))
    assert description["inputs"] == {column: "string", "item": "string"}
    case.run("predict --pipeline_config x.config --input train.parquet --output scores.parquet")
    rows, scores = (pq.read_table(case.folder / file) for file in ("train.parquet", "scores.parquet"))
    model = tf.saved_model.load(str(export))
    served = model.signatures["serving_default"](
        **{key: tf.constant(rows[key].to_pylist()) for key in (column, "item")}
    )
    np.testing.assert_allclose(served["probs_ctr"], scores["probs_ctr"], atol=1e-5)
