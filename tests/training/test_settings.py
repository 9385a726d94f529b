"""Settings of a training that decide what is written, and when."""

import pytest
import tensorflow as tf

from easymtl.api import training
from easymtl.config import load_config, view
from easymtl.errors import UserError
from easymtl.protos.loss_pb2 import ZILNLoss
from easymtl.tasks.losses_pointwise import lognormal_predictions
from easymtl.training import events, inputs
from easymtl.training import pace as pace_module
from easymtl.training.pace import Pace
from easymtl.training.profile import Profile
from easymtl.training.trainer import Trainer
from tests.training.small_runs import of_kind, small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")

QUIET = ("eval_input_path=", "train_config.save_checkpoints_steps=0")


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


@pytest.mark.parametrize("passed, steps", [(7.0, [1, 2, 3]), (6.9, [3])])
def test_a_checkpoint_is_due_after_seconds(folder, monkeypatch, passed, steps):
    monkeypatch.setattr(Pace, "seconds_since_restart", property(lambda pace: passed))
    _, told = train(folder, *QUIET, "train_config.num_steps=3", "train_config.save_checkpoints_secs=7")
    assert [event.step for event in of_kind(told, events.Saved)] == steps


def test_seconds_are_counted_anew_behind_each_checkpoint(folder, monkeypatch):
    now = [0.0]
    count = Pace.count

    def step_of_three_seconds(pace, *counted):
        now[0] += 3.0
        count(pace, *counted)

    monkeypatch.setattr(pace_module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(Pace, "count", step_of_three_seconds)
    _, told = train(folder, *QUIET, "train_config.num_steps=8", "train_config.save_checkpoints_secs=7")
    assert [event.step for event in of_kind(told, events.Saved)] == [3, 6, 8]


@pytest.mark.parametrize("is_shown", [True, False])
def test_summaries_hold_every_parameter_when_asked(folder, is_shown):
    shown = f"train_config.summary_model_vars={str(is_shown).lower()}"
    _, told = train(folder, *QUIET, "train_config.num_steps=2", "train_config.save_summary_steps=2", shown)
    first, summary = of_kind(told, events.Summary)
    assert (first.step, summary.step) == (1, 2)
    assert any(name.endswith("/kernel") for name in summary.variables) == is_shown
    for read in summary.variables.values():
        assert read().shape.num_elements() > 0


def recorded(monkeypatch) -> list[str]:
    """Returns what happens to TensorFlow's profiler from now on."""
    seen: list[str] = []
    monkeypatch.setattr(tf.profiler.experimental, "start", lambda path: seen.append(f"start {path}"))
    monkeypatch.setattr(tf.profiler.experimental, "stop", lambda: seen.append("stop"))
    return seen


@pytest.mark.parametrize(("is_wanted", "expected"), [(True, ["start model/profile", "stop"]), (False, [])])
def test_a_profile_is_made_of_ten_early_steps(monkeypatch, is_wanted, expected):
    seen = recorded(monkeypatch)
    with Profile("model", 100, is_wanted) as profile:
        for step in range(101, 140):
            profile.after(step)
        assert seen == expected
    assert seen == expected


def test_a_training_that_ends_early_or_fails_ends_its_profile(folder, monkeypatch):
    seen = recorded(monkeypatch)
    with pytest.raises(UserError), Profile("model", 0, True) as profile:
        profile.after(20)
        raise UserError("stopped")
    assert seen == ["start model/profile", "stop"]
    seen.clear()
    train(folder, *QUIET, "train_config.num_steps=22", "train_config.is_profiling=true")
    assert seen == [f"start {folder}/model/profile", "stop"]


def test_window_and_prefetch_of_the_config_reach_the_feed(folder, monkeypatch):
    asked = {}
    feed = inputs.Feed

    def recording(*places, **settings):
        asked.update(settings)
        return feed(*places, **settings)

    monkeypatch.setattr(inputs, "Feed", recording)
    train(
        folder,
        *QUIET,
        "train_config.num_steps=1",
        "data_config.shuffle_buffer_size=300000",
        "data_config.prefetch_size=3",
        "train_config.seed=11",
    )
    assert (asked["window_rows"], asked["prefetch"], asked["seed"]) == (300_000, 3, 11)


def test_numbers_of_threads_reach_tensorflow(folder, monkeypatch):
    asked = []

    class Stop(Exception):
        pass

    def start(*threads):
        asked.append(threads[:2])
        raise Stop

    monkeypatch.setattr("easymtl.api.working_together.start_tensorflow", start)
    threads = ("train_config.inter_op_parallelism_threads=3", "train_config.intra_op_parallelism_threads=5")
    with pytest.raises(Stop), training.ready_to_train(small_config(folder, *threads)):
        pass
    assert asked == [(3, 5)]


@pytest.mark.parametrize(("new_data", "command"), [(False, "train"), (True, "train --new_data")])
def test_workers_are_to_read_new_data_all_of_them_or_none(folder, monkeypatch, new_data, command):
    class Stop(Exception):
        pass

    def meet(_, found, *rest):
        assert found == command
        raise Stop

    monkeypatch.setattr("easymtl.api.training.as_worker", meet)
    with pytest.raises(Stop), training.ready_to_train(small_config(folder), new_data=new_data):
        pass


def test_parquet_inputs_are_read_where_there_are_no_paths(folder):
    path = folder / "small.config"
    small_config(folder)
    overrides = ["train_input_path=", "eval_input_path=", "parquet_train_input=a", "parquet_eval_input=b"]
    pipeline = load_config(str(path), overrides).pipeline
    assert (view.train_input(pipeline), view.eval_input(pipeline)) == ("a", "b")


def test_the_value_of_a_lognormal_is_cut_at_its_largest_log():
    _, value = lognormal_predictions(tf.constant([[20.0, 9.0, -20.0]]), ZILNLoss(max_log_clip_value=2))
    assert float(value[0]) == pytest.approx(float(tf.exp(2.0)))


def test_the_end_of_the_steps_is_told_before_the_last_evaluation_and_not_where_a_training_is_to_stop(folder):
    def ends(number: int, *overrides: str) -> list[str]:
        """Trains until so many steps are made, and returns the phases around the end of the steps."""
        told: list[str] = []

        def listen(event: events.Event) -> None:
            if isinstance(event, (events.Progress, events.Phase)):
                told.append(event.name if isinstance(event, events.Phase) else "step")

        config = small_config(folder, "train_config.save_checkpoints_steps=0", *overrides)
        trainer = Trainer(config, listen, lambda: told.count("step") == number)
        trainer.run(lambda: told.append("steps end"))
        return told

    assert "steps end" not in ends(1)
    told = ends(9, "train_config.num_steps=3")
    assert told[told.index("steps end") - 1 :] == ["step", "steps end", "evaluating", "saving"]
    assert "steps end" not in ends(9, "train_config.num_steps=3")
