"""What a colleague would say on seeing a training, and when they would keep still."""

import math
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.checkpoints.folder import Checkpoint
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training import events
from easymtl.training.hints import (
    HINTS,
    EndOfRate,
    FewSteps,
    Hints,
    RisingLoss,
    TrainingAuc,
    UnusedExperts,
    WorseThanChance,
    rise,
    unused_experts,
    worse_than_chance_in_training,
)
from easymtl.training.result import TrainingResult
from easymtl.training.trainer import Trainer
from tests.training.small_runs import small_config, write_data

PIPELINE = """
train_config { %s }
data_config { label_fields: ["click", "stay"] batch_size: 512 num_epochs: 2 }
model_config { simple_multi_task {
  task_towers { tower_name: "ctr" label_name: "click" metrics_set { auc {} } }
  task_towers { tower_name: "stay" label_name: "stay" loss_type: L2_LOSS metrics_set { mean_squared_error {} } }
} }
"""


def pipeline(train: str = "") -> Pipeline:
    return text_format.Parse(PIPELINE % train, Pipeline())


def result(step: int, metrics=None, is_stopped: bool = False) -> TrainingResult:
    return TrainingResult(step, Checkpoint(Path("c"), step), None, metrics or {}, is_stopped=is_stopped)


def told(kinds, told_events=(), end: TrainingResult | None = None, train: str = "") -> list[str]:
    texts = []
    hints = Hints(pipeline(train), lambda note: texts.append(note.text), kinds)
    for event in told_events:
        hints(event)
    if end:
        hints.finish(end)
    return texts


def test_a_handful_of_steps():
    (text,) = told([FewSteps], end=result(12))
    assert text.startswith("Hint: only 12 steps were made in all")
    assert "data_config.num_epochs (2)" in text and "data_config.batch_size (512)" in text
    (text,) = told([FewSteps], end=result(1), train="num_steps: 1")
    assert "1 step was made" in text and "raise train_config.num_steps (1)" in text
    assert told([FewSteps], end=result(50)) == []
    assert told([FewSteps], end=result(12, is_stopped=True)) == [], "it goes on"


def evaluated(num_examples: int, **metrics: float) -> events.Evaluated:
    return events.Evaluated(100, metrics, num_examples, 1.0)


@pytest.mark.parametrize(
    "auc, rows, is_told", [(0.30, 5000, True), (0.45, 20_000, True), (0.49, 20_000, False), (0.45, 1000, False)]
)
def test_an_auc_below_chance(auc, rows, is_told):
    metrics = {"auc_ctr": auc, "mean_squared_error_stay": 0.1}
    texts = told([WorseThanChance], [evaluated(rows, **metrics)], result(100, metrics))
    assert bool(texts) == is_told
    assert not texts or texts[0].startswith(f"Hint: auc_ctr is {auc:.3f}, worse than chance")
    assert told([WorseThanChance], [evaluated(rows, **metrics)], result(10, metrics)) == [], "it has learnt nothing yet"
    assert told([WorseThanChance], [], result(100, {"auc_ctr": math.nan})) == []


def test_scores_without_any_meaning_are_not_called_swapped():
    # 5 % positives, scored at random: within three standard errors, 200 times of 200.
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(3)
    for _ in range(200):
        labels = random.random(2000) < 0.05
        metrics = {"auc_ctr": float(roc_auc_score(labels, random.random(2000)))}
        assert told([WorseThanChance], [evaluated(2000, **metrics)], result(100, metrics)) == []


@pytest.mark.parametrize(
    ("value", "positives", "negatives", "step", "is_told"),
    [
        (0.40, 4000, 4000, 100, True),
        (0.48, 4000, 4000, 100, True),
        (0.491, 40_000, 40_000, 100, False),
        (0.40, 20, 400, 100, False),
        (0.40, 4000, 4000, 49, False),
        (0.60, 4000, 4000, 100, False),
    ],
)
def test_an_auc_below_chance_on_training_rows(value, positives, negatives, step, is_told):
    texts = [*worse_than_chance_in_training([TrainingAuc("ctr", value, positives, negatives)], step)]
    assert bool(texts) == is_told
    assert not texts or f'the AUC of the tower "ctr" is {value:.3f} on the last 8,000 rows' in texts[0]


