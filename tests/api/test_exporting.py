"""Exports of a training: one that fewer bytes would change too much is told of, and ends no training."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from easymtl.api import exporting
from easymtl.api.exporting import Exporter
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.terminal import open_terminal
from easymtl.serving.narrowing import TooNarrow
from easymtl.serving.proof_process import ProofProcess
from easymtl.training import events
from tests.peers.recorded import Recorded


class Begun:
    """A process that was begun."""

    def __init__(self, begun):
        begun.append(self)
        self.is_there = True

    def close(self):
        self.is_there = False


@pytest.fixture(autouse=True)
def begun(monkeypatch):
    """The processes that were begun before they were needed, none of which is any."""
    found = []
    monkeypatch.setattr(ProofProcess, "ahead", lambda: Begun(found))
    return found


@pytest.fixture
def exporter(monkeypatch):
    """An exporter of each checkpoint that fails as it is told to."""
    pipeline = Pipeline(model_dir="somewhere")
    pipeline.export_config.exporter_type = "latest"
    monkeypatch.setattr(exporting, "find_checkpoint", lambda *_: None)

    def fail_with(error):
        def export(*_, process):
            assert process.is_there
            raise error

        monkeypatch.setattr(exporting, "export", export)
        return Exporter(SimpleNamespace(pipeline=pipeline), open_terminal())

    return fail_with


def test_a_training_goes_on_when_an_export_on_its_way_would_change_too_much(exporter, capsys):
    listen = exporter(TooNarrow("export_config.max_auc_change: auc_click is 0.6 in place of 0.7"))
    listen(events.Saved(step=30, path=Path("x"), is_stopping=False))
    told = " ".join(capsys.readouterr().out.split())
    assert "Step 30 was not exported: export_config.max_auc_change: auc_click" in told


def test_what_is_wrong_with_an_export_ends_it_as_ever(exporter, begun):
    with pytest.raises(UserError, match="could not be written"):
        exporter(UserError("could not be written"))(events.Saved(step=30, path=Path("x"), is_stopping=False))
    assert [one.is_there for one in begun] == [False]


def listening(kind):
    pipeline = Pipeline(model_dir="somewhere")
    pipeline.export_config.exporter_type = kind
    return Exporter(SimpleNamespace(pipeline=pipeline), open_terminal())


def progress(seconds_left):
    return events.Progress(10, 0.5, 1.0, 0.0, {}, (0.1, 0.1), seconds_left)


EVALUATING = events.Phase("evaluating", "step 10")
NEAR = {
    "final": [progress(3.0), None],
    "best": [progress(3.0), None],
    "latest": [EVALUATING],
    "none": [],
}


@pytest.mark.parametrize("kind", NEAR)
@pytest.mark.parametrize(
    "told", [progress(None), progress(60.0), progress(3.0), EVALUATING, events.Phase("saving"), None]
)
def test_a_process_is_begun_where_an_export_is_near_and_ends_with_the_training(kind, told, begun):
    listen = listening(kind)
    for _ in range(2):
        if told is None:
            listen.steps_ended()
        else:
            listen(told)
    assert [one.is_there for one in begun] == [True] * (told in NEAR[kind])
    listen.close()
    assert not any(one.is_there for one in begun)


def test_another_one_is_begun_where_one_is_gone(begun):
    listen = listening("final")
    listen(progress(3.0))
    begun[0].is_there = False
    listen.steps_ended()
    assert [one.is_there for one in begun] == [False, True]


def test_workers_that_wait_for_an_export_know_that_it_goes_on(monkeypatch):
    signs, seen = Recorded(), []

    def export(*arguments, process):
        for name in ("tracing", "proving the export"):
            arguments[-1](events.Phase(name))
            seen.append((list(signs.doing_now), signs.num_beats))

    monkeypatch.setattr(exporting, "find_checkpoint", lambda *_: None)
    monkeypatch.setattr(exporting, "export", export)
    monkeypatch.setattr(exporting, "print_export", lambda *_: None)
    pipeline = Pipeline(model_dir="somewhere")
    pipeline.export_config.exporter_type = "latest"
    listen = Exporter(SimpleNamespace(pipeline=pipeline), open_terminal(), signs)
    listen(events.Saved(step=30, path=Path("x"), is_stopping=False))
    assert seen == [(["exporting"], 1), (["exporting"], 2)] and signs.doing_now == []
