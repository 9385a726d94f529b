"""Parts of a page on what a training has written down."""

from dataclasses import replace

import numpy as np
import pytest
from google.protobuf import text_format

from easymtl.extensions import declarations
from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.reporting.page.metric_sections import Found, compared, interval_text, is_better
from easymtl.reporting.page.training_sections import dead_experts, smoothed, thinned
from easymtl.reporting.run_history import RunHistory
from easymtl.scoring.bootstrap import Estimate
from easymtl.tasks.metrics import MetricInputs
from easymtl.tasks.tower_metrics import Metric, build_metrics


def test_points_are_thinned_to_means_of_neighbours():
    steps, values = thinned({float(step): 2.0 * step for step in range(1000)})
    assert len(steps) == 200 and steps[0] == 2 and values[0] == 4 and values[-1] == 2 * 997
    assert thinned({}) == ([], []) and thinned({3.0: 1.0}) == ([3.0], [1.0])


def test_a_running_mean_lags_behind_nothing():
    line = [float(step) for step in range(160)]
    assert smoothed(line) == pytest.approx(line), "a line stays where it is"
    noise = np.random.default_rng(0).normal(size=160)
    assert np.std(smoothed([*noise])) < 0.5 * np.std(noise)
    assert smoothed([1.0, 5.0]) == [1.0, 5.0] and smoothed([]) == []


def test_dead_experts_are_those_of_the_last_look():
    history = RunHistory(gates={"ctr": {"a": {1: 0.5, 2: 0.995}, "b": {1: 0.5, 2: 0.005}, "c": {2: 0.01}}})
    assert dead_experts(history.gates) == [("ctr", "b")]


@pytest.mark.parametrize(
    ("metric", "change", "better"),
    [
        ("auc { }", 0.1, True),
        ("auc { } weighted: true", -0.1, False),
        ("log_loss { }", -0.1, True),
        ("mean_squared_error { }", 0.1, False),
        ('gauc { uid_field: "user" }', 0.1, True),
        ("calibration { }", 0.1, None),
        # A package says which way is better, whatever of our names its own begins with.
        ('custom { name: "auc_gap" }', 0.1, False),
        ('custom { name: "auc_rise" }', 0.1, True),
    ],
)
def test_what_is_better(packages, metric, change, better):
    packages.module("team", gap=np.ptp)
    packages.install("auc_gap", declarations.Metric("team:gap", is_error=True))
    packages.install("auc_rise", declarations.Metric("team:gap"))
    assert is_better(built(metric), change) is better


def built(text: str, predicted: str = "binary") -> Metric:
    (metric,) = build_metrics([text_format.Parse(text, EvalMetrics())], predicted, 1, "t")
    return metric


def found(labels, predictions) -> Found:
    metric = built("mean_squared_error { }", "value")
    inputs = MetricInputs(np.array(labels), np.array(predictions), None, None, metric.parameters)
    return Found("t", "mean_squared_error_t", metric, inputs, np.array(labels), Estimate(0.0))


def test_only_the_same_rows_are_compared():
    one = found([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert compared(one, found([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])) == Estimate(1.0, 1.0, 1.0)
    assert compared(one, found([1.0, 2.0, 4.0], [2.0, 3.0, 4.0])) is None
    assert compared(one, found([1.0, 2.0], [2.0, 3.0])) is None
    fewer = found([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    fewer = replace(fewer, inputs=replace(fewer.inputs, labels=fewer.labels[:2], predictions=fewer.labels[:2]))
    assert compared(one, fewer) is None, "of the same rows others have counted"


def test_only_metrics_of_the_same_parameters_are_compared():
    one, other = (
        replace(found([0.0, 1.0], [0.25, 0.5]), metric=built(f'gauc {{ uid_field: "user" reduction: "{reduction}" }}'))
        for reduction in ("mean", "mean_by_sample_num")
    )
    assert compared(one, other) is None


def test_values_without_interval_or_without_value():
    nan = float("nan")
    assert interval_text(Estimate(nan)).text == "not defined" and interval_text(Estimate(0.5)) == "0.50000"
    value, _, span = interval_text(Estimate(0.5, 0.25, 0.75), sign=True)
    assert value == "+0.50000" and span.text == "0.25000 to 0.75000"
