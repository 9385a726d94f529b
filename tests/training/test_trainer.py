"""Training as a whole: a resumed run is the uninterrupted one, and every ending is the right one."""

import json

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.errors import UserError
from easymtl.training import events
from easymtl.training.trainer import Trainer
from tests.tracing import traced
from tests.training.small_runs import NUM_ROWS, arrays, of_kind, small_config, train, write_data, write_rows

NO_EVALUATION = "eval_input_path="
NO_DROPOUT = " ".join(f"model_config.mmoe.expert_dnn.dropout_ratio[{layer}]=0" for layer in (0, 1))
ADAM = "train_config.optimizer_config[0].adam_optimizer"


pytestmark = [pytest.mark.usefixtures("op_by_op"), pytest.mark.threads]


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A training of six steps that has ended, to be read only: folder, result, what was told."""
    folder = tmp_path_factory.mktemp("done")
    write_data(folder)
    with traced():
        return folder, *train(folder)


def losses(told: list[events.Event]) -> dict[int, dict[str, float]]:
    return {event.step: dict(event.losses) for event in of_kind(told, events.Progress)}


def test_a_resumed_training_is_bit_identical_to_an_uninterrupted_one(folder, done):
    _, whole, told = done
    with traced():
        _, first = train(folder, "train_config.num_steps=3")
        parts, second = train(folder)
    assert whole.step == parts.step == 6
    assert losses(told) == losses(first) | losses(second)
    assert dict(whole.metrics) == dict(parts.metrics)
    assert whole.best_step == parts.best_step
    expected = arrays(whole.checkpoint)
    found = arrays(parts.checkpoint)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    states = [json.loads((result.checkpoint.path / "state.json").read_text()) for result in (whole, parts)]
    assert states[0] == states[1]


def test_features_are_dropped_in_a_resumed_training_as_in_an_uninterrupted_one(folder):
    rate = "model_config.feature_groups[0].feature_dropout_rate=0.5"
    train(folder, f"model_dir={folder}/parts", rate, "train_config.num_steps=3")
    ends = [train(folder, f"model_dir={folder}/{name}", rate) for name in ("whole", "parts")]
    ends.append(train(folder, f"model_dir={folder}/without"))
    whole, parts, without = (arrays(result.checkpoint)["mmoe/expert_0/dnn_0/kernel"] for result, _ in ends)
    np.testing.assert_array_equal(whole, parts)
    assert not np.array_equal(whole, without)


def test_a_checkpoint_names_every_parameter_and_slot(done):
    names = set(arrays(done[1].checkpoint))
    for name in ("input_layer/item_embedding/embedding_weights", "mmoe/expert_1/dnn_0/kernel", "ctr/dnn_0/bn/gamma"):
        assert {name, f"{name}/Adam", f"{name}/Adam_1"} <= names
    assert "cvr/dnn_0/bn/moving_variance" in names
    assert "cvr/dnn_0/bn/moving_variance/Adam" not in names


def variables(trainer) -> list[tf.Variable]:
    return [*trainer.ranker.dense_variables, *trainer.ranker.embeddings.variables_by_width.values()]


@pytest.mark.parametrize(
    ("override", "is_other"),
    [
        ("data_config.num_epochs=0", True),
        ("data_config.shuffle=false", True),
        (NO_DROPOUT, True),
        (f"data_config.shuffle=false {NO_DROPOUT}", False),
    ],
    ids=["order and dropout", "dropout", "order", "neither"],
)
def test_another_seed_is_another_order_and_another_dropout(folder, override, is_other):
    """Each by itself, from the same weights."""
    told: list[list[events.Event]] = [[], []]
    trainers = []
    for seed, listened in zip((5, 6), told):
        settings = (NO_EVALUATION, "train_config.num_steps=1", f"train_config.seed={seed}", *override.split())
        trainers.append(Trainer(small_config(folder, *settings, f"model_dir={folder}/{seed}"), listened.append))
    pairs = list(zip(*map(variables, trainers)))
    assert any(np.any(one.numpy() != other.numpy()) for one, other in pairs), "initial weights are of the seed, too"
    for one, other in pairs:
        other.assign(one)
    for trainer in trainers:
        trainer.run()
    assert (losses(told[0])[1] != losses(told[1])[1]) == is_other


def test_training_a_finished_training_does_nothing(done):
    folder, before, _ = done
    result, told = train(folder)
    assert result.step == 6
    assert not of_kind(told, events.Progress) and not of_kind(told, events.Saved)
    [note] = of_kind(told, events.Note)
    assert "Continuing from" in note.text
    assert result.metrics == before.metrics


def test_epochs_end_a_training_and_only_the_last_batch_is_short(folder):
    result, told = train(folder, NO_EVALUATION, "train_config.num_steps=0", "data_config.num_epochs=2")
    assert result.step == -(-2 * NUM_ROWS // 32)
    assert of_kind(told, events.Progress)[-1].share == pytest.approx(1.0)


def test_a_last_batch_of_one_row_trains(folder):
    write_rows(folder / "train.csv", 33, seed=3)
    result, told = train(folder, NO_EVALUATION, "train_config.num_steps=0", "data_config.num_epochs=1")
    assert result.step == 2
    assert all(np.isfinite(value) for step in losses(told).values() for value in step.values())
    assert all(np.all(np.isfinite(value)) for value in arrays(result.checkpoint).values())


def test_one_epoch_more_goes_on_where_the_data_ended(folder):
    one = (NO_EVALUATION, "train_config.num_steps=0", "data_config.batch_size=50")
    train(folder, *one, "data_config.num_epochs=1", f"model_dir={folder}/parts")
    parts, _ = train(folder, *one, "data_config.num_epochs=2", f"model_dir={folder}/parts")
    whole, _ = train(folder, *one, "data_config.num_epochs=2", f"model_dir={folder}/whole")
    assert parts.step == whole.step == 6
    for name, value in arrays(whole.checkpoint).items():
        np.testing.assert_array_equal(arrays(parts.checkpoint)[name], value, err_msg=name)


def test_the_model_learns(folder):
    with traced():
        result, told = train(folder, "train_config.num_steps=60", "train_config.save_checkpoints_steps=60")
    steps = losses(told)
    assert steps[60]["loss"] < steps[1]["loss"]
    assert result.metrics["auc_ctr"] > 0.6


def test_a_loss_that_is_not_finite_stops_the_training_and_keeps_the_checkpoint(folder):
    train(folder, NO_EVALUATION, "train_config.num_steps=1")
    steep = f"{ADAM}.learning_rate.constant_learning_rate.learning_rate=1e30"
    with pytest.raises(UserError, match=r"(?s)Step \d: the loss .*is not finite .*step-000000001.*learning rate"):
        train(folder, NO_EVALUATION, "train_config.save_checkpoints_steps=100", steep)
    assert CheckpointFolder(folder / "model").latest().step == 1


def test_frozen_parameters_do_not_move_and_the_rest_does(folder):
    frozen = 'train_config.freeze_gradient=["item_embedding", "^mmoe/expert_._dnn_0", "ctr/dnn_0/kernel"]'.replace(
        "_._", "_./"
    )
    start, _ = train(folder, NO_EVALUATION, "train_config.num_steps=1", frozen)
    before = arrays(start.checkpoint)
    end, _ = train(folder, NO_EVALUATION, "train_config.num_steps=4", frozen)
    after = arrays(end.checkpoint)
    assert start.checkpoint.step == 1 and end.checkpoint.step == 4
    # A bias in front of a norm has no gradient but rounding, so that it may stand still all by itself.
    ends = ("kernel", "gamma", "beta", "embedding_weights")
    same = {name for name in before if name.endswith(ends) and np.array_equal(before[name], after[name])}
    layer = {f"mmoe/expert_{expert}/dnn_0/{kind}" for expert in (0, 1) for kind in ("kernel", "bn/gamma", "bn/beta")}
    assert same == {"input_layer/item_embedding/embedding_weights", "ctr/dnn_0/kernel"} | layer


def test_a_table_that_is_frozen_on_the_way_stands_still_whatever_its_moments_are(folder):
    dense = f"{ADAM}.dense_embedding_update=true"
    start, _ = train(folder, NO_EVALUATION, "train_config.num_steps=3", dense)
    frozen = "train_config.freeze_gradient=item_embedding"
    end, _ = train(folder, NO_EVALUATION, "train_config.num_steps=6", dense, frozen)
    before, after = arrays(start.checkpoint), arrays(end.checkpoint)
    item = {name for name in before if name.startswith("input_layer/item_embedding/")}
    assert len(item) == 3
    assert {name for name in item if np.array_equal(before[name], after[name])} == item
    tags = "input_layer/tags_embedding/embedding_weights"
    assert np.any(before[tags] != after[tags])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nothing_like_it", "'nothing_like_it' matches no parameter; there are"),
        ("mmoe/expert_0", "freezes some experts but not 'mmoe/expert_1/dnn_0/kernel'"),
    ],
)
def test_freezing_what_cannot_be_frozen_is_an_error(folder, pattern, message):
    with pytest.raises(UserError, match=message):
        train(folder, NO_EVALUATION, f"train_config.freeze_gradient={pattern}")


def test_the_best_checkpoint_outlives_newer_ones(folder):
    overrides = (
        "train_config.save_checkpoints_steps=1",
        "train_config.keep_checkpoint_max=2",
        "train_config.num_steps=5",
        "export_config.best_exporter_metric=loss",
        "export_config.metric_bigger=true",
    )
    result, told = train(folder, *overrides)
    evaluated = of_kind(told, events.Evaluated)
    best = max(evaluated, key=lambda event: event.metrics["loss"])
    assert result.best_step == best.step
    assert [event.step for event in evaluated if event.is_best][-1] == best.step
    kept = {checkpoint.step for checkpoint in CheckpointFolder(folder / "model").all()}
    assert kept == {best.step, 4, 5}


def test_early_stop_ends_a_training_that_gets_no_better(folder):
    overrides = (
        "train_config.save_checkpoints_steps=1",
        "train_config.num_steps=50",
        "export_config.enable_early_stop=true",
        "export_config.max_check_steps=3",
        "export_config.best_exporter_metric=loss",
        f"{ADAM}.learning_rate.constant_learning_rate.learning_rate=0",
    )
    result, told = train(folder, *overrides)
    assert result.step == result.best_step + 3 < 50
    assert "Stopping early: loss has not been better" in of_kind(told, events.Note)[-1].text


def test_a_deadline_in_the_past_makes_no_step(folder):
    result, _ = train(folder, "train_config.dead_line=20200101 00:00:00")
    assert result.step == 0
    assert result.checkpoint.step == 0


def test_a_config_of_another_model_is_refused(done):
    folder, result, _ = done
    config = small_config(folder, "model_config.mmoe.num_expert=3")
    with pytest.raises(UserError) as error:
        Trainer(config, lambda event: None)
    message = str(error.value)
    assert "mmoe/gate_0/dnn/kernel is (9, 2) there and (9, 3) in the config" in message
    assert "mmoe/expert_2/dnn_0/kernel" in message
    assert "model_dir" in message
    assert CheckpointFolder(folder / "model").latest() == result.checkpoint


def test_without_evaluation_data_there_are_no_metrics_and_no_best(folder):
    result, told = train(folder, NO_EVALUATION, "train_config.num_steps=1")
    assert not result.metrics and result.best_step is None
    assert not of_kind(told, events.Evaluated)


def test_the_resolved_config_is_in_the_model_dir(folder):
    train(folder, NO_EVALUATION, "train_config.num_steps=1", "train_config.mixed_precision=AUTO")
    text = (folder / "model" / "pipeline.config").read_text()
    assert "num_steps: 1" in text
    assert "mixed_precision: FLOAT32" in text or "mixed_precision: BFLOAT16" in text


def test_a_label_that_is_always_missing_is_told_behind_the_first_checkpoint_and_at_the_end(tmp_path):
    write_data(tmp_path)
    for name in ("train.csv", "eval.csv"):
        lines = (tmp_path / name).read_text().splitlines()
        (tmp_path / name).write_text("\n".join(",".join([line[:1], "", line[4:]]) for line in lines))
    without_metrics = "model_config.mmoe.task_towers[1].metrics_set=[]"
    _, told = train(tmp_path, "train_config.num_steps=7", without_metrics)
    sentence = 'Warning: no row trained on so far has a label "buy": the tower "cvr" has learnt nothing.'
    assert [event.text for event in of_kind(told, events.Note)] == [sentence] * 2
    (warning,) = {text for event in of_kind(told, events.Evaluated) for text in event.warnings}
    assert warning == 'no row has a label "buy", so this says nothing of the tower "cvr".'


def test_a_task_that_is_nearly_all_of_the_loss_is_told_once_with_its_weight(folder):
    weight = "model_config.mmoe.task_towers[1].weight=20"
    _, told = train(folder, NO_EVALUATION, weight)
    notes = [event.text for event in of_kind(told, events.Note)]
    assert len(notes) == 1
    assert notes[0].startswith('Warning: the tower "cvr" makes up 9') and "% of the loss at step 1," in notes[0]
    assert "a smaller weight, or set train_config.task_balancing" in notes[0]


@pytest.mark.slow
def test_what_evaluates_is_traced_by_the_first_evaluation_and_by_nothing_without_one(folder):
    """`predictions` are a part of what scores alone: it is asked for them where that is traced, and never again."""

    def traced_in(*overrides: str) -> list[str]:
        phases, found = [""], []

        def listen(event: events.Event) -> None:
            if isinstance(event, events.Phase):
                phases.append(event.name)

        trainer = Trainer(small_config(folder, *overrides), listen)
        of_logits = trainer.ranker.predictions
        trainer.ranker.predictions = lambda logits: found.append(phases[-1]) or of_logits(logits)
        with traced():
            trainer.run()
        return found

    assert traced_in("eval_input_path=", f"model_dir={folder}/none") == []
    assert traced_in("train_config.save_checkpoints_steps=2", f"model_dir={folder}/three") == ["evaluating"]
