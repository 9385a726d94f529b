"""Compiled protos, protobuf and TensorFlow: whether they fit each other."""

import os
import sys

import pytest

from easymtl.doctor import protobuf
from easymtl.doctor.finding import BROKEN, NOTE, OK


@pytest.fixture
def compiled(tmp_path):
    """Returns a folder of compiled protos, and one of their sources, which are older."""
    folders = tmp_path / "compiled", tmp_path / "sources"
    for folder in folders:
        folder.mkdir()
    for name, version in (("a", "6.31.1"), ("b", "6.31.0")):
        (folders[1] / f"{name}.proto").write_text("")
        os.utime(folders[1] / f"{name}.proto", (1000, 1000))
        (folders[0] / f"{name}_pb2.py").write_text(f"# source\n# Protobuf Python Version: {version}\n")
    return folders


@pytest.mark.parametrize(
    ("runtime", "standing", "says"),
    [
        ("6.31.1", OK, "by protobuf 6.31.1, read by 6.31.1"),
        ("7.34.0", OK, ""),
        ("6.31.0", BROKEN, "which is older"),
        ("5.29.5", BROKEN, "which is older"),
        ("8.0.0", BROKEN, "which is too new"),
        ("8.0.0rc1", BROKEN, "which is too new"),
    ],
)
def test_compiled_protos_and_protobuf_fit(compiled, runtime, standing, says):
    found = protobuf.of_compiled(runtime, *compiled)
    assert found.standing == standing and says in found.text


def test_protos_that_are_not_compiled_or_have_changed_are_told(compiled):
    os.utime(compiled[1] / "a.proto", (4e9, 4e9))
    changed = protobuf.of_compiled("6.31.1", *compiled)
    assert changed.standing == NOTE and "has changed since" in changed.text
    (compiled[0] / "b_pb2.py").unlink()
    assert protobuf.of_compiled("6.31.1", *compiled).text == "missing: b"
    (compiled[0] / "a_pb2.py").unlink()
    assert protobuf.of_compiled("6.31.1", *compiled).standing == BROKEN
    assert protobuf.of_compiled("6.31.1", compiled[0], compiled[1] / "none").text == "missing: all of them"


@pytest.mark.parametrize(
    ("required", "standings"),
    [
        (["numpy>=1", "protobuf<8,>=6.31.1"], [OK]),
        (["protobuf<6"], [BROKEN]),
        (['protobuf<6; python_version < "3"'], []),
        ([], []),
    ],
)
def test_what_tensorflow_asks_of_protobuf(required, standings):
    assert [one.standing for one in protobuf.pin_of_tensorflow("6.33.6", required)] == standings


def test_two_protobufs_are_a_clash(tmp_path, monkeypatch):
    for place, version in (("one", "6.33.6"), ("two", "4.25.0")):
        folder = tmp_path / place / f"protobuf-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: protobuf\nVersion: {version}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "one"), str(tmp_path / "two")])
    first, second = protobuf.installed_places()
    assert first.startswith("4.25.0 in ") and second.startswith("6.33.6 in ")
