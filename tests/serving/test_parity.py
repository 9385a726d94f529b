import sys

import numpy as np
import pyarrow as pa
import pytest

from easymtl.errors import UserError
from easymtl.serving import parity
from easymtl.serving.parity import check_parity
from easymtl.serving.proof_rows import ProofRows

EXPECTED = {"probs": np.array([0.5, 0.25], np.float32), "classes": np.array([[0.1, 0.9], [0.3, 0.7]], np.float32)}


def check(monkeypatch, scores, expected=EXPECTED, **options):
    monkeypatch.setattr(parity, "score_apart", lambda *asked, process: scores)
    read = pa.RecordBatch.from_pydict({"x": range(len(next(iter(expected.values()))))})
    return check_parity("somewhere", ProofRows({}, read, 1), expected, **options)


def test_equal_scores_pass(monkeypatch):
    result = check(monkeypatch, dict(EXPECTED))
    assert (result.num_rows, result.num_blanked) == (1, 1)
    assert result.largest_difference == 0


@pytest.mark.parametrize("largest", [0.5, 6.8, 4000.0])
def test_scores_are_as_exact_as_the_largest_of_their_output(monkeypatch, largest):
    """float32 that has added up numbers of about 7 is exact to 1e-6 of 7, whatever the sum."""
    expected = {"logits_a": np.array([0.0939, -largest, 0.5], np.float32)}
    allowed = 1e-5 * max(1.0, largest)
    near = expected["logits_a"] + np.float32(0.9 * allowed) * np.array([1, 0, 0], np.float32)
    check(monkeypatch, {"logits_a": near}, expected)
    far = expected["logits_a"] + np.float32(1.2 * allowed) * np.array([1, 0, 0], np.float32)
    with pytest.raises(UserError, match="logits_a of row 0"):
        check(monkeypatch, {"logits_a": far}, expected)


def test_a_probability_is_exact_to_1e_5_however_small_it_is(monkeypatch):
    expected = {"probs_a": np.array([1e-7, 0.9], np.float32)}
    check(monkeypatch, {"probs_a": np.array([8e-6, 0.9], np.float32)}, expected)
    with pytest.raises(UserError, match="probs_a of row 0"):
        check(monkeypatch, {"probs_a": np.array([1.2e-5, 0.9], np.float32)}, expected)


def test_scores_that_are_infinite_on_both_sides_are_equal(monkeypatch):
    expected = {"y_a": np.array([np.inf, 1.0], np.float32)}
    check(monkeypatch, dict(expected), expected)
    with pytest.raises(UserError, match="y_a of row 0"):
        check(monkeypatch, {"y_a": np.array([1e38, 1.0], np.float32)}, expected)
    with pytest.raises(UserError, match="y_a of row 1"):
        check(monkeypatch, {"y_a": np.array([np.inf, 1.1], np.float32)}, expected)


def test_another_class_is_no_difference_where_both_are_as_likely(monkeypatch):
    probabilities = np.array([[0.1, 0.45, 0.450001], [0.2, 0.3, 0.5]], np.float32)
    expected = {"probs_a": probabilities, "y_a": np.array([2, 2])}
    check(monkeypatch, {"probs_a": probabilities, "y_a": np.array([1, 2])}, expected)
    with pytest.raises(UserError, match="y_a of row 1"):
        check(monkeypatch, {"probs_a": probabilities, "y_a": np.array([2, 1])}, expected)


def test_a_difference_below_the_tolerance_passes_and_is_told(monkeypatch):
    result = check(monkeypatch, {**EXPECTED, "probs": EXPECTED["probs"] * (1 + 4e-6)})
    assert result.largest_difference == pytest.approx(2e-6, rel=0.1)


@pytest.mark.parametrize("name, row", [("probs", (1,)), ("classes", (1, 0))])
def test_the_row_that_differs_is_named(monkeypatch, name, row):
    changed = EXPECTED[name].copy()
    changed[row] += 1e-4
    with pytest.raises(UserError, match=f"somewhere: {name} of row 1 is"):
        check(monkeypatch, {**EXPECTED, name: changed})


def test_nan_is_no_match(monkeypatch):
    with pytest.raises(UserError, match="probs of row"):
        check(monkeypatch, {**EXPECTED, "probs": np.array([0.5, np.nan])})


def test_what_follows_from_other_outputs_is_held_against_those_of_the_model(monkeypatch):
    """A formula may blow up a difference that is small enough, and may have no value."""
    expected = {**EXPECTED, "rank": np.array([1e5, 5.0], np.float32)}
    scores = {**EXPECTED, "probs": np.array([0.500002, 0.25], np.float32)}

    def derive(found):
        assert found["probs"][0] == scores["probs"][0]
        return {"rank": [5e5, np.nan]}

    check(monkeypatch, {**scores, "rank": np.array([5e5, np.nan], np.float32)}, expected, derive=derive)
    for rank in ([1e5, np.nan], [5e5, 5.0], [np.nan, np.nan]):
        with pytest.raises(UserError, match="rank of row"):
            check(monkeypatch, {**scores, "rank": np.array(rank, np.float32)}, expected, derive=derive)


def test_missing_and_extra_outputs_are_named(monkeypatch):
    with pytest.raises(UserError, match=r"gives \['probs'\], the checkpoint \['classes', 'probs'\]"):
        check(monkeypatch, {"probs": EXPECTED["probs"]})


def test_what_the_other_process_said_is_told(monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nread line\necho no model in $line >&2\nexit 1\n")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(UserError, match=r"could not be loaded and run:\nno model in .*none"):
        parity.score_apart(tmp_path / "none", {"x": pa.array([1])})


def test_an_output_may_have_a_tolerance_of_its_own_in_all_signatures_and_the_largest_is_told(monkeypatch):
    tolerances = {"probs": 0.01, "classes": 0.02}
    near = {"probs": EXPECTED["probs"] + np.float32(0.009), "classes": EXPECTED["classes"] - np.float32(0.019)}
    assert check(monkeypatch, near, tolerances=tolerances).tolerance == 0.02
    with pytest.raises(UserError, match="probs of row"):
        check(monkeypatch, {**near, "probs": EXPECTED["probs"] + np.float32(0.011)}, tolerances=tolerances)
    with pytest.raises(UserError, match="classes of row"):
        check(monkeypatch, near, tolerances={"probs": 0.01})
    assert check(monkeypatch, dict(EXPECTED)).tolerance == 1e-5


def test_what_follows_from_other_outputs_is_as_exact_as_ever(monkeypatch):
    def double(scores):
        return {"double": 2 * np.asarray(scores["probs"], np.float64)}

    expected = {"probs": EXPECTED["probs"], "double": 2 * EXPECTED["probs"]}
    tolerances = {"probs": 0.01, "double": 0.02}
    moved = EXPECTED["probs"] + np.float32(0.009)
    found = check(monkeypatch, {"probs": moved, "double": 2 * moved}, expected, derive=double, tolerances=tolerances)
    assert found.tolerance == 0.01
    with pytest.raises(UserError, match="double of row"):
        check(
            monkeypatch,
            {"probs": moved, "double": 2 * EXPECTED["probs"]},
            expected,
            derive=double,
            tolerances=tolerances,
        )
