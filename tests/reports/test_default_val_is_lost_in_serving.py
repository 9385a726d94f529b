"""A default_val was filled in by the reader alone: a server's scores differed by .2 from those of predict."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.mark.usefixtures("score_here")
@pytest.mark.slow
def test_the_savedmodel_scores_missing_values_as_predict_does(report):
    case = report("default-val-is-lost-in-serving")
    assert case.run("train --pipeline_config x.config").code in (0, None)
    told = case.run("export --pipeline_config x.config").out
    assert '"" for user, tags; NaN or 9.0 for price' in " ".join(told.split()), told
    case.run("predict --pipeline_config x.config --input rows.parquet --output scores.parquet")
    rows, scores = (pq.read_table(case.folder / name) for name in ("rows.parquet", "scores.parquet"))
    assert rows["user"].null_count and rows["price"].null_count
    (export,) = (case.folder / "model" / "export" / "final").iterdir()
    model = tf.saved_model.load(str(export))
    texts = {name: tf.constant([value or "" for value in rows[name].to_pylist()]) for name in ("user", "tags")}
    for instead in (np.nan, 9.0):
        price = tf.constant([instead if value is None else value for value in rows["price"].to_pylist()], tf.float32)
        served = model.signatures["serving_default"](price=price, **texts)
        for name, values in served.items():
            np.testing.assert_allclose(
                values, scores[name], atol=1e-5, err_msg=f"{name}, {instead} for a missing price"
            )
