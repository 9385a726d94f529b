import numpy as np
import pytest

from easymtl.ways.comparing import compare

WANTED = {
    "probs_a": np.array([0.5, 0.25, 1e-7], np.float32),
    "logits_a": np.array([0.0, -40.0, 3.0], np.float32),
    "probs_k": np.array([[0.1, 0.9], [0.5, 0.5], [0.3, 0.7]], np.float32),
    "y_k": np.array([1, 0, 1]),
    "feature_u": np.array([b"a", b"", b"1.5"], object),
}


def changed(name, row, value):
    values = WANTED[name].copy()
    values[row] = value
    return {**WANTED, name: values}


def test_equal_scores_and_a_way_without_texts():
    for found in (WANTED, {name: values for name, values in WANTED.items() if name != "feature_u"}):
        result = compare(found, WANTED, 3, 1e-5)
        assert (result.problem, result.largest, result.num_rows) == (None, 0.0, 3)


@pytest.mark.parametrize(
    ("name", "row", "near", "far"),
    [
        ("probs_a", 2, 9e-6, 2e-5),
        ("logits_a", 0, 3.9e-4, 4.1e-4),
        ("probs_k", 1, [0.500009, 0.499991], [0.50002, 0.49998]),
        ("y_k", 1, 1, None),
        ("y_k", 0, None, 0),
        ("feature_u", 2, b"1.5000001", b"1.6"),
        ("feature_u", 1, None, b"x"),
        ("probs_a", 0, None, np.nan),
        ("logits_a", 1, None, -np.inf),
    ],
)
def test_what_is_near_enough_and_what_is_not_is_told_with_output_and_row(name, row, near, far):
    if near is not None:
        assert compare(changed(name, row, near), WANTED, 3, 1e-5).problem is None
    if far is not None:
        result = compare(changed(name, row, far), WANTED, 3, 1e-5)
        assert result.output == name
        assert result.problem.startswith(f"{name} of row {row} (the first is 0) is ")
        # What an export of narrow precision allows.
        is_number = isinstance(far, float) and np.isfinite(far)
        assert not is_number or compare(changed(name, row, far), WANTED, 3, 1e-3).problem is None


def test_scores_that_are_missing_on_both_sides_are_the_same():
    wanted = {"rank": np.array([np.nan, np.inf, 1.0], np.float32)}
    assert compare(dict(wanted), wanted, 3, 1e-5).problem is None
    assert compare({"rank": np.array([0.0, np.inf, 1.0])}, wanted, 3, 1e-5).problem.startswith("rank of row 0")


def test_the_output_that_is_told_is_the_furthest_next_to_what_it_is_allowed():
    """3e-4 of a logit of 40 is nearer than 9e-6 of a probability."""
    found = changed("logits_a", 0, 3e-4) | {"probs_a": WANTED["probs_a"] + np.float32(9e-6)}
    result = compare(found, WANTED, 3, 1e-5)
    assert (result.output, result.allowed) == ("probs_a", 1e-5)
    assert result.largest == pytest.approx(9e-6, rel=0.01)


def test_a_formula_is_held_against_the_scores_that_it_was_made_of():
    """Where a probability differs by as much as it may, 1000 times that is no fault of the formula."""
    wanted = {"probs_a": np.array([0.5], np.float32), "rank": np.array([500.0], np.float32)}
    found = {"probs_a": wanted["probs_a"] + np.float32(9e-6), "rank": np.array([500.009], np.float32)}
    assert compare(found, wanted, 1, 1e-5).output == "rank", "it differs by more than 5e-3"

    def derive(scores):
        return {"rank": scores["probs_a"] * 1000}

    assert compare(found, wanted, 1, 1e-5, derive).problem is None
    wrong = {**found, "rank": wanted["rank"] + 1}
    assert compare(wrong, wanted, 1, 1e-5, derive).problem.startswith("rank of row 0 (the first is 0) is 501.0")


def test_outputs_and_shapes_that_are_not_those():
    without = {name: values for name, values in WANTED.items() if name != "y_k"}
    assert "in place of ['feature_u'" in compare(without, WANTED, 3, 1e-5).problem
    assert "more" in compare({**WANTED, "more": WANTED["y_k"]}, WANTED, 3, 1e-5).problem
    short = {**WANTED, "probs_k": WANTED["probs_k"][:2]}
    assert compare(short, WANTED, 3, 1e-5).problem == "probs_k is [2, 2] in place of [3, 2]"
    flat = {**WANTED, "probs_k": WANTED["probs_k"][:, 0]}
    assert compare(flat, WANTED, 3, 1e-5).problem == "probs_k is [3] in place of [3, 2]"


def test_no_rows_have_no_scores():
    none = {name: np.array([]) for name in WANTED}
    assert compare(none, WANTED, 0, 1e-5).problem is None
    assert compare(WANTED, WANTED, 0, 1e-5).problem.startswith("probs_a is [3]")
