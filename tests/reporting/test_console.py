"""A whole training as a person reads it."""

import json
import sys
import threading
from pathlib import Path

import pytest

from easymtl.checkpoints.folder import Checkpoint
from easymtl.reporting import console as console_module
from easymtl.reporting.console import Console
from easymtl.reporting.json_training import JsonConsole
from easymtl.reporting.output import speaking
from easymtl.reporting.phases import PlainPhases
from easymtl.reporting.terminal import open_terminal
from easymtl.training.events import Evaluated, GradientConflict, Note, Phase, Progress, Saved, Started, Summary
from easymtl.training.result import TrainingResult

METRICS = {"auc_click": 0.7, "cross_entropy_loss_click": 0.5, "loss": 0.5}


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def progress(step: int) -> Progress:
    return Progress(step, step / 100, 1000.0, 0.0, {"loss": 0.5}, (0.1, 0.1), 100.0 - step)


@pytest.fixture
def on_two_cores(monkeypatch):
    monkeypatch.setattr(console_module, "_devices", lambda: "2 CPU cores")


def test_a_training_that_goes_back_has_taken_its_time_since_it_was_started(make_pipe, on_two_cores):
    pipe, clock = make_pipe("ascii"), Clock()
    with Console(["click"], "", open_terminal(pipe), clock) as console:
        for seconds, step in ((0.0, 0), (50.0, 20)):
            clock.seconds = seconds
            console(Started(step, 100, {"dense": 1200}, "FLOAT32"))
        clock.seconds = 75.0
        console.summary(TrainingResult(100, Checkpoint(Path("step-000000100"), 100), None, {}))
    lines = pipe.text().splitlines()
    assert lines[1].startswith("Training on from step 20: ")
    assert "Trained to step 100 in 1:15." in lines


def test_a_training_in_a_pipe(make_pipe, on_two_cores):
    pipe, clock = make_pipe("ascii"), Clock()
    with Console(["click"], "model_dir/shop", open_terminal(pipe), clock) as console:
        console(Note("Continuing from model_dir/shop/checkpoints/step-000000020."))
        console(Started(20, 100, {"dense": 1200, "embedding": 3400000}, "BFLOAT16"))
        console(progress(30))
        console(progress(40))
        console(Summary(40, {"loss": 0.5}, (0.1, 0.1)))
        console(Evaluated(50, METRICS, 2000, 1.26, True, ("gauc_click is not defined: one group.",)))
        console(Saved(50, Path("model_dir/shop/checkpoints/step-000000050")))
        console(progress(100))
        clock.seconds = 75.0
        checkpoint = Checkpoint(Path("model_dir/shop/checkpoints/step-000000100"), 100)
        console.summary(TrainingResult(100, checkpoint, 50, METRICS, 1000, {"age": {"missing": 5}}, 2))
    assert [line.rstrip() for line in pipe.text().splitlines()] == [
        "Continuing from model_dir/shop/checkpoints/step-000000020.",
        "Training on from step 20: parameters 1,200 dense, 3,400,000 embedding; BFLOAT16 on 2 CPU cores; "
        "model_dir/shop",
        "step 30/100  1,000 examples/s  input wait 0 %  loss 0.50000  left 1:10",
        "step 40/100  1,000 examples/s  input wait 0 %  loss 0.50000  left 1:00",
        "Evaluation at step 50: 2,000 rows in 1.3 s, best so far",
        "task  |     auc |    loss",
        "------+---------+--------",
        "click | 0.70000 | 0.50000",
        "loss 0.50000",
        "Warning: gauc_click is not defined: one group.",
        "Saved model_dir/shop/checkpoints/step-000000050",
        "step 100/100  1,000 examples/s  input wait 0 %  loss 0.50000  left 0:00",
        "feature | missing",
        "--------+--------",
        "age     |       5",
        "Skipped 2 rows that could not be parsed.",
        "Trained to step 100 in 1:15, best evaluation at step 50.",
        "Checkpoint: model_dir/shop/checkpoints/step-000000100",
    ]


