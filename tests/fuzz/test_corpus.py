"""Inputs that reached something new under `make fuzz`, or were a finding: each is read, or refused in words."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from easymtl.errors import UserError
from tests.fuzz.judging import Judge
from tests.fuzz.targets import CORPUS, TARGETS

ROOT = Path(__file__).parents[2]


def each_target():
    for target in TARGETS.values():
        yield pytest.param(target, id=target.name, marks=[pytest.mark.slow] if target.needs_tensorflow else [])


@pytest.mark.parametrize("target", each_target())
def test_what_was_found_before_is_read_or_refused(target, tmp_path):
    judge = Judge(target.name, target.start(tmp_path))
    inputs = [*target.seeds(), *(path.read_bytes() for path in target.corpus())]
    for data in inputs:
        judge(data)
    assert len(inputs) > 10
    # It is no test when nearly all of them are refused at once, or none is.
    assert 0 < judge.num_refused < len(inputs)


def test_the_corpus_is_small_and_of_targets():
    paths = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in paths) < 200_000
    assert {path.parent.name for path in paths} == set(TARGETS)
    assert all(path.stat().st_size <= TARGETS[path.parent.name].most_bytes for path in paths)


def fail(error):
    raise error


@pytest.mark.parametrize(
    "attempt, says",
    [
        (lambda data: fail(KeyError("x")), r"KeyError at test_corpus\.py:\d+"),
        (lambda data: fail(UserError("  ")), "a refusal without a word"),
        (lambda data: sum(range(10**7)), "slow: "),
        (lambda data: bytearray(gzip.decompress(gzip.compress(bytes(1 << 26), 1))), "memory: "),
    ],
    ids=["error", "no word", "slow", "memory"],
)
def test_a_finding_is_one(attempt, says, monkeypatch, tmp_path):
    monkeypatch.setattr("tests.fuzz.judging.MOST_SECONDS", 0.01 if says.startswith("slow") else 60.0)
    monkeypatch.setattr("tests.fuzz.judging.MOST_GROWTH", 20 << 20)
    with pytest.raises(AssertionError, match=says):
        Judge("x", attempt)(b"input")
    judge = Judge("x", attempt, tmp_path)
    if not says.startswith("memory"):
        judge(b"input")
        judge(b"other")
        assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".txt"]


def test_without_the_fuzzer_it_says_what_to_install(tmp_path):
    (tmp_path / "atheris.py").write_text("raise ImportError")
    words = [sys.executable, "-m", "tests.fuzz", "--target", "expression", "--minutes", "0.1", "--folder", tmp_path]
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin"}
    run = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode != 0 and "pip install 'easymtl[fuzz]'" in run.stderr
