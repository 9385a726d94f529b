from multiprocessing.pool import ThreadPool
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import latency, sample_data
from benchmarks.serving_calls import WARM_UP, batches, measure


def test_figures_of_calls_are_those_of_numpy():
    random = np.random.default_rng(0)
    seconds = np.stack([random.gamma(2.0, 0.001, 500), random.gamma(2.0, 0.0005, 500)], axis=1)
    found = latency.latency(seconds.tolist(), 128)
    assert found.p50 == pytest.approx(np.median(seconds[:, 0]) * 1e3)
    assert (seconds[:, 0] * 1e3 > found.p99).sum() == 5
    assert found.processor == pytest.approx(np.median(seconds[:, 1]) * 1e3)
    assert found.rows_per_second == pytest.approx(128 / np.median(seconds[:, 0]))
    assert found.calls == 500


def test_the_table_has_a_line_for_each_kind_of_call_and_setting_of_threads():
    def kinds(factor):
        return {
            "raw columns": latency.Latency(2.0 * factor, 5.0, 1.0, 500.0, 9),
            "nothing": latency.Latency(0.5, 1.0, 0.25, 2000.0, 9),
        }

    found = {"1,1": {"1": kinds(1), "128": kinds(2)}, "2,2": {"1": kinds(3), "128": kinds(4)}}
    table = latency.table("a", found)
    cells = [list(column.cells) for column in table.columns]
    assert cells[0] == ["1,1"] * 4 + ["2,2"] * 4
    assert cells[1] == ["1", "1", "128", "128"] * 2
    assert cells[2] == ["raw columns", "nothing"] * 4
    assert cells[3] == ["2.00", "0.50", "4.00", "0.50", "6.00", "0.50", "8.00", "0.50"]
    assert cells[6] == ["500", ""] * 4, "a call that scores nothing has no rows"


def test_requests_have_other_rows_until_all_were_used():
    columns = {"a": list(range(10)), "b": list("abcdefghij")}
    found = list(batches(columns, 3, 5))
    assert [request["a"] for request in found] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [1, 2, 3], [4, 5, 6]]
    assert found[3]["b"] == ["b", "c", "d"]
    assert all(len(request["a"]) == 10 for request in batches(columns, 10, 2))


class Lengths:
    """A signature of one text input."""

    structured_input_signature = ((), {"a": tf.TensorSpec([None], tf.string, name="a")})

    def __call__(self, a):
        return {"out": tf.strings.length(a)}


def test_kinds_of_call_take_turns_and_the_warm_up_does_not_count():
    seen = []

    def counting(a):
        seen.append(a.numpy().tolist())
        return {"out": tf.constant(0)}

    def transform(a):
        return {"a": tf.strings.length(a)}

    parts = {"transform": transform, "packed": counting, "nothing": counting}
    requests = list(batches({"a": ["x", "yy"]}, 1, WARM_UP + 2))
    found = measure(Lengths(), parts, requests)
    assert set(found) == {"raw columns", "packed", "nothing", "conversion"}
    assert all(len(seconds) == 2 and min(min(one) for one in seconds) >= 0 for seconds in found.values())
    assert seen[:4] == [[1], [b"x"], [2], [b"yy"]]


def test_a_config_without_data_is_left_out_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(latency.multiprocessing, "get_context", lambda kind: SimpleNamespace(Pool=ThreadPool))
    monkeypatch.setattr(sample_data, "ROOT", tmp_path)
    latency.main(["mmoe_on_census", "--out", str(tmp_path / "found.json")])
    assert "mmoe_on_census: left out: samples/data/census/train.parquet is not there" in capsys.readouterr().out
    assert not (tmp_path / "found.json").exists()
