from multiprocessing.pool import ThreadPool
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import latency, sample_data
from benchmarks.serving_calls import WARM_UP, batches, measure, signatures


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
    assert cells[3] == ["2.000", "0.500", "4.000", "0.500", "6.000", "0.500", "8.000", "0.500"]
    assert cells[6] == ["500", ""] * 4, "a call that scores nothing has no rows"


def test_a_call_is_held_against_the_one_of_before_that_it_took_turns_with():
    now, before = [[9.0, 1.0], [9.0, 8.0], [9.0, 3.0]], [[9.0, 2.0], [9.0, 8.0], [9.0, 4.0]]
    assert latency.latency(now, 1).ratio is None
    assert latency.latency(now, 1, before).ratio == 0.75
    found = {"1,1": {"1": {"encoder": latency.latency(now, 1, before), "encoder, before": latency.latency(before, 1)}}}
    assert list(latency.table("a", found).columns[7].cells) == ["0.75", ""]


def test_requests_have_other_rows_until_all_were_used():
    columns = {"a": list(range(10)), "b": list("abcdefghij")}
    found = list(batches(columns, 3, 5))
    assert [request["a"] for request in found] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [1, 2, 3], [4, 5, 6]]
    assert found[3]["b"] == ["b", "c", "d"]
    assert all(len(request["a"]) == 10 for request in batches(columns, 10, 2))


def lengths(a):
    return {"a": tf.strings.length(a)}


def test_signatures_are_called_by_the_names_of_their_tensors(tmp_path):
    module = tf.Module()
    signature = [tf.TensorSpec([None], tf.string, name="a")]
    tf.saved_model.save(module, str(tmp_path), signatures={"s": tf.function(lengths, input_signature=signature)})
    found = signatures(str(tmp_path), tf.compat.v1.ConfigProto())
    assert set(found) == {"s"} and found["s"].inputs == {"a": object}
    assert found["s"]({"a": np.array(["x", "yy"], object)})["a"].tolist() == [1, 2]


class Counting:
    """A signature of one text input that says what it is called with."""

    inputs: ClassVar = {"a": object}

    def __init__(self, name, seen):
        self.name, self.seen = name, seen

    def __call__(self, arrays):
        self.seen.append((self.name, arrays["a"].tolist()))
        return {"a": np.array([len(str(text)) for text in arrays["a"]])}


def test_kinds_and_models_take_turns_and_the_warm_up_does_not_count():
    seen = []
    names = ("raw columns", "transform", "packed", "nothing")
    models = {behind: {name: Counting(name + behind, seen) for name in names} for behind in ("", ", before")}
    found = measure(models, list(batches({"a": ["x", "yy"]}, 1, WARM_UP + 2)))
    kinds = ["raw columns", "encoder", "packed", "nothing", "conversion"]
    assert list(found) == [*kinds, *(f"{kind}, before" for kind in kinds)]
    assert all(len(seconds) == 2 and min(min(one) for one in seconds) >= 0 for seconds in found.values())
    one = [("transform", ["x"]), ("raw columns", ["x"]), ("packed", [1]), ("nothing", ["x"])]
    assert seen[:8] == [*one, *((f"{name}, before", value) for name, value in one)]
    assert seen[8] == ("transform", ["yy"]), "other rows in the next round"


def test_a_config_without_data_is_left_out_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(latency.multiprocessing, "get_context", lambda kind: SimpleNamespace(Pool=ThreadPool))
    monkeypatch.setattr(sample_data, "ROOT", tmp_path)
    latency.main(["mmoe_on_census", "--out", str(tmp_path / "found.json")])
    assert "mmoe_on_census: left out: samples/data/census/train.parquet is not there" in capsys.readouterr().out
    assert not (tmp_path / "found.json").exists()
