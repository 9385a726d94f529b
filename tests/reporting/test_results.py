"""eval_result.json: valid JSON at every moment."""

import json

import pytest

from easymtl.errors import UserError
from easymtl.reporting.results import Results, write_results
from easymtl.training.events import Evaluated, Saved


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def read(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_the_newest_evaluation_is_in_the_file(tmp_path):
    results = Results(tmp_path / "new")
    results(Saved(100, tmp_path))
    assert not results.path.exists()
    for step in (100, 200):
        results(Evaluated(step, {"auc_click": step / 1000, "gauc_点击": float("nan"), "loss": 0.25}, 5000, 1.5))
    found = read(tmp_path / "new" / "eval_result.json")
    assert found == {"auc_click": 0.2, "gauc_点击": None, "loss": 0.25, "global_step": 200, "num_examples": 5000}
    assert [path.name for path in results.path.parent.iterdir()] == ["eval_result.json"]


def test_numbers_are_exact_and_infinity_is_null(tmp_path):
    path = tmp_path / "result.json"
    write_results(path, {"auc_click": 0.1 + 0.2, "loss": float("inf")}, 7, 9)
    assert read(path) == {"auc_click": 0.1 + 0.2, "loss": None, "global_step": 7, "num_examples": 9}


def test_what_was_odd_in_the_evaluation_data_is_with_its_metrics(tmp_path):
    counts = {"user_id": {"missing": 12, "unknown": 0}, "age": {"out_of_range": 3}}
    Results(tmp_path)(Evaluated(5, {"auc_click": 0.5}, 20, 1.5, counts=counts, skipped_rows=2))
    assert read(tmp_path / "eval_result.json") == {
        "auc_click": 0.5,
        "global_step": 5,
        "num_examples": 20,
        "missing_user_id": 12,
        "out_of_range_age": 3,
        "skipped_rows": 2,
    }


def test_oddities_are_in_a_file_of_their_own_because_they_differ_from_run_to_run(tmp_path):
    results = Results(tmp_path)
    results.finish({"user_id": {"missing": 12, "unknown": 0}, "age": {"out_of_range": 3}})
    assert read(tmp_path / "input_oddities.json") == {"missing_user_id": 12, "out_of_range_age": 3}
    assert not results.path.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/eval_result\.json: cannot be written"):
        write_results(tmp_path / "file" / "eval_result.json", {}, 0, 0)
