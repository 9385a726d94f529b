"""`easymtl serve` as it is started, called as it says, and stopped."""

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from easymtl.cli import main
from easymtl.errors import UserError
from easymtl.server.running import Address
from easymtl.verbs import serve
from tests.server.tiny_export import ROW, client_of, open_desk, write_export


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_export(tmp_path_factory.mktemp("model") / "3").parent


def refused(capsys, *arguments):
    try:
        code = main(["serve", *map(str, arguments)])
    except SystemExit as exit:
        code = exit.code
    assert code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--max_rows", "0"], "--max_rows is 0: it must be at least 1."),
        (["--max_batch_rows", "-1"], "--max_batch_rows is -1"),
        (["--max_bytes", str(1 << 31)], "--max_bytes is 2147483648: it must be at most 2147483647."),
        (["--timeout", "0"], '--timeout: "0" is no number of seconds above 0'),
        (["--timeout", "nan"], '"nan" is no number of seconds'),
        (["--rest_port", "70000"], "--rest_port is 70000"),
        (["--grpc_port", "8501"], "--rest_port and --grpc_port are both 8501"),
        (["--model_name", "a/b"], '"a/b" cannot be a part of an address'),
        (["--rest_prot", "1"], 'Did you mean "--rest_port"?'),
    ],
)
def test_options_are_checked(capsys, folder, flags, says):
    assert says in refused(capsys, folder, *flags)


def test_folders_that_are_no_exports(capsys, tmp_path):
    assert (
        f"{tmp_path}/none: there is no such folder, and no such config. Name an export or a model_dir, or"
        in refused(capsys, tmp_path / "none")
    )
    assert "no SavedModel is in this folder" in refused(capsys, tmp_path, "--rest_port", 0, "--grpc_port", 0)


def test_without_the_extra_it_is_named(capsys, folder, monkeypatch):
    monkeypatch.setitem(serve._NEEDED, "no_such_module", "no-such-package")
    said = refused(capsys, folder)
    assert '"no-such-package" is not installed' in said and "pip install 'easymtl[serve]'" in said


@pytest.mark.parametrize("flag", ["--rest_port", "--grpc_port"])
def test_a_port_in_use_is_told_before_anything_is_loaded(capsys, folder, flag):
    other = {"--rest_port": "--grpc_port", "--grpc_port": "--rest_port"}[flag]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(capsys, folder, flag, port, other, 0)
    assert f"{flag}: 127.0.0.1:{port} is in use. Name another port, or 0" in said


def test_what_is_to_come_is_said_before_anything_is_loaded(folder, monkeypatch, capsys):
    def stop(are_threads_awake):
        assert are_threads_awake, "who waits for one answer has it sooner"
        said = capsys.readouterr().out
        assert said == (
            f"Loading {folder}, for REST at 127.0.0.1, port 8501, and gRPC at any free port. It takes a while.\n"
        )
        raise UserError("this is enough")

    monkeypatch.setattr(serve, "start_tensorflow", stop)
    assert "this is enough" in refused(capsys, folder, "--grpc_port", 0)


def test_help_names_what_there_is_to_set(capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    said = capsys.readouterr().out
    for flag in ("EXPORT", "--host", "--rest_port", "--grpc_port", "--max_batch_rows", "--max_bytes", "--timeout"):
        assert flag in said


@pytest.mark.parametrize("name", ["it's", "a&b", "用户", "100%", "a?b#c", "$HOME"])
def test_the_line_that_is_printed_calls_a_model_of_any_name(loop, folder, capsys, name):
    desk = loop.run_until_complete(open_desk(folder, name=name))
    serve._print_ready(desk, Address("127.0.0.1", 8501, 8500))
    curl, flag, body, url = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert (curl, flag, url.isascii()) == ("curl", "-d", True)
    answer = loop.run_until_complete(client_of(desk).post(url, content=body.encode()))
    assert answer.json()["predictions"][0]["y_seconds"] == 1.5
    loop.run_until_complete(desk.batcher.stop())
    desk.versions.close()


@pytest.fixture(scope="module")
def server(folder):
    """A server in a process of its own, and what it printed at its start."""
    command = [sys.executable, "-m", "easymtl", "serve", str(folder), "--rest_port", "0", "--grpc_port", "0"]
    # TensorFlow is as talkative as a user's is.
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("curl "):
            break
    yield process, "".join(lines)
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_what_is_printed_at_the_start_works_and_the_last_answers_come_after_sigterm(server):
    process, said = server
    assert said.startswith("Loading ") and re.search(r"^Ready after \d+ seconds\.$", said, re.MULTILINE)
    assert "version 3 of step 7" in said and "user string" in said and "probs_click" in said
    words = shlex.split(said.splitlines()[-1])
    assert words[:2] == ["curl", "-d"]
    url = words[3]
    with urllib.request.urlopen(urllib.request.Request(url, words[2].encode())) as answer:
        # A row in which every value is missing: the price takes its default.
        assert json.load(answer)["predictions"][0]["y_seconds"] == 1.5
    port = int(re.search(r":(\d+)/", url)[1])
    body = json.dumps({"instances": [ROW]}).encode()
    head = f"POST /v1/models/model:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as begun:
        begun.sendall(head + body[:10])
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert "Stopping" in process.stdout.readline()
        time.sleep(0.3)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port))
        begun.sendall(body[10:])
        answer = begun.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200") and b'"y_seconds": 32.5' in answer
    assert process.wait(10) == 0
    told = process.stderr.read().splitlines()
    assert all(line.endswith(" ...") for line in told), "nothing but what took long"