def progress(step: int, loss: float, regularization: float = 0.0, rates=(0.01, 0.01)) -> events.Progress:
    losses = {"loss": loss + regularization, "regularization_loss": regularization}
    return events.Progress(step, None, 1.0, 0.0, losses, rates, None)


def test_a_rate_that_makes_the_loss_rise():
    random = np.random.default_rng(1)
    losses = [0.7 + 0.05 * step + random.normal(0, 0.02) for step in range(30)]
    (text,) = told([RisingLoss], [progress(10 * step, loss) for step, loss in enumerate(losses)])
    assert text.startswith("Hint: the loss has risen from 0.")
    assert text.endswith("The learning rate is 0.01: try a tenth, 0.001.")
    (text,) = told([RisingLoss], [progress(s, loss, rates=(0.5, 0.01)) for s, loss in enumerate(losses)])
    assert text.endswith("The learning rates are 0.01 and 0.5: try a tenth, 0.001 and 0.05.")


def test_a_loss_that_fell_first_and_then_left():
    losses = [*np.linspace(1.0, 0.2, 12), *np.linspace(0.2, 0.8, 12)]
    assert rise(losses) is not None


def test_noise_is_no_rise_nor_is_regularization_that_grows():
    for seed in range(60):
        random = np.random.default_rng(seed)
        falling = 0.7 - 0.002 * np.arange(40) + random.normal(0, 0.1, 40)
        level = 0.7 + random.normal(0, 0.1, 40)
        for losses in (falling, level):
            for length in range(12, 41):
                assert rise(list(losses[:length])) is None, f"seed {seed}, {length} losses"
    grows = [progress(step, 0.7 - 0.001 * step, regularization=0.05 * step) for step in range(30)]
    assert told([RisingLoss], grows) == []


def test_nothing_is_said_of_few_losses_or_of_some_that_are_not_finite():
    assert rise([*[0.1] * 5, *[5.0] * 6]) is None
    assert rise([*[0.1] * 6, *[5.0] * 6]) is not None
    assert rise([*np.linspace(1, 9, 20), math.nan]) is None


GATES = {"ctr": {"e0": 0.995, "e1": 0.005}, "cvr": {"e0": 0.992, "e1": 0.008}}


def test_an_expert_that_no_gate_draws_on():
    one, other = events.Gates(100, GATES), events.Gates(200, {**GATES, "cvr": {"e0": 0.5, "e1": 0.5}})
    (text,) = told([UnusedExperts], [one, one, one])
    assert text.startswith('Hint: no task uses the expert "e1": every gate gives it less than 1 %')
    assert told([UnusedExperts], [one, other, one]) == [], "not twice in a row"
    assert len(told([UnusedExperts], [other, one], result(200))) == 1, "it is so at the end"
    assert told([UnusedExperts], [one, other], result(200)) == []
    assert told([UnusedExperts], [one], result(3)) == []


def test_an_expert_of_one_task_is_used_by_it_and_small_shares_of_many_are_no_sign():
    assert unused_experts({"ctr": {"shared": 0.0, "own": 1.0}, "cvr": {"shared": 0.5, "other": 0.5}}) == set()
    many = {f"e{number}": 1 / 200 for number in range(200)}
    assert unused_experts({"ctr": many}) == set()
    assert unused_experts({"buy/handed_on": {"ctr": 0.0, "buy": 1.0}}) == set(), "towers of tasks, and no experts"


def test_each_is_told_as_a_note_and_once():
    end = result(10, {"auc_ctr": 0.1})
    assert len(told(HINTS, [evaluated(5000, auc_ctr=0.1)], end)) == 1
    assert told(HINTS, [events.Phase("training"), events.Note("x")], result(1000)) == []