def test_an_interrupted_training_leaves_its_last_line_and_a_cursor(make_terminal):
    stream = make_terminal()
    with pytest.raises(KeyboardInterrupt), Console(["click"], terminal=open_terminal(stream, width=100)) as console:
        console(Started(0, 100, {"dense": 1}, "FLOAT32"))
        console(progress(10))
        console(progress(20))
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("step 20/100  1,000 examples/s  input wait 0 %  loss 0.50000  left 1:20\n")
    assert not any(thread.name == "easymtl-status" for thread in threading.enumerate())


def test_a_quiet_training_tells_warnings_hints_and_how_it_ended(capsys, on_two_cores):
    with speaking("train", is_quiet=True), Console(["click"], "model_dir/shop", clock=Clock()) as console:
        console(Phase("building"))
        console(Started(0, 100, {"dense": 1}, "FLOAT32"))
        for text in ("Continuing.", "Warning: odd.", "Hint: try."):
            console(Note(text))
        console(progress(30))
        console(Evaluated(50, METRICS, 2000, 1.26, True, ("gauc_click is not defined.",)))
        console(Saved(50, Path("c")))
        console.summary(TrainingResult(100, Checkpoint(Path("c"), 100), 50, METRICS))
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[:3] == ["Warning: odd.", "Hint: try.", "Warning: gauc_click is not defined."]
    assert lines[-3:] == ["loss 0.50000", "Trained to step 100 in 0:00, best evaluation at step 50.", "Checkpoint: c"]
    assert len(lines) == 9


def test_a_training_as_json_is_its_events_and_a_result(capsys):
    with speaking("train", "json") as output, JsonConsole(output, Clock()) as console:
        console(Phase("building"))
        console(progress(30))
        console(Note("Continuing."))
        console.summary(TrainingResult(100, Checkpoint(Path("c"), 100), 50, METRICS))
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["event"] for record in found] == ["phase", "progress", "note", "result"]
    assert (found[-1]["of"], found[-1]["checkpoint"], found[-1]["metrics"]) == ("trained", "c", METRICS)


def test_a_training_in_a_terminal_says_what_it_does(make_terminal, monkeypatch, on_two_cores):
    stream = make_terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    with speaking("train"), Console(["click"], clock=Clock()) as console:
        for event in (
            Phase("building", "the model"),
            Note("A word."),
            Phase("training"),
            progress(30),
            Phase("saving"),
        ):
            console(event)
    text = stream.getvalue()
    places = [
        text.index(words) for words in ("building: the model", "A word.", "training ...", "step 30", "saving ...")
    ]
    assert places == sorted(places)


def test_a_training_without_evaluation_names_no_best_step(make_pipe):
    pipe = make_pipe()
    Console(["click"], terminal=open_terminal(pipe), clock=Clock()).summary(
        TrainingResult(10, Checkpoint(Path("c"), 10), None, {})
    )
    assert pipe.text() == "Trained to step 10 in 0:00.\nCheckpoint: c\n"


def test_a_comparison_of_gradients_is_one_line():
    event = GradientConflict(300, {"ctr/cvr": 0.123, "ctr/stay": -0.4})
    assert console_module.conflict_text(event) == "step 300: gradient cosine ctr/cvr 0.12, ctr/stay -0.40"
    assert "no two tasks have a gradient" in console_module.conflict_text(GradientConflict(300, {}))


def test_steps_that_are_told_of_are_not_told_of_as_a_phase_too(make_pipe, on_two_cores):
    pipe, clock = make_pipe(), Clock()
    with Console(["click"], terminal=open_terminal(make_pipe()), clock=clock) as console:
        console._phases = PlainPhases(pipe, clock=clock)
        console(Phase("training"))
        clock.seconds = 3.0
        console._phases.look()
        for step in (10, 20):
            console(progress(step))
            console(Phase("evaluating"))
            console(Phase("training"))
            clock.seconds += 5.0
            console._phases.look()
        console._phases.close()
    assert pipe.text() == "training ...\n", "once, before the first step"
