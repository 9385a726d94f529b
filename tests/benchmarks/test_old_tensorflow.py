import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import old_tensorflow, serving_exports
from benchmarks.old_tensorflow import CONFIGS, Found, compared, environment, main, table
from benchmarks.serving_exports import SampleExport
from easymtl.errors import UserError
from easymtl.serving.proof_process import RELOAD
from tests.server.tiny_export import write_export

WANTED = {"probs_a": np.array([0.5, 0.25]), "y_a": np.array([10.0, np.nan]), "encoded: probs_a": np.array([0.5, 0.25])}


def changed(name, values):
    return compared(WANTED | {name: np.array(values)}, WANTED)


def test_the_largest_difference_is_next_to_the_largest_score():
    assert compared(WANTED, WANTED) == Found(2, 0.0, "probs_a")
    found = changed("encoded: probs_a", [0.5, 0.35])
    assert found.largest == pytest.approx(0.1) and found.output == "encoded: probs_a"
    assert changed("y_a", [10.5, np.nan]).largest == pytest.approx(0.05)
    assert changed("y_a", [10.0, 1.0]).largest == np.inf
    assert changed("y_a", [np.nan, np.nan]).largest == np.inf
    texts = {"feature_x": np.array([b"a", b"b"], object)}
    assert compared(texts, texts).largest == 0
    assert compared({"feature_x": np.array([b"a", b"c"], object)}, texts).largest == 1


def test_outputs_that_are_missing_are_a_failure():
    assert "probs_a" in compared({"y_a": WANTED["y_a"]}, WANTED).failure


@pytest.mark.parametrize(
    ("last", "code", "says"),
    [
        (WANTED, 0, "0.0e+00"),
        (WANTED | {"probs_a": np.array([0.5, 0.26])}, 1, "probs_a differs by 1.0e-02, more than 1e-05."),
        (UserError("no such op"), 1, "2.12, function: no such op"),
    ],
)
def test_it_ends_with_1_if_a_release_does_not_score_the_same(monkeypatch, capsys, tmp_path, last, code, says):
    made = SampleExport(tmp_path, {"x": pa.array([1, 2])}, pa.array([b""]), 2, 0)
    answers = {True: last, False: WANTED}

    def scores(made, python, loader):
        answer = answers["2.12" in str(python) and loader == "function"]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(serving_exports, "export_apart", lambda name, folder, further: made)
    monkeypatch.setattr(old_tensorflow, "scores_of", scores)
    monkeypatch.setattr(old_tensorflow, "environment", lambda version, folder, python: folder / "bin" / "python")
    assert main([CONFIGS[0], "--environments", str(tmp_path)]) == code
    assert says in capsys.readouterr().out


def test_an_environment_is_made_once(monkeypatch, tmp_path):
    commands = []

    def run(command, check):
        commands.append(command)
        (tmp_path / "2.12").mkdir(exist_ok=True)

    monkeypatch.setattr(old_tensorflow, "subprocess", SimpleNamespace(run=run))
    for _ in range(2):
        assert environment("2.12", tmp_path / "2.12", "python3.11") == tmp_path / "2.12" / "bin" / "python"
    made, installed = commands
    assert made == ["python3.11", "-m", "venv", str(tmp_path / "2.12")]
    assert any("==2.12.*" in word for word in installed)
    environment("2.13", tmp_path / "2.12", "python3.11")
    assert len(commands) == 4, "another release takes its place"


def test_the_table_has_a_line_for_each_loader():
    rows = [
        ("census", "2.12", "session", Found(4, 1e-7, "probs_a")),
        ("census", "2.12", "function", Found(failure="x")),
    ]
    cells = [list(column.cells) for column in table(rows).columns]
    assert cells[2:5] == [["session", "function"], ["4", ""], ["1.0e-07", "failed"]]


@pytest.mark.slow
def test_both_loaders_score_the_same(tmp_path):
    """In a process of its own, which has nothing of easymtl."""
    export = write_export(tmp_path / "1")
    columns = {
        "user": ["u", ""], "age": pa.array([3, 4], pa.int32()), "id": [5, 6], "price": pa.array([0.5, 2], pa.float32()),
        "is_new": [True, False], "tags": pa.FixedSizeListArray.from_arrays(pa.array(["a", "b", "c", ""]), 2),
    }  # fmt: skip
    found = {}
    for loader in old_tensorflow.LOADERS:
        target = tmp_path / loader
        target.mkdir()
        requests = tmp_path / "requests"
        requests.mkdir(exist_ok=True)
        table_of = pa.table(columns)
        request = str(requests / "serving_default")
        with pa.OSFile(request, "wb") as file, pa.ipc.new_file(file, table_of.schema) as writer:
            writer.write_table(table_of)
        program = Path(old_tensorflow.__file__).with_name("old_tensorflow_calls.py")
        command = [sys.executable, "-I", str(program), loader, str(RELOAD)]
        line = json.dumps([str(folder) for folder in (export, requests, target)])
        subprocess.run(command, input=line, text=True, check=True, capture_output=True)
        with pa.OSFile(str(target / "serving_default"), "rb") as file:
            found[loader] = pa.ipc.open_file(file).read_all().to_pydict()
    assert found["session"] == found["function"]
    assert found["session"]["y_seconds"] == [3.5, 6.0]
