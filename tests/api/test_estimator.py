"""The estimator with scikit-learn's splitters and searches."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

import easymtl
from easymtl.api.estimator import _labelled
from easymtl.data.tables import hold_table
from tests.api.shop import shop_rows

pytestmark = pytest.mark.usefixtures("op_by_op")
LABELS = ["click", "buy"]
FEW = {"train_config.num_steps": 2, "train_config.save_checkpoints_steps": 0}


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return shop_rows(120).drop(columns=LABELS)


@pytest.fixture(scope="module")
def labels() -> pd.DataFrame:
    return shop_rows(120)[LABELS]


@pytest.fixture(scope="module")
def fitted(folder, op_by_op, features, labels):
    return easymtl.MultiTaskRanker("shop.config", FEW).fit(features, labels)


def test_parameters_are_fields_of_the_config():
    ranker = easymtl.MultiTaskRanker("shop.config", FEW, verbose=True)
    ranker.set_params(train_config__num_steps=7, data_config__batch_size=8, verbose=False)
    assert ranker.overrides == FEW | {"train_config.num_steps": 7, "data_config.batch_size": 8}
    assert ranker.get_params()["train_config__num_steps"] == 7 and not ranker.verbose
    copy = clone(ranker)
    copy.set_params(train_config__num_steps=9)
    assert ranker.overrides["train_config.num_steps"] == 7 and copy.get_params()["data_config__batch_size"] == 8
    # What was given is left as it is.
    assert FEW["train_config.num_steps"] == 2
    with pytest.raises(ValueError, match="Invalid parameter 'num_steps'"):
        ranker.set_params(num_steps=3)


@pytest.mark.parametrize(
    "labels",
    [
        [1, 0],
        np.array([[1], [0]]),
        pa.array([1, 0]),
        {"click": [1, 0]},
        pd.Series([1, 0]),
        pd.Series([1, 0], name="click", index=[7, 3]),
        pl.Series([1, 0]),
        pl.Series("click", [1, 0]),
        pl.DataFrame({"click": [1, 0]}),
        pd.DataFrame({"click": [1, 0]}),
        pa.table({"click": [1, 0]}),
    ],
    ids=lambda labels: f"{type(labels).__module__}.{type(labels).__name__}",
)
def test_labels_of_one_task_are_given_in_many_ways(labels):
    assert hold_table(_labelled(labels, ["click"]), "y").table.to_pydict() == {"click": [1, 0]}


@pytest.mark.slow
def test_its_scores_are_those_of_the_model(fitted, features, labels):
    scores = fitted.model_.predict(features)
    click, buy = fitted.predict_proba(features)
    np.testing.assert_allclose(click[:, 1], scores["probs_click"])
    np.testing.assert_allclose(buy.sum(axis=1), 1, rtol=1e-6)
    assert (fitted.predict(features) == np.stack([click[:, 1] > 0.5, buy[:, 1] > 0.5], axis=1)).all()
    aucs = [roc_auc_score(labels[task], scores[f"probs_{task}"]) for task in LABELS]
    assert fitted.score(features, labels) == pytest.approx(np.mean(aucs))
    # A missing label counts for nothing.
    half = labels.astype(float)
    half.iloc[:60] = np.nan
    assert fitted.score(features, half) == pytest.approx(
        np.mean([roc_auc_score(labels[task][60:], scores[f"probs_{task}"][60:]) for task in LABELS])
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["dict", "array", "in X", "polars"])
def test_labels_come_in_any_form(fitted, features, labels, form):
    X, y = features.drop(columns="note"), labels
    if form == "dict":
        y = {name: labels[name] for name in LABELS}
    elif form == "array":
        y = labels.to_numpy()
    elif form == "in X":
        X, y = pd.concat([X, labels], axis=1), None
    else:
        X, y = pl.from_pandas(X), pl.from_pandas(labels)
    assert fitted.score(X, y) == fitted.score(features, labels)


@pytest.mark.slow
def test_splitters_and_searches_take_it(folder, features, labels):
    ranker = easymtl.MultiTaskRanker("shop.config", FEW)
    found = cross_val_score(ranker, features, labels, cv=KFold(2, shuffle=True, random_state=1), error_score="raise")
    assert found.shape == (2,) and ((found > 0) & (found < 1)).all()
    rates = "train_config__optimizer_config[0]__adam_optimizer__learning_rate__constant_learning_rate__learning_rate"
    search = GridSearchCV(ranker, {rates: [np.float64(0.0), 0.05]}, cv=2, error_score="raise").fit(features, labels)
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    assert search.best_estimator_.get_params()[rates] == search.best_params_[rates]
    assert search.predict(features).shape == (120, 2)


@pytest.mark.slow
def test_a_task_alone_is_scored_as_an_estimator_of_one_output(folder, features, labels):
    one = easymtl.load("shop.config", tasks=["click"])
    ranker = easymtl.MultiTaskRanker(one, FEW, model_dir="models/one_task").fit(features, labels)
    assert ranker.predict_proba(features).shape == (120, 2) and ranker.predict(features).shape == (120,)
    assert easymtl.open("models/one_task").step == 2
    with pytest.raises(easymtl.UserError, match="has checkpoints of an earlier training"):
        clone(ranker).fit(features, labels)


@pytest.mark.parametrize(
    "y, says",
    [
        (np.zeros((120, 3)), 'an array of 3 labels a row without names; the config has "click", "buy"'),
        (np.zeros(120), "an array of 1 labels a row"),
        (pd.DataFrame({"click": [1], "buy": [1]}), "X has 120 rows and y 1"),
    ],
)
def test_labels_that_do_not_fit_are_told(folder, features, y, says):
    with pytest.raises(easymtl.UserError, match=says):
        easymtl.MultiTaskRanker("shop.config").fit(features, y)


def test_rows_are_a_table(folder):
    with pytest.raises(easymtl.UserError, match="X is no table"):
        easymtl.MultiTaskRanker("shop.config").fit(np.zeros((3, 2)), np.zeros((3, 2)))
