"""Every golden case passes, differs as documented, or is still to be supported; none fails.

`EASYMTL_GOLDEN` names another folder of cases; `make parity` prints them as a table.
"""

import ast
import os
from pathlib import Path

import numpy as np
import pytest

from tests.parity.cases import find_cases, run_case
from tests.parity.comparison import Comparison
from tests.parity.metric_values import auc_of_thresholds
from tests.parity.quirks import OF_CONFIGS, QUIRKS, quirk_of
from tests.tracing import op_by_op

HERE = Path(__file__).parents[1]
ROOT = Path(os.environ.get("EASYMTL_GOLDEN", HERE / "data" / "easyrec_golden")).resolve()
CASES = find_cases(ROOT)
# What their networks are made of is traced by 01, 03, 04, 06, 07, 10d and 14c.
OF_A_TRACED_KIND = {
    "01c_simple_multi_task_nobn_adam",
    "02b_dbmtl_nobn_adam",
    "04b_mmoe_expert_nobn",
    "06c_esmm_l2_nogroups",
    "14h_seq_numeric_empty_history",
    "18b_seq_shared_embedding",
    "39c_lookup",
}
ALL_QUIRKS = [*QUIRKS.values(), *(quirk for _, quirk in OF_CONFIGS)]


def test_there_are_cases():
    assert CASES


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_training_goes_as_it_does_in_easyrec(case):
    # Architectures are traced, each once. Losses and optimizers are many, on one small model: losses are traced by
    # tests/tasks/test_losses*.py, and all of it by `make parity`.
    with op_by_op("/" in case or case in OF_A_TRACED_KIND):
        result = run_case(ROOT, case)
    assert not result.differences, "\n".join(result.differences)
    assert result.status != "failed", result.text
    if result.status == "later":
        pytest.skip(result.text)
    if (ROOT / case / "ERROR.json").exists():
        assert result.status == "differs"
        return
    quirk = quirk_of(ROOT / case)
    assert result.num_compared >= (10 if quirk is None else 5)
    assert (result.status == "differs") == (quirk is not None)
    assert quirk is None or quirk.test, f"name the test of ours that shows: {quirk.reason}"


@pytest.mark.parametrize("test", sorted({quirk.test for quirk in ALL_QUIRKS if quirk.test}))
def test_the_test_that_a_quirk_names_is_there(test):
    file, name = test.split("::")
    tree = ast.parse((HERE.parent / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_metrics_are_those_of_easyrec():
    result = run_case(HERE / "data", "golden_metrics")
    assert (result.status, result.differences) == ("passed", [])
    assert result.num_compared >= 16


@pytest.mark.parametrize("folder", ["a/08_losses/bce_sw", "a/13_dropout_shapes", "06b_esmm"])
def test_a_quirk_is_known_wherever_its_folder_is(folder):
    assert quirk_of(Path(folder)) is not None
    assert quirk_of(Path("a/08_losses/bce")) is None


class TestComparison:
    def comparison(self, tmp_path, name="01_x"):
        (tmp_path / name).mkdir()
        return Comparison(tmp_path / name, name)

    def test_a_difference_fails_and_the_largest_is_named(self, tmp_path):
        comparison = self.comparison(tmp_path)
        comparison.compare("losses", "losses:a", 1.0, 1.0)
        comparison.compare("losses", "losses:b", [1.0, 2.0], [1.0, 2.5])
        result = comparison.result()
        assert result.status == "failed"
        assert (result.absolute.where, result.absolute.value) == ("losses:b", 0.5)
        assert result.relative.value == pytest.approx(0.2)
        assert result.differences == ["losses:b: off by 0.5, allowed 2e-06"]

    def test_nan_and_other_shapes_fail(self, tmp_path):
        comparison = self.comparison(tmp_path)
        comparison.compare("losses", "losses:a", np.nan, 1.0)
        comparison.compare("losses", "losses:b", [1.0], [1.0, 1.0])
        assert len(comparison.result().differences) == 2

    def test_what_a_quirk_does_not_hold_is_not_compared(self, tmp_path):
        comparison = self.comparison(tmp_path, "13_dropout")
        comparison.compare("losses", "losses:step 1 loss", 0.0, 1.0)
        comparison.differ("weights_step5:", "missing")
        assert (comparison.result().status, comparison.result().num_compared) == ("differs", 0)
        comparison.compare("losses", "losses:eval_init 0 loss", 0.0, 1.0)
        assert comparison.result().status == "failed"


def test_the_auc_of_many_thresholds_is_the_exact_one():
    labels = np.array([0, 1, 0, 1, 1])
    predictions = np.array([0.1, 0.4, 0.5, 0.6, 0.9])
    assert auc_of_thresholds(labels, predictions, 1000) == pytest.approx(5 / 6)
    assert auc_of_thresholds(labels, np.full(5, 0.3)) == pytest.approx(0.5)
