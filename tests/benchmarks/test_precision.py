import math

import numpy as np
import pytest

from benchmarks import precision
from benchmarks.kept_rows import KeptRows

NAME = "dbmtl_on_taobao"


def row(seed, name, auc, served=0.5, task="ctr", rows=None):
    values = (NAME, rows or precision.WORKLOADS[NAME].rows, seed, name, task)
    return {**dict(zip(precision.KEYS, values)), "auc": auc, "served": served, "seconds": 1.0}


def some_rows():
    """Three pairs of differences .001, .002 and .003; a seed that is under way and other data do not count."""
    pairs = [
        row(seed, name, 0.7 + 0.01 * seed + (0.001 * seed if name == "BFLOAT16" else 0))
        for seed in (1, 2, 3)
        for name in ("FLOAT32", "BFLOAT16")
    ]
    return [*pairs, row(4, "FLOAT32", 0.1), row(1, "FLOAT32", 0.2, rows=7), row(1, "BFLOAT16", 0.3, rows=7)]


def test_differences_are_taken_within_a_seed():
    (key,), (pairs,) = zip(*precision.pairs_of(some_rows(), "auc").items())
    assert key == (NAME, "ctr")
    np.testing.assert_allclose(pairs.differences, [0.001, 0.002, 0.003], atol=1e-12)
    assert pairs.mean == pytest.approx(0.002)
    assert pairs.standard_error == pytest.approx(0.001 / math.sqrt(3))
    (served,) = precision.pairs_of(some_rows(), "served").values()
    assert served.mean == 0


@pytest.mark.parametrize(
    "differences, verdict",
    [
        ([0.0001, 0.0002, 0.00015], "within"),
        ([0.002, -0.002, 0.0004], "undecided"),
        ([0.001, -0.0005, 0.0015], "undecided"),
        ([-0.001, -0.0011], "beyond"),
        ([0.0001], "undecided"),
    ],
)
def test_what_the_spread_lets_one_say(differences, verdict):
    float32 = np.full(len(differences), 0.7)
    assert precision.Pairs(float32, float32 + differences).verdict == verdict


def test_the_table_has_a_line_for_each_task():
    rows = [*some_rows(), row(1, "FLOAT32", 0.8, task="cvr"), row(1, "BFLOAT16", 0.8, task="cvr")]
    cells = {column.header: list(column.cells) for column in precision.table(rows, "auc").columns}
    assert cells["task"] == ["ctr", "cvr"]
    assert cells["difference"] == ["+0.00200", "+0.00000"]
    assert cells["pairs"] == ["3", "1"]
    assert cells["rms"] == [f"{math.sqrt(14 / 3) / 1000:.5f}", "0.00000"]
    assert cells["control rms"] == ["-", "-"]


def test_the_control_is_float32_on_other_kernels():
    rows = [*some_rows(), row(1, precision.CONTROL, 0.713), row(2, precision.CONTROL, 0.724)]
    cells = {column.header: list(column.cells) for column in precision.table(rows, "auc").columns}
    assert cells["control rms"] == [f"{math.sqrt((0.003**2 + 0.004**2) / 2):.5f}"]


def test_tasks_are_those_with_an_auc():
    assert precision.tasks_of("dbmtl_on_livestream") == ["is_click", "is_view", "is_on_mic"]


def test_a_finished_training_is_not_done_again(tmp_path, monkeypatch):
    done = []
    monkeypatch.setitem(precision.WORKLOADS, NAME, precision.Workload(600, 300))
    monkeypatch.setattr(precision, "start_tensorflow", lambda: None)
    metrics = {"auc_ctr": 0.7, "auc_cvr": 0.6}
    monkeypatch.setattr(precision, "train", lambda *key: done.append(key) or (metrics, metrics))
    results = tmp_path / "precision.csv"
    for _ in range(2):
        precision._train_missing(1, NAME, "FLOAT32", tmp_path, results)
    assert len(done) == 1
    assert [row["task"] for row in KeptRows(results, precision.KEYS).rows] == ["ctr", "cvr"]
