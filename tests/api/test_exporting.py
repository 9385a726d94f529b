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
from easymtl.training import events
from tests.peers.recorded import Recorded


@pytest.fixture
def exporter(monkeypatch):
    """An exporter of each checkpoint that fails as it is told to."""
    pipeline = Pipeline(model_dir="somewhere")
    pipeline.export_config.exporter_type = "latest"
    monkeypatch.setattr(exporting, "find_checkpoint", lambda *_: None)

    def fail_with(error):
        def export(*_):
            raise error

        monkeypatch.setattr(exporting, "export", export)
        return Exporter(SimpleNamespace(pipeline=pipeline), open_terminal())

    return fail_with


def test_a_training_goes_on_when_an_export_on_its_way_would_change_too_much(exporter, capsys):
    listen = exporter(TooNarrow("export_config.max_auc_change: auc_click is 0.6 in place of 0.7"))
    listen(events.Saved(step=30, path=Path("x"), is_stopping=False))
    told = " ".join(capsys.readouterr().out.split())
    assert "Step 30 was not exported: export_config.max_auc_change: auc_click" in told


def test_what_is_wrong_with_an_export_ends_it_as_ever(exporter):
    with pytest.raises(UserError, match="could not be written"):
        exporter(UserError("could not be written"))(events.Saved(step=30, path=Path("x"), is_stopping=False))


def test_workers_that_wait_for_an_export_know_that_it_goes_on(monkeypatch):
    signs, seen = Recorded(), []

    def export(*arguments):
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
