"""ESMM beside EasyRec's, whose classification losses are sums over a batch: 64 times the mean of its 64 rows."""

import contextlib

import numpy as np
import pytest

from tests.parity.comparison import Comparison
from tests.parity.quirks import Quirk
from tests.parity.runner import GoldenRun, load_golden_config
from tests.parity.test_golden import CASES, ROOT

# What is traced of this architecture is compared in test_golden.py.
pytestmark = pytest.mark.usefixtures("op_by_op")
BATCH = 64
# Evaluation ends with a batch of 8 rows.
_ALL_BUT_EVALUATION_LOSSES = ("losses:step", "forward_eval:", "metrics:", "grads_", "weights_", "own_init:")


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("06")])
def test_sums_over_the_batch_are_means_with_larger_weights(case):
    folder = ROOT / case
    with contextlib.chdir(folder):
        esmm = load_golden_config().pipeline.model_config.esmm
        weights = {"ctr_tower": esmm.ctr_tower.weight * BATCH}
        if "L2" not in str(esmm.cvr_tower):
            weights["cvr_tower"] = esmm.cvr_tower.weight * BATCH
        config = load_golden_config([f"model_config.esmm.{tower}.weight={value}" for tower, value in weights.items()])
        comparison = Comparison(folder, case, Quirk("", "", _ALL_BUT_EVALUATION_LOSSES))
        GoldenRun(config, comparison).run()
    result = comparison.result()
    assert result.differences == []
    assert result.num_compared > 50


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("06")])
def test_predictions_and_metrics_have_the_names_of_easyrec(case):
    folder = ROOT / case
    with contextlib.chdir(folder):
        run = GoldenRun(load_golden_config(), Comparison(folder, case))
    golden = {name.partition("/")[2] for name in np.load(folder / "forward_eval.npz")}
    logits = {task.name: np.zeros([2, 1], np.float32) for task in run.ranker.tasks}
    assert {name for name in golden if not name.endswith("_masked")} <= set(run.ranker.predictions(logits))
