"""`loss_weight_strategy` with `learn_loss_weight`: the dialect's own balancing, loss by loss."""

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import find_checkpoint
from easymtl.config import load_config
from easymtl.training.balancing.descents import Fixed, LearnedLosses
from easymtl.training.import_checkpoint import import_checkpoint
from tests.parity.comparison import Comparison
from tests.parity.quirks import Quirk
from tests.parity.runner import GoldenRun, load_golden_config
from tests.training.balancing.balanced_runs import Update, config_of
from tests.training.easyrec_checkpoints import golden_values, save
from tests.training.small_runs import write_data

pytestmark = pytest.mark.usefixtures("op_by_op")

GOLDEN = Path(__file__).parents[2] / "data" / "easyrec_golden" / "08_losses" / "uncertainty"
TOWER = "model_config.dbmtl.task_towers[0]"
LEARNED = (f"{TOWER}.losses=[{{ loss_type: CLASSIFICATION weight: 5 learn_loss_weight: true }}]", f"{TOWER}.weight=2")
RATE = (
    "model_config.dbmtl.task_towers[2].losses=[{ loss_type: L2_LOSS learn_loss_weight: true }]",
    "model_config.dbmtl.task_towers[2].weight=1",
)
UNCERTAINTY = "model_config.loss_weight_strategy=Uncertainty"
RANDOM = "model_config.loss_weight_strategy=Random"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    write_data(folder)
    return folder


def losses(update: Update) -> dict[str, float]:
    return {name: float(value) for name, value in update.values.losses.items()}


def test_weights_of_the_config_count(folder):
    plain, learned = Update(folder, *LEARNED, *RATE), Update(folder, *LEARNED, *RATE, UNCERTAINTY)
    assert isinstance(plain.descent, Fixed) and isinstance(learned.descent, LearnedLosses)
    learned.ranker.parameters["cross_entropy_loss_ctr_loss_weight"].assign(np.float32(0.4))
    learned.ranker.parameters["l2_loss_rate_loss_weight"].assign(np.float32(-0.3))
    plain.run()
    moves = learned.run()
    expected = losses(plain)
    loss, squared = expected["cross_entropy_loss_ctr"], expected["l2_loss_rate"]
    expected["cross_entropy_loss_ctr"] = math.exp(-0.4) * loss + 10 * 0.4 / 2
    expected["l2_loss_rate"] = math.exp(0.3) * squared / 2 - 0.3 / 2
    expected["loss"] = sum(value for name, value in expected.items() if name != "loss")
    assert losses(learned) == pytest.approx(expected, rel=1e-5)
    assert moves["cross_entropy_loss_ctr_loss_weight"] == pytest.approx(10 / 2 - math.exp(-0.4) * loss, rel=1e-4)
    assert moves["l2_loss_rate_loss_weight"] == pytest.approx(0.5 - math.exp(0.3) * squared / 2, rel=1e-4)
    weights = {name: float(value) for name, value in learned.values.weights.items()}
    assert weights == pytest.approx({"cross_entropy_loss_ctr": math.exp(-0.4), "l2_loss_rate": math.exp(0.3) / 2})


def test_random_weights_of_the_marked_losses_sum_to_1(folder):
    plain, drawn = Update(folder, *LEARNED, *RATE), Update(folder, *LEARNED, *RATE, RANDOM)
    plain.run(), drawn.run()
    weights = {name: float(value) for name, value in drawn.values.weights.items()}
    assert sum(weights.values()) == pytest.approx(1)
    expected = {name: value * weights.get(name, 1) for name, value in losses(plain).items() if name != "loss"}
    expected["loss"] = sum(expected.values())
    assert losses(drawn) == pytest.approx(expected, rel=1e-5)
    drawn.run()
    assert {name: float(value) for name, value in drawn.values.weights.items()} != weights


def test_what_has_no_effect_is_noted(folder):
    assert "learn_loss_weight has no effect" in " ".join(map(str, config_of(folder, *LEARNED).notes))
    assert "Uncertainty has no effect" in " ".join(map(str, config_of(folder, UNCERTAINTY).notes))
    assert isinstance(Update(folder, UNCERTAINTY).descent, Fixed)


def test_with_weights_of_1_training_goes_as_it_does_in_easyrec(monkeypatch):
    """EasyRec ignores the weight 5 of the second loss, so its numbers are those of a weight of 1."""
    monkeypatch.chdir(GOLDEN)
    config = load_golden_config()
    config.pipeline.model_config.dbmtl.task_towers[0].losses[1].weight = 1
    holds = ("forward_eval:", "losses:step", "weights_step", "grads_step1:", "metrics:")
    comparison = Comparison(GOLDEN, "uncertainty", Quirk("the loss of an evaluation has no learned weights", "", holds))
    run = GoldenRun(config, comparison)
    run.run()
    result = comparison.result()
    assert not result.differences, "\n".join(result.differences)
    assert result.num_compared > 40
    assert {"cross_entropy_loss_t_loss_weight", "pair_wise_loss_t_loss_weight"} <= set(run.ranker.parameters)


def test_what_easyrec_has_learned_is_imported(tmp_path):
    values = golden_values("08_losses/uncertainty", "step5")
    config = load_config(str(GOLDEN / "pipeline.config"), [f"model_dir={tmp_path}/model"])
    report = import_checkpoint(config.pipeline, save(tmp_path / "there" / "model.ckpt-5", values))
    name = "cross_entropy_loss_t_loss_weight"
    assert report.parameters[name] == name
    reader = tf.train.load_checkpoint(find_checkpoint(config.pipeline).prefix)
    assert reader.get_tensor(name) == values[name]
    assert reader.get_tensor(f"{name}/Adam").shape == ()
