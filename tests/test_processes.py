"""Each test file has a process of its own, and what happens there is reported as if it had happened here."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFTEST = """
import os, pathlib, pytest

def note(words):
    with (pathlib.Path(__file__).parent / "notes").open("a") as file:
        file.write(f"{os.getpid()} {words}\\n")

@pytest.fixture(autouse=True)
def process(request):
    note(f"ran {request.node.name}")

@pytest.fixture(scope="session", autouse=True)
def session():
    yield
    note("session ended")

@pytest.fixture(scope="module", autouse=True)
def module():
    yield
    note("module ended")
"""
FILES = {
    "test_a": """
import pytest, warnings
def test_passes(): warnings.warn("look here", FutureWarning)
def test_fails(tmp_path): print("in a", tmp_path.name); assert {"one": 1} == {"one": 2}
def test_skips(): pytest.skip("for a reason")
""",
    "test_b": """
import pytest
@pytest.mark.alone
@pytest.mark.parametrize("number", range(2))
def test_alone(number): pass
def test_together(): pass
def test_too(): pass
""",
    "test_c": """
import os, pytest, signal
def test_dies(): os.kill(os.getpid(), signal.SIGKILL)
def test_after(): pass
def test_exits(): pytest.exit("enough")
""",
}


def run(folder: Path, *flags: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.processes", "-p", "no:cacheprovider", *flags]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def write(folder: Path, files: dict[str, str]) -> None:
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = alone\n    threads\n")
    (folder / "conftest.py").write_text(CONFTEST)
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content)


def notes(folder: Path) -> list[tuple[str, str]]:
    """Returns what was noted, each with the process that did so."""
    return [tuple(line.split(" ", 1)) for line in (folder / "notes").read_text().splitlines()]


@pytest.fixture(scope="module", params=[(), ("-n", "2", "--dist", "loadfile")], ids=["here", "xdist"])
def done(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    write(folder, FILES)
    return folder, run(folder, "--junitxml=result.xml", *request.param)


def test_a_file_has_one_process_and_a_test_that_is_alone_another(done):
    folder, _ = done
    process = {words.removeprefix("ran "): number for number, words in notes(folder) if words.startswith("ran ")}
    assert process["test_passes"] == process["test_fails"] == process["test_skips"]
    assert process["test_together"] == process["test_too"]
    assert process["test_dies"] != process["test_after"] == process["test_exits"]
    assert len(set(process.values())) == 6


def test_outcomes_are_reported_with_what_was_said(done):
    folder, run = done
    assert run.returncode == 1
    cases = {case.get("name"): case for case in ElementTree.parse(folder / "result.xml").iter("testcase")}
    failures = {name: case.find("failure").text for name, case in cases.items() if case.find("failure") is not None}
    assert failures.keys() == {"test_fails", "test_dies", "test_exits"}
    assert "{'one': 1} == {'one': 2}" in failures["test_fails"]
    assert "in a test_fails0" in run.stdout
    assert "the process of this test ended with signal SIGKILL" in failures["test_dies"]
    assert "enough" in failures["test_exits"]
    assert cases["test_skips"].find("skipped").get("message") == "for a reason"
    assert "FutureWarning: look here" in run.stdout
    # Later processes do not tell it again.
    assert "3 failed, 6 passed, 1 skipped, 1 warning in " in run.stdout


def test_tensorflow_has_one_thread_except_where_it_is_to_have_more(tmp_path, monkeypatch):
    names = ("TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    threads = f"import os, pytest\ndef threads(): return [os.environ.get(name) for name in {names}]\n"
    one = "def test_one(): assert threads() == ['1', '1']\n"
    many = "@pytest.mark.alone\n@pytest.mark.threads\ndef test_many(): assert threads() == [None, None]\n"
    write(tmp_path, {"test_d": f"{threads}{one}{many}"})
    assert "2 passed" in run(tmp_path).stdout


def test_fixtures_end_with_their_process(done):
    folder, _ = done
    found = notes(folder)
    survivors = {
        number for number, words in found if words not in ("ran test_dies", "ran test_exits", "ran test_after")
    }
    for number in survivors:
        assert [words for process, words in found if process == number][-2:] == ["module ended", "session ended"]


def test_fixtures_end_where_the_first_failure_ends_everything(tmp_path):
    write(tmp_path, FILES)
    assert "1 failed, 1 passed" in run(tmp_path, "-x").stdout
    assert [words for _, words in notes(tmp_path)][-3:] == ["ran test_fails", "module ended", "session ended"]


def test_fixtures_end_where_the_session_stops_between_two_tests(tmp_path):
    write(tmp_path, FILES)
    with (tmp_path / "conftest.py").open("a") as file:
        file.write("def pytest_sessionstart(session): global SESSION; SESSION = session\n")
        file.write("def pytest_runtest_logfinish(): SESSION.shouldstop = 'enough'\n")
    assert "1 passed" in run(tmp_path).stdout
    assert [words for _, words in notes(tmp_path)] == ["ran test_passes", "module ended", "session ended"]


def test_tensorflow_that_was_used_too_early_is_told(tmp_path):
    write(tmp_path, {"test_a": "import tensorflow\ndef test_passes(): pass\n"})
    package = tmp_path / "tensorflow" / "python" / "eager"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").touch()
    content = "class Context:\n  _initialized = %s\ndef context(): return Context\n"
    for is_used in (True, False):
        (package / "context.py").write_text(content % is_used)
        done = run(tmp_path)
        assert (done.returncode != 0) == is_used
        assert ("test_a.py: TensorFlow has been used while this was imported" in done.stdout) == is_used
