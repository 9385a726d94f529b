"""`easymtl serve` as the ways start it, and the whole command with it."""

import json

import pytest

from easymtl.cli import main
from easymtl.errors import UserError
from easymtl.ways.desk_server import DeskServer


@pytest.mark.slow
def test_the_command_with_a_server_of_its_own(export, rows, capsys, monkeypatch):
    started = []

    def start(desk, folder):
        started.append(folder)
        return begin(desk, folder)

    begin = DeskServer._start
    monkeypatch.setattr(DeskServer, "_start", start)
    assert main(["verify", str(export), "--input", rows, "--with", "tensorflow,rest,grpc"]) == 0
    out = capsys.readouterr().out
    assert out.count(" same  ") == 12 and "The scores are the same on all 3 ways." in out
    assert started == [export], "both protocols are of one server"


@pytest.mark.slow
def test_a_server_that_does_not_start(tmp_path):
    broken = tmp_path / "3"
    (broken / "assets.extra").mkdir(parents=True)
    (broken / "saved_model.pb").write_bytes(b"no model")
    (broken / "assets.extra" / "easymtl.json").write_text(json.dumps({"name": "shop"}))
    desk = DeskServer()
    with pytest.raises(UserError, match=r"easymtl serve did not start:\n[^$]*cannot be loaded"):
        desk.served(broken)
    desk.close()
    desk.close()


def test_the_lines_at_its_start_are_read(tmp_path, monkeypatch):
    """A stand-in prints what a server does."""
    python = tmp_path / "python"
    said = [
        "Serving",
        "model       my shop, version 3 of step 7",
        "REST        http://127.0.0.1:4321/v1/models/my%20shop:predict",
        "gRPC        127.0.0.1:4322, tensorflow.serving.PredictionService/Predict",
        "A request:",
        "curl -d {} http://127.0.0.1:4321/v1/models/my%20shop:predict",
    ]
    python.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in said) + "exec sleep 60\n")
    python.chmod(0o700)
    monkeypatch.setattr("easymtl.ways.desk_server.sys.executable", str(python))
    desk = DeskServer()
    served = desk.served(tmp_path)
    assert served.rest == "http://127.0.0.1:4321/v1/models/my%20shop"
    assert (served.grpc, served.model) == ("127.0.0.1:4322", "my shop")
    process = desk._process
    assert desk.served(tmp_path) is served
    desk.close()
    assert process.poll() is not None
