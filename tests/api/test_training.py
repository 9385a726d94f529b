"""Trainings of programs: with tables in memory, callbacks, threads, and beside commands."""

import json
import threading

import pandas as pd
import polars as pl
import pytest

import easymtl
from easymtl.api.training import run_training
from easymtl.api.working_together import Worker
from easymtl.cli import main
from easymtl.config import parse_config
from easymtl.peers.cluster import Cluster
from easymtl.peers.peers import ONE
from easymtl.protos.train_pb2 import DistributionStrategy
from easymtl.training import events
from easymtl.verbs.stop_signals import StopSignals
from tests.api.shop import CONFIG, shop_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]
FEW = {"train_config.num_steps": 4, "train_config.save_checkpoints_steps": 0}


@pytest.fixture
def config(folder) -> easymtl.Config:
    return easymtl.load("shop.config", FEW)


def test_a_training_on_tables_is_that_on_the_files_that_they_are_written_to(run, run_of_files, eval_rows):
    assert run.metrics == run_of_files.metrics
    pd.testing.assert_frame_equal(run.model.predict(eval_rows), run_of_files.model.predict(eval_rows))
    state, of_files = (one.model_dir / "checkpoints" / "step-000000020" / "state.json" for one in (run, run_of_files))
    marks = [[mark[0] for mark in json.loads(one.read_text())["data"]["files"]] for one in (state, of_files)]
    assert marks == [["train"], ["train.parquet"]]


def test_a_training_goes_on_with_the_same_table_and_with_no_other(config, train_rows, capsys):
    first = easymtl.train(config, train_rows, model_dir="models/on", verbose=False)
    longer = easymtl.load("shop.config", FEW | {"train_config.num_steps": 6})
    same = pl.from_pandas(train_rows.drop(columns="note"))
    assert easymtl.train(longer, same, model_dir="models/on", verbose=False).step == 6 == first.step + 2
    other = train_rows.assign(click=1 - train_rows["click"])
    with pytest.raises(easymtl.UserError, match=r'not those of this checkpoint: 1 changed \("train"\)'):
        easymtl.train(longer, other, model_dir="models/on", verbose=False)
    last = easymtl.load("shop.config", FEW | {"train_config.num_steps": 7})
    assert easymtl.train(last, other, model_dir="models/on", new_data=True, verbose=False).step == 7
    assert capsys.readouterr().out == ""


def test_a_callback_that_stops_a_training_loses_nothing(config, train_rows):
    told = []

    def stop_at_2(event):
        told.append(event)
        if isinstance(event, events.Progress) and event.step == 2:
            raise easymtl.StopTraining

    config = easymtl.load("shop.config", FEW | {"train_config.log_step_count_steps": 1})
    after = []
    stopped = easymtl.train(
        config, train_rows, model_dir="models/stopped", callbacks=[stop_at_2, after.append], verbose=False
    )
    assert stopped.is_stopped and stopped.step == 2 and "stopped" in repr(stopped)
    # The event that stops is told to the others, too.
    assert after == told and isinstance(told[-1], events.Saved) and told[-1].is_stopping
    assert easymtl.open("models/stopped").step == 2
    on = easymtl.train(config, train_rows, model_dir="models/stopped", verbose=False)
    whole = easymtl.train(config, train_rows, model_dir="models/whole", verbose=False)
    assert not on.is_stopped and on.step == 4
    pd.testing.assert_frame_equal(on.model.predict(train_rows), whole.model.predict(train_rows))


def test_a_callback_that_fails_ends_the_training_and_frees_the_model_dir(config, train_rows):
    def fail(event):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        easymtl.train(config, train_rows, model_dir="models/failed", callbacks=[fail], verbose=False)
    assert easymtl.train(config, train_rows, model_dir="models/failed", verbose=False).step == 4


def test_a_thread_may_train(config, train_rows):
    found = []
    thread = threading.Thread(
        target=lambda: found.append(easymtl.train(config, train_rows, model_dir="models/thread", verbose=False))
    )
    thread.start()
    thread.join()
    assert found[0].step == 4


def test_what_is_printed_is_what_the_command_prints(config, train_rows, capsys):
    easymtl.train(config, train_rows, model_dir="models/told")
    said = capsys.readouterr().out
    assert "Trained to step 4" in said and "models/told" in said


