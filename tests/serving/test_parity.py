import numpy as np
import pyarrow as pa
import pytest

from easymtl.errors import UserError
from easymtl.serving import parity
from easymtl.serving.parity import check_parity

EXPECTED = {"probs": np.array([0.5, 0.25], np.float32), "classes": np.array([[0.1, 0.9], [0.3, 0.7]], np.float32)}


def check(monkeypatch, scores):
    monkeypatch.setattr(parity, "score_apart", lambda folder, columns: scores)
    return check_parity("somewhere", {}, EXPECTED)


def test_equal_scores_pass(monkeypatch):
    result = check(monkeypatch, dict(EXPECTED))
    assert result.num_rows == 2
    assert result.largest_difference == 0


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


def test_missing_and_extra_outputs_are_named(monkeypatch):
    with pytest.raises(UserError, match=r"gives \['probs'\], the checkpoint \['classes', 'probs'\]"):
        check(monkeypatch, {"probs": EXPECTED["probs"]})


def test_what_the_other_process_said_is_told(monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no model in $3 >&2\nexit 1\n")
    python.chmod(0o700)
    monkeypatch.setattr(parity.sys, "executable", str(python))
    with pytest.raises(UserError, match=r"could not be loaded and run:\nno model in .*none"):
        parity.score_apart(tmp_path / "none", {"x": pa.array([1])})
