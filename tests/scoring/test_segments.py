"""How columns are cut, metrics of the parts, and the rows with the largest losses."""

import math

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from sklearn.metrics import roc_auc_score

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.scored_rows import ScoredRows
from easymtl.scoring.segments import MISSING, OTHERS, cut, segments
from easymtl.tasks.build import build_tasks

CONFIG = """
data_config { label_fields: ["click", "seconds"] sample_weight: "weight" }
model_config { simple_multi_task {
  task_towers { tower_name: "ctr" label_name: "click"
    metrics_set { auc { } } metrics_set { auc { } weighted: true } metrics_set { gauc { uid_field: "user" } } }
  task_towers { tower_name: "stay" label_name: "seconds" loss_type: L2_LOSS }
} }
"""


@pytest.mark.parametrize(
    ("values", "names", "codes"),
    [
        (["b", "a", "b", None, ""], ["b", "a", MISSING], [0, 1, 0, 2, 2]),
        (["10", "9", "10"], ["9", "10"], [1, 0, 1]),
        ([3, 1, None, 3], ["1", "3", MISSING], [1, 0, 2, 1]),
        ([0.5, float("nan"), 0.25], ["0.25", "0.5", MISSING], [1, 2, 0]),
        ([True, False, True], ["true", "false"], [0, 1, 0]),
        ([["a", "b"], [], ["a", "b"]], ["a|b", MISSING], [0, 1, 0]),
        ([None, None], [MISSING], [0, 0]),
        ([20240102.0, 20240101.0], ["20240101", "20240102"], [1, 0]),
        ([1234.5678, 1234.5679], ["1234.5678", "1234.5679"], [0, 1]),
    ],
    ids=["texts", "numbers in texts", "integers", "fractions", "yes and no", "lists", "nothing", "days", "alike"],
)
def test_values(values, names, codes):
    column = pa.array(values) if any(value is not None for value in values) else pa.array(values, pa.string())
    found = cut(column)
    assert (found.names, found.codes.tolist()) == (names, codes)


def test_rare_values_are_one_segment_behind_the_frequent_ones():
    found = cut(pa.array(["a"] * 3 + ["b"] * 2 + ["c", "d", None]).dictionary_encode(), most=2)
    assert found.names == ["a", "b", OTHERS, MISSING] and found.codes.tolist() == [0, 0, 0, 1, 1, 2, 2, 3]


def test_many_numbers_are_cut_into_ranges_of_equal_count():
    found = cut(pa.array([*np.random.default_rng(0).permutation(1000), None]))
    assert found.names[0] == "0 to <100" and found.names[-2:] == ["900 to 999", MISSING] and len(found.names) == 11
    assert np.bincount(found.codes).tolist() == [100] * 10 + [1]


def test_ranges_that_lie_close_have_names_that_differ():
    found = cut(pa.array(0.5 + np.random.default_rng(0).permutation(1000) * 1e-9))
    assert len(set(found.names)) == len(found.names) == 10
    assert np.bincount(found.codes).tolist() == [100] * 10


def test_a_number_that_most_rows_have_makes_fewer_ranges():
    found = cut(pa.array([0] * 800 + list(range(1, 201))))
    assert found.names == ["0 to <1", "1 to <101", "101 to 200"]
    assert np.bincount(found.codes).tolist() == [800, 100, 100]


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(2)
    number = 600
    columns = {
        "click": (random.random(number) < 0.4).astype(np.float32),
        "seconds": random.normal(size=number).astype(np.float32),
        "weight": random.integers(0, 3, number).astype(np.float32),
        "city": random.choice(["Ulm", "Bonn", "Kiel"], number),
        "user": random.integers(0, 20, number).astype(str),
    }
    columns["click"][:20] = np.nan
    scores = {"probs_ctr": random.random(number).astype(np.float32), "y_stay": np.zeros(number, np.float32)}
    found = ScoredRows(build_tasks(text_format.Parse(CONFIG, Pipeline())), ["city"])
    for start in range(0, number, 250):
        part = slice(start, start + 250)
        numbers = {name: columns[name][part] for name in ("click", "seconds", "weight")}
        kept = {name: pa.array(columns[name][part]).dictionary_encode() for name in ("city", "user")}
        found.add({name: value[part] for name, value in scores.items()}, numbers, kept)
    return found, columns, scores


def test_metrics_are_those_of_the_rows_with_the_value(rows):
    found, columns, scores = rows
    assert found.num_rows == 600 and list(found.fields) == ["city", "user"]
    results = {(one.result, one.value): one for one in segments(found, "city")}
    assert len(results) == 3 * 4, "a tower without a metrics_set has the mean squared error"
    for city in ("Ulm", "Bonn", "Kiel"):
        own = (columns["city"] == city) & ~np.isnan(columns["click"])
        labels, predictions, weights = columns["click"][own], scores["probs_ctr"][own], columns["weight"][own]
        plain, weighted = results["auc_ctr", city], results["weighted_auc_ctr", city]
        assert plain.rows == (columns["city"] == city).sum()
        assert plain.estimate.value == pytest.approx(roc_auc_score(labels, predictions))
        assert plain.estimate.low < plain.estimate.value < plain.estimate.high
        assert weighted.estimate.value == pytest.approx(roc_auc_score(labels, predictions, sample_weight=weights))
        assert plain.mean_label == pytest.approx(labels.mean()) and plain.mean_score == pytest.approx(
            predictions.mean()
        )
        seconds = columns["seconds"][columns["city"] == city]
        assert results["mean_squared_error_stay", city].estimate.value == pytest.approx(np.mean(seconds**2), rel=1e-5)


def test_a_segment_that_does_not_determine_a_metric_has_none():
    one = ScoredRows(build_tasks(text_format.Parse(CONFIG, Pipeline())), ["city"])
    ones = np.ones(4, np.float32)
    kept = {"city": pa.array(["a", "a", "b", "b"]), "user": pa.array(["u"] * 4)}
    clicks = np.array([1, 1, 0, 1], np.float32)
    one.add({"probs_ctr": ones, "y_stay": ones}, {"click": clicks, "seconds": ones, "weight": ones}, kept)
    results = {(part.result, part.value): part.estimate.value for part in segments(one, "city")}
    assert math.isnan(results["auc_ctr", "a"]) and results["auc_ctr", "b"] == 0.5


def test_means_are_those_of_all_rows_where_negatives_were_left_out():
    text = CONFIG.replace('label_name: "click"', 'label_name: "click" negative_sampling_rate: 0.1')
    found = ScoredRows(build_tasks(text_format.Parse(text, Pipeline())), ["city"])
    clicks, scores = np.array([1, 0, 0, np.nan], np.float32), np.array([0.4, 0.1, 0.2, 0.9], np.float32)
    kept = {"city": pa.array(["a"] * 4), "user": pa.array(["u"] * 4)}
    found.add({"probs_ctr": scores, "y_stay": scores}, {"click": clicks, "seconds": clicks, "weight": clicks}, kept)
    [one] = [part for part in segments(found, "city") if part.result == "auc_ctr"]
    # One click, and twenty rows without one.
    assert one.mean_label == pytest.approx(1 / 21) and one.mean_score == pytest.approx((0.4 + 10 * 0.1 + 10 * 0.2) / 21)
