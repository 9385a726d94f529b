"""Differences between two models: their errors and intervals, held against worlds in which the truth is known."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from sklearn.metrics import roc_auc_score

from easymtl.extensions import declarations
from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.comparing import is_error, paired_difference, value_of
from easymtl.tasks.build import build_tasks
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.metrics import MetricInputs
from easymtl.tasks.tower_metrics import build_metrics

ROWS, SEEDS, WORLDS, DELTA = 200, 4, 200, 0.1


def mean_of(rows: np.ndarray):
    return lambda counts: float(np.average(rows, weights=counts))


def world(random, of_seeds: float, of_rows: float, of_both: float, seeds=SEEDS):
    """Rows of A and B by seed whose means differ by DELTA, with spreads of the mean as said."""
    common = random.normal(size=ROWS)
    effects = random.normal(0, of_rows * math.sqrt(ROWS), ROWS)
    first, second = [], []
    for _ in range(seeds):
        own = random.normal(0, of_both * math.sqrt(ROWS), ROWS)
        first.append(mean_of(common))
        second.append(mean_of(common + DELTA + random.normal(0, of_seeds) + effects + own))
    return first, second


def differences(of_seeds, of_rows, of_both, seeds=SEEDS):
    random = np.random.default_rng(5)
    for _ in range(WORLDS if seeds > 1 else 60):
        yield paired_difference(*world(random, of_seeds, of_rows, of_both, seeds), np.arange(ROWS), resamples=60)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spreads", [(0.1, 0, 0), (0, 0.1, 0), (0, 0, 0.1), (0.1, 0.1, 0.1), (0.02, 0.1, 0.02)], ids=str
)
def test_the_interval_holds_the_truth_as_often_as_it_says(spreads):
    found = [*differences(*spreads)]
    covered = np.mean([one.low <= DELTA <= one.high for one in found])
    assert 0.95 - 3.5 * math.sqrt(0.95 * 0.05 / WORLDS) <= covered <= 1
    of_seeds, of_rows, of_both = spreads
    expected = (of_seeds**2 + of_both**2) / SEEDS + of_rows**2
    # What rows and seeds do together is known from both, and is never said to be less than either tells.
    most = 1.45 if of_both > of_rows else 1.2
    assert 0.8 * expected < np.mean([one.error**2 for one in found]) < most * expected
    assert np.var([one.mean for one in found]) == pytest.approx(expected, rel=0.3)


def test_what_rows_and_seeds_do_together_is_counted_once():
    random = np.random.default_rng(5)
    found = [paired_difference(*world(random, 0, 0, 0.1), np.arange(ROWS), resamples=60) for _ in range(12)]
    assert 0.6 < np.mean([one.error**2 for one in found]) / (0.1**2 / SEEDS) < 1.6, "twice would be 2"


def test_of_one_seed_the_rows_alone_are_told():
    found = [*differences(0.0, 0.1, 0.0, seeds=1)]
    assert np.mean([one.low <= DELTA <= one.high for one in found]) > 0.9
    assert math.isnan(found[0].of_seeds)
    assert {one.verdict for one in found} == {"no difference seen", "better with this seed"}
    assert np.mean([one.error for one in found]) == pytest.approx(0.1, rel=0.1)


@pytest.mark.slow
def test_the_share_of_the_seeds_says_what_more_of_them_would_do():
    assert np.mean([one.of_seeds for one in differences(0.1, 0.01, 0)]) > 0.9
    assert np.mean([one.of_seeds for one in differences(0.01, 0.1, 0)]) < 0.1


def test_rows_of_one_user_are_drawn_together():
    random = np.random.default_rng(0)
    users = np.repeat(np.arange(30), 10)
    effects = np.repeat(random.normal(0, 1, 30), 10)
    first, second = [mean_of(np.zeros(300))], [mean_of(effects)]
    together = paired_difference(first, second, users, resamples=400)
    apart = paired_difference(first, second, np.arange(300), resamples=400)
    assert together.error == pytest.approx(effects.std() / math.sqrt(30), rel=0.15)
    assert apart.error == pytest.approx(effects.std() / math.sqrt(300), rel=0.15)


@pytest.mark.parametrize(
    ("shift", "is_error", "verdict"),
    [(1, False, "better"), (1, True, "worse"), (-1, True, "better"), (-1, False, "worse"), (0, False, "no")],
)
def test_of_an_error_less_is_better(shift, is_error, verdict):
    random = np.random.default_rng(1)
    first = [mean_of(random.normal(size=100)) for _ in range(3)]
    second = [mean_of(random.normal(shift * 2, 1, 100)) for _ in range(3)]
    found = paired_difference(first, second, np.arange(100))
    assert replace(found, is_error=is_error).verdict.startswith(verdict)
    assert found.mean == pytest.approx(np.mean(found.by_seed))


def test_what_is_not_defined_has_no_interval():
    found = paired_difference([lambda counts: math.nan] * 2, [lambda counts: 1.0] * 2, np.arange(10))
    assert math.isnan(found.error) and found.verdict == "no difference seen"


def test_metrics_of_drawn_rows_are_those_of_rows_written_out():
    kinds = ("auc { }", 'gauc { uid_field: "user" }', "auc { } weighted: true", "calibration { }")
    metrics = " ".join(f"metrics_set {{ {kind} }}" for kind in kinds)
    text = f"""data_config {{ label_fields: "y" sample_weight: "w" }}
        model_config {{ simple_multi_task {{ task_towers {{ tower_name: "t" {metrics} }} }} }}"""
    evaluation = Evaluation(build_tasks(text_format.Parse(text, Pipeline())))
    random = np.random.default_rng(2)
    labels = (random.random(80) < 0.5).astype(np.float32)
    scores, weights = random.random(80).astype(np.float32), random.choice([0.5, 2.0], 80).astype(np.float32)
    users = pa.array([f"u{row % 9}" for row in range(80)])
    evaluation.add({"probs_t": scores}, {"y": labels, "w": weights}, {"user": users})
    measured = evaluation.measured()
    whole = evaluation.result()
    counts = random.integers(0, 3, 80)
    drawn = np.repeat(np.arange(80), counts)
    for name, inputs in measured.items():
        value = value_of(evaluation.metrics[name], inputs)
        expected = abs(whole[name] - 1) if name == "calibration_t" else whole[name]
        assert value(None) == pytest.approx(expected)
        if name == "auc_t":
            assert value(counts) == pytest.approx(roc_auc_score(labels[drawn], scores[drawn]))
        if name == "weighted_auc_t":
            expected = roc_auc_score(labels[drawn], scores[drawn], sample_weight=weights[drawn])
            assert value(counts) == pytest.approx(expected)
        if name == "calibration_t":
            assert value(counts) == pytest.approx(abs(scores[drawn].mean() / labels[drawn].mean() - 1), rel=1e-5)
    assert set(measured) == {"auc_t", "gauc_t", "weighted_auc_t", "calibration_t"}
    assert is_error(evaluation.metrics["calibration_t"]) and not is_error(evaluation.metrics["gauc_t"])


def test_a_metric_of_a_package_is_compared_as_it_says(packages):
    packages.module("team", gap=lambda inputs: np.mean(np.abs(inputs.predictions - inputs.labels)))
    packages.install("Gap", declarations.Metric("team:gap", is_error=True))
    (metric,) = build_metrics([text_format.Parse('custom { name: "Gap" }', EvalMetrics())], "binary", 1, "t")
    inputs = MetricInputs(np.array([0.0, 1.0]), np.array([0.25, 0.5]), None, None, metric.parameters)
    value = value_of(metric, inputs)
    assert value(None) == 0.375 and value(np.array([0, 3])) == 0.5
    assert is_error(metric)