def test_a_model_dir_of_tables_is_evaluated_and_exported_by_commands(run, run_of_files, folder, capsys, score_here):
    resolved = str(run.model_dir / "pipeline.config")
    assert main(["eval", "--pipeline_config", resolved]) == 2
    assert '"memory://eval": this was a table in the memory of the program' in capsys.readouterr().err
    target = str(folder / "result.json")
    assert main(["eval", "--pipeline_config", resolved, "--input", "eval.parquet", "--output", target]) == 0
    found = json.loads((folder / "result.json").read_text())
    assert {name: found[name] for name in run.metrics} == pytest.approx(run_of_files.metrics, abs=1e-6)
    assert main(["export", "--pipeline_config", resolved, "--set", "eval_input_path=eval.parquet"]) == 0
    assert "equal on 120 rows" in " ".join(capsys.readouterr().out.split())


def test_the_history_begins_with_the_first_step_and_is_drawn(run):
    history = run.history
    assert history.index.name == "step" and history["eval_auc_click"].dropna().index.tolist() == [10, 20]
    assert history.loc[20, "eval_auc_buy"] == pytest.approx(run.metrics["auc_buy"])
    click = run.plot().axes[1]
    (evaluated,) = click.lines
    assert click.get_title() == "auc_click" and list(evaluated.get_xdata()) == [10, 20]
    assert list(evaluated.get_ydata()) == history["eval_auc_click"].dropna().tolist()
    train_loss, eval_loss = run.plot().axes[0].lines
    assert train_loss.get_label() == "train" and len(train_loss.get_xdata()) > 2 and len(eval_loss.get_xdata()) == 2


def test_data_of_a_config_that_makes_rows_up_are_refused(folder, train_rows):
    made_up = easymtl.load("shop.config", {"data_config.input_type": "DummyInput"})
    with pytest.raises(easymtl.UserError, match="is DummyInput, which makes rows up"):
        easymtl.train(made_up, train_rows)


def test_a_training_that_must_be_new_refuses_a_model_dir_with_checkpoints(run, train_rows):
    with pytest.raises(easymtl.UserError, match="has checkpoints of an earlier training"):
        easymtl.train(run.config, train_rows, continue_train=False)


def test_a_config_made_in_python_needs_no_path(folder, train_rows):
    pipeline = parse_config(CONFIG, "x").pipeline
    pipeline.ClearField("train_input_path")
    pipeline.ClearField("eval_input_path")
    pipeline.train_config.num_steps = 2
    config = easymtl.Config.of(pipeline)
    assert 'train_input_path: "memory://train"' in str(config) and not pipeline.train_input_path
    done = easymtl.train(config, train_rows, model_dir="models/python", verbose=False)
    assert done.step == 2 and done.metrics == {} and done.best_step is None
    with pytest.raises(easymtl.UserError, match=r"has no eval_input_path\. Give data"):
        done.model.evaluate()
    with pytest.raises(easymtl.UserError, match=r"memory://train.*in Python, give the data"):
        easymtl.train(config, model_dir="models/python2")


def test_notes_of_a_config_are_those_of_the_paths_that_it_has_in_the_end(folder):
    config = easymtl.load("shop.config", {"eval_input_path": ""})
    assert any("is not evaluated while it trains" in note for note in config.notes)
    assert not any("is not evaluated" in note for note in config.with_paths(eval_input_path="memory://eval").notes)


def test_a_mistake_in_a_config_made_in_python_is_told(folder):
    pipeline = easymtl.load("shop.config").pipeline
    pipeline.model_config.mmoe.task_towers[0].label_name = "clik"
    with pytest.raises(easymtl.UserError, match=r'label_name "clik".*Did you mean "click"'):
        easymtl.Config.of(pipeline)


def test_rows_are_read_from_the_table_of_this_training_alone(config):
    one, other = shop_rows(50, 3), shop_rows(50, 4)
    first = easymtl.train(config, one, one, model_dir="models/one", verbose=False)
    second = easymtl.train(config, other, other, model_dir="models/other", verbose=False)
    # Both tables are called "eval", and each model has its own.
    assert first.model.evaluate().metrics == pytest.approx(first.model.evaluate(one).metrics)
    assert second.model.evaluate().metrics == pytest.approx(second.model.evaluate(other).metrics)
    assert first.model.evaluate().metrics != pytest.approx(first.model.evaluate(other).metrics)


class Second(Worker):
    """The second of two workers, which trains as if it were alone."""

    def peers(self):
        return ONE


def test_what_all_workers_see_is_left_to_the_chief(config, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    told = []
    config.pipeline.train_config.train_distribute = DistributionStrategy.Value("MirroredStrategy")
    run_training(config, told.append, StopSignals(), worker=Second(Cluster(1, 2, ("a:1", "b:2"))))
    texts = [event.text for event in told if isinstance(event, events.Note)]
    assert not [text for text in texts if text.startswith(("Hint: ", "train_distribute: "))]