FALLING = (
    "optimizer_config { adam_optimizer { learning_rate { cosine_decay_learning_rate { learning_rate_base: 0.1 "
    "total_steps: 200 } } } }"
)


def started(expected_steps: int | None) -> events.Started:
    return events.Started(0, None, {}, "FLOAT32", expected_steps)


def test_a_rate_that_comes_down_at_another_step_is_told_once():
    (text,) = told([EndOfRate], [started(400)], result(400), FALLING)
    assert text.startswith("Hint: train_config.optimizer_config[0]") and text.endswith("Set it to 400.")
    (text,) = told([EndOfRate], [started(None)], result(100), FALLING)
    assert "ends before the rate has come down" in text, "rows that are not counted are known at the end"
    for event in (started(200), started(None)):
        assert told([EndOfRate], [event], result(200), FALLING) == []
    stopped = TrainingResult(100, Checkpoint(Path("c"), 100), 50, {}, has_stopped_early=True)
    assert told([EndOfRate], [started(None)], stopped, FALLING) == []


@pytest.mark.slow
def test_expected_steps_are_those_that_are_made(tmp_path, op_by_op):
    write_data(tmp_path)
    names = ["click", "buy", "item", "tags", "price"]
    rows = pyarrow.csv.read_csv(tmp_path / "train.csv", pyarrow.csv.ReadOptions(column_names=names))
    pq.write_table(rows, tmp_path / "train.parquet", row_group_size=40)
    parquet = [f"train_input_path={tmp_path}/train.parquet", "data_config.input_type=ParquetInput", "eval_input_path="]

    def steps(*overrides: str) -> tuple[int, int, int | None]:
        begun: list[events.Started] = []
        config = small_config(tmp_path, "train_config.num_steps=0", *overrides)
        trainer = Trainer(config, lambda event: begun.append(event) if isinstance(event, events.Started) else None)
        first = trainer.step
        return first, trainer.run().step, begun[0].expected_steps

    assert steps(*parquet, "data_config.num_epochs=2") == (0, 10, 10), "150 rows in batches of 32, twice"
    assert steps(*parquet, "data_config.num_epochs=3") == (10, 15, 15), "on in the same data"
    csv = [f"model_dir={tmp_path}/csv", "data_config.num_epochs=1"]
    assert steps(*csv) == (0, 5, None), "lines of text are not counted"


def gates_of_a_training(folder: Path, *overrides: str, bias: float = 0.0) -> tuple[list[str], list[events.Gates]]:
    """Trains a small MMoE whose gates begin with a bias towards their first expert, and returns its hints and gates."""
    write_data(folder)
    texts: list[str] = []
    gates: list[events.Gates] = []
    config = small_config(folder, "train_config.num_steps=60", "train_config.save_checkpoints_steps=30", *overrides)
    hints = Hints(config.pipeline, lambda note: texts.append(note.text), [UnusedExperts])

    def listener(event: events.Event) -> None:
        hints(event)
        if isinstance(event, events.Gates):
            gates.append(event)

    trainer = Trainer(config, listener)
    biases = [one for name, one in trainer.ranker.parameters.items() if "gate" in name and name.endswith("/bias")]
    assert [one.shape for one in biases] == [(2,), (2,)]
    for one in biases:
        one.assign(tf.constant([bias, 0.0]))
    hints.finish(trainer.run())
    return texts, gates


@pytest.mark.slow
def test_a_training_whose_gates_are_forced_to_one_expert_is_told(tmp_path, op_by_op):
    texts, gates = gates_of_a_training(tmp_path, bias=20.0)
    assert len(gates) == 2 and all(sum(one.values()) == pytest.approx(1) for one in gates[0].weights.values())
    (text,) = texts
    assert text.startswith('Hint: no task uses the expert "expert_1"') and "at step 60" in text


@pytest.mark.slow
def test_a_training_whose_gates_are_free_is_not(tmp_path, op_by_op):
    texts, gates = gates_of_a_training(tmp_path)
    assert texts == [] and len(gates) == 2 and set(gates[0].weights) == {"ctr", "cvr"}
