"""Intervals, held against a formula, and metrics of resamples against the metrics themselves."""

import math
from dataclasses import replace

import numpy as np
import pytest

from easymtl.config.names import METRICS as NAMES
from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.scoring import bootstrap
from easymtl.tasks.metrics import METRICS, MetricInputs
from easymtl.tasks.tower_metrics import build_metrics


def metric_of(name, **parameters):
    entry = EvalMetrics()
    getattr(entry, name).SetInParent()
    for key, value in parameters.items():
        setattr(getattr(entry, name), key, value)
    predicted = NAMES[name].tasks[0]
    (metric,) = build_metrics([entry], predicted, 3 if predicted == "classes" else 1, "the tower")
    return metric


def inputs_of(metric, name, weighted, number=300):
    random = np.random.default_rng(7)
    labels = (random.random(number) < 0.4).astype(float)
    predictions = np.round(np.clip(random.normal(0.3 + 0.2 * labels, 0.2), 0.01, 0.99), 2)
    if name.endswith("_at_topk"):
        labels, predictions = random.integers(0, 3, number).astype(float), random.dirichlet(np.ones(3), number)
    weights = random.integers(1, 4, number).astype(float) if weighted else None
    groups = random.integers(0, 30, number) if metric.key_field else None
    return MetricInputs(labels, predictions, weights, groups, metric.parameters)


ALL = [name for name in METRICS if name not in ("gauc", "session_auc")]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_a_resample_is_the_metric_of_the_rows_that_it_repeats(name, weighted):
    metric = metric_of(name, **({"topk": 2} if name.endswith("_at_topk") else {}))
    inputs = inputs_of(metric, name, weighted)
    found = bootstrap.replicates(metric, inputs, seed=2)
    assert len(found) == (bootstrap.SLOW_TIMES if name == "xauc" else bootstrap.TIMES)
    drawn = next(bootstrap.counts(len(inputs.labels), seed=2))
    for index in (0, 17):
        rows = np.repeat(np.arange(len(inputs.labels)), drawn[index].astype(int))
        repeated = replace(
            inputs,
            labels=inputs.labels[rows],
            predictions=inputs.predictions[rows],
            weights=None if inputs.weights is None else inputs.weights[rows],
        )
        if name == "xauc":  # A pair of copies of one row is no pair of the rows that were drawn.
            assert found[index] == pytest.approx(metric.kind.compute(repeated), abs=0.01)
        else:
            assert found[index] == pytest.approx(metric.kind.compute(repeated), rel=1e-9)


@pytest.mark.parametrize("reduction", ["mean", "mean_by_sample_num", "mean_by_positive_num"])
def test_of_groups_whole_groups_are_drawn(reduction):
    metric = metric_of("gauc", uid_field="user", reduction=reduction)
    inputs = inputs_of(metric, "gauc", weighted=False, number=2000)
    found = bootstrap.replicates(metric, inputs)
    groups = np.unique(inputs.groups)
    drawn = next(bootstrap.counts(len(groups)))[3].astype(int)
    rows, names = [], []
    for group, times in zip(groups, drawn):
        own = np.flatnonzero(inputs.groups == group)
        for copy in range(times):
            rows.append(own)
            names.append(np.full(len(own), 100 * group + copy))
    chosen = np.concatenate(rows)
    repeated = replace(
        inputs, labels=inputs.labels[chosen], predictions=inputs.predictions[chosen], groups=np.concatenate(names)
    )
    assert len(groups) == 30 and found[3] == pytest.approx(metric.kind.compute(repeated))


def test_the_interval_of_a_mean_is_that_of_the_formula():
    random = np.random.default_rng(0)
    errors = random.normal(5.0, 2.0, 4000)
    metric = metric_of("mean_absolute_error")
    found = bootstrap.estimate(metric, MetricInputs(np.zeros(4000), errors, None, None, metric.parameters))
    half = 1.96 * np.std(np.abs(errors), ddof=1) / math.sqrt(4000)
    mean = np.abs(errors).mean()
    assert found.value == pytest.approx(mean)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half), abs=0.2 * half)


def test_a_difference_is_taken_on_the_same_resamples():
    random = np.random.default_rng(1)
    noise = random.normal(0.0, 10.0, 2000)
    metric = metric_of("mean_absolute_error")
    one, other = (MetricInputs(np.zeros(2000), 50 + noise + add, None, None, metric.parameters) for add in (0.0, 0.1))
    found = bootstrap.difference(metric, one, other)
    # What the rows have in common is in neither end: alone their means are known to 0.4.
    assert found.value == pytest.approx(0.1) and found.low == pytest.approx(0.1) and found.high == pytest.approx(0.1)
    assert (
        found.is_apart_from_0 and not bootstrap.estimate(metric, one).low > bootstrap.estimate(metric, other).low - 0.05
    )
    assert not bootstrap.difference(metric, one, one).is_apart_from_0


def test_the_same_seed_draws_the_same_however_rows_are_cut(monkeypatch):
    before = np.concatenate(list(bootstrap.counts(50, 9, seed=4)))
    monkeypatch.setattr(bootstrap, "_LARGEST", 100)
    after = list(bootstrap.counts(50, 9, seed=4))
    assert [len(part) for part in after] == [2, 2, 2, 2, 1] and (np.concatenate(after) == before).all()
    assert (before.sum(axis=1) == 50).all() and (next(bootstrap.counts(50, 2, seed=5)) != before[:2]).any()


def test_what_is_not_defined_has_no_value_and_a_rare_class_an_interval():
    metric = metric_of("auc")
    none = bootstrap.estimate(metric, MetricInputs(np.ones(5), np.arange(5.0), None, None, metric.parameters))
    assert math.isnan(none.value) and math.isnan(none.low)
    labels = np.array([1.0, 0.0, 0.0])
    found = bootstrap.estimate(metric, MetricInputs(labels, np.array([0.5, 0.2, 0.6]), None, None, metric.parameters))
    assert found.value == 0.5 and 0 <= found.low <= found.high <= 1


def test_resamples_that_all_say_the_same_give_no_interval():
    metric = metric_of("auc")
    inputs = MetricInputs(np.eye(20)[0], np.linspace(1, 0, 20), None, None, metric.parameters)
    found = bootstrap.estimate(metric, inputs)
    assert found.value == 1.0 and math.isnan(found.low) and math.isnan(found.high), "one event is no certainty"
