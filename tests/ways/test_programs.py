"""The ways that are programs of their own: the client in C, and saved_model_cli."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from easymtl.errors import UserError
from easymtl.serving.signatures import SIGNATURE
from easymtl.ways import c_client, saved_model_cli
from easymtl.ways.asking import signatures_in
from easymtl.ways.c_client import C, request_lines
from easymtl.ways.saved_model_cli import SavedModelCli
from easymtl.ways.verifying import question_of, verify
from easymtl.ways.way import Unsayable
from tests.ways.test_ways import SIGNATURES, pipeline
from tests.ways.tiny_export import write_export

ROOT = Path(__file__).parents[2]
needs_compiler = pytest.mark.skipif(C().absent() is not None, reason=str(C().absent()))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return c_client.compile_client(tmp_path_factory.mktemp("c"))


def run(program, export, text):
    return subprocess.run([program, export], input=text, capture_output=True, text=True, check=False)


def test_the_client_of_the_package_is_that_of_the_samples():
    assert (ROOT / "easymtl/ways/client.c").read_text() == (ROOT / "samples/clients/c/client.c").read_text()


def test_a_request_for_the_client_in_c(export):
    signature = signatures_in(export)["tf_example"]
    name = signature.inputs["examples"].graph_name
    lines = list(request_lines(signature, {"examples": np.array([b"50%\n", "用".encode(), b""], object)}))
    assert lines[:5] == [
        b"request tf_example\n",
        f"input {name} string 3\n".encode(),
        b"50%25%0A\n",
        "用\n".encode(),
        b"\n",
    ]
    outputs = {line.split(b" ", 2)[2] for line in lines if line.startswith(b"output ")}
    assert outputs == {f"{name}\n".encode() for name in signature.outputs}
    assert lines[-1] == b"\n"
    encoded = signatures_in(export)["encoded"]
    packed = {"ids": np.array([[1, -2]]), "dense": np.array([[0.1, np.nan]], np.float32)}
    lines = list(request_lines(encoded, packed))
    assert lines[1].endswith(b" int64 1 2\n") and lines[2:4] == [b"1\n", b"-2\n"]
    assert np.float32(lines[5]) == np.float32(0.1) and lines[6] == b"nan\n"


@pytest.mark.slow
@needs_compiler
def test_rows_in_c(export, rows, program, monkeypatch, tmp_path):
    monkeypatch.setattr(c_client, "compile_client", lambda folder: program)
    findings = verify(question_of(export, pipeline(), rows, 1000), [C()])
    assert [(one.signature, one.problem) for one in findings] == [(name, None) for name in SIGNATURES]
    fixed = write_export(tmp_path / "3", 16)
    findings = verify(question_of(fixed, pipeline(), rows, 1000), [C()])
    assert [(one.signature, one.problem) for one in findings] == [(name, None) for name in SIGNATURES]


@pytest.mark.slow
@needs_compiler
def test_what_a_person_writes_by_hand_for_the_client_in_c(export, program):
    signature = signatures_in(export)[SIGNATURE]
    values = {"user id": "u%20 1", "用户": "用户", "item.id": "7", "price": "nan", "age": "1e1", "is_new": "1"}
    text = "request mine\n"
    for name, value in values.items():
        tensor = signature.inputs[name]
        text += f"input {tensor.graph_name} {tensor.dtype.name} 1\n{value}\n"
    text += f"input {signature.inputs['tags'].graph_name} string 1 2\na\n\n"
    text += f"output {signature.outputs['feature_user id'].graph_name} what was read\n"
    text += f"output {signature.outputs['probs_kind'].graph_name} kind"
    done = run(program, export, text)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:5] == ["request mine", "output what was read", "string 1", "u  1", "output kind"]
    assert lines[5] == "float32 1 3" and sum(map(float, lines[6:])) == pytest.approx(1)
    name = signature.inputs["item.id"].graph_name
    for wrong, says in {
        "input no:0 string 1\nx": "no: is not in the graph",
        f"input {name} strin 1\nx": "strin: is no type",
        f"input {name} int64 3\n1": "input: ends before its last value",
        "rows 1": "rows: is none of request, input and output",
        f"request x\ninput {name} string 1\nx\noutput {signature.outputs['rank'].graph_name} y": "x: ",
    }.items():
        done = run(program, export, wrong)
        assert done.returncode == 1 and says in done.stderr, wrong
    with (
        pytest.raises(UserError, match=r"(?s)the client in C ended with 1:\n.*[cC]ould not"),
        c_client._running(program, export.parent) as client,
    ):
        client.ask(signature, {})


@pytest.mark.slow
def test_rows_in_saved_model_cli(export, rows):
    findings = verify(question_of(export, pipeline(), rows, 1000), [SavedModelCli()])
    assert [(one.signature, one.problem, one.unsayable) for one in findings] == [
        (one, None, None) for one in SIGNATURES
    ]


def test_what_saved_model_cli_cannot_be_told():
    fixed = type("S", (), {"inputs": {}, "outputs": {}, "fixed_rows": 2})
    saved_model_cli._check_sayable(fixed, 40)
    with pytest.raises(Unsayable, match=r"each request has 2 rows, .* give --rows 40 or fewer"):
        saved_model_cli._check_sayable(fixed, 41)
    for name in ("a;b", "a=b"):
        signature = type("S", (), {"inputs": {name: None}, "outputs": {}, "fixed_rows": None})
        with pytest.raises(Unsayable, match="--inputs cannot name"):
            saved_model_cli._check_sayable(signature, 1)
    for name in ("a/b", "用" * 84):
        signature = type("S", (), {"inputs": {}, "outputs": {name: None}, "fixed_rows": None})
        with pytest.raises(Unsayable, match="to a file of this name"):
            saved_model_cli._check_sayable(signature, 1)


def test_texts_in_a_file_for_saved_model_cli():
    texts = np.array([[b"a", b""], ["用".encode(), b"\xff"]], object)
    plain = saved_model_cli._plain(texts)
    assert (plain.dtype.kind, plain.tolist()) == ("S", texts.tolist())
    assert saved_model_cli._plain(np.array([b"a\0"], object)).dtype == object, "NumPy forgets a 0 at an end"
    assert saved_model_cli._plain(np.array([], object)).shape == (0,)


def test_programs_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr(c_client.shutil, "which", lambda name: None)
    assert "apt-get install gcc" in C().absent()
    monkeypatch.setattr(c_client.shutil, "which", lambda name: "/bin/false")
    monkeypatch.setattr(c_client.tf.sysconfig, "get_lib", lambda: str(tmp_path))
    assert f"{tmp_path}/libtensorflow_cc.so.2 is not there" in C().absent()
    with pytest.raises(UserError, match=r"client.c could not be compiled"):
        c_client.compile_client(tmp_path)
    monkeypatch.setattr(saved_model_cli.sys, "executable", str(tmp_path / "python"))
    assert SavedModelCli().absent().startswith(f"{tmp_path}/saved_model_cli is not there")
