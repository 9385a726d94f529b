"""Which versions are whole, which are deltas, and which stay; writing them is faked."""

import json
from types import SimpleNamespace

import pytest

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.integrity import sealed
from easymtl.errors import UserError
from easymtl.following import exports as module
from easymtl.following.exports import Exports
from easymtl.reporting.terminal import open_terminal
from easymtl.serving.delta_folders import RECORD, Delta, versions_in
from easymtl.serving.proof_process import ProofProcess


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes folders as exports and deltas are, and returns what exports so many checkpoints in turn."""

    def begun(folder, name, checkpoint):
        path = folder / name
        while path.exists():
            path = path.with_name(f"1{path.name}")
        (path / "assets.extra").mkdir(parents=True)
        said = {"step": checkpoint.step, "checkpoint_files": checkpoint.state()["files"]}
        (path / "assets.extra" / "easymtl.json").write_text(json.dumps(said))
        return path

    def whole(pipeline, checkpoint, folder, listener, process):
        path = begun(folder, str(1000 + checkpoint.step), checkpoint)
        (path / "saved_model.pb").touch()
        return SimpleNamespace(path=path)

    def delta(pipeline, checkpoint, folder, since, told, process):
        if checkpoint.step in refused:
            raise UserError("the base is damaged")
        path = begun(folder, f"{1000 + checkpoint.step}.delta", checkpoint)
        version = int(since.rsplit("/", 1)[1].removesuffix(".delta"))
        record = {"format_version": 1, "version": 1000 + checkpoint.step, "files": {}, "base": {"version": version}}
        (path / RECORD).write_text(json.dumps(sealed(record)))
        return SimpleNamespace(export=SimpleNamespace(path=path))

    refused = set()
    monkeypatch.setattr(ProofProcess, "ahead", lambda: None)
    monkeypatch.setattr(module, "export", whole)
    monkeypatch.setattr(module, "export_since", delta)
    monkeypatch.setattr(module, "print_export", lambda *_: None)
    monkeypatch.setattr(module, "print_delta", lambda *_: None)

    def checkpoint(step, weights):
        path = tmp_path / f"step-{step}"
        path.mkdir(exist_ok=True)
        state = {"format_version": 1, "files": {"weights.index": [1, weights]}}
        (path / "state.json").write_text(json.dumps(sealed(state)))
        return Checkpoint(path, step)

    def write(kind, keep, steps, weights=0):
        exports = Exports(tmp_path, kind, keep, open_terminal())
        made = [exports.make(None, checkpoint(step, weights)) for step in steps]
        return [path.rsplit("/", 1)[-1] for path in made]

    write.refused = refused
    return write


def there(tmp_path):
    return sorted(path.name for path in (tmp_path / "export" / "follow").iterdir())


def test_whole_ones_are_kept_as_many_as_are_wanted(write, tmp_path):
    assert write("full", 2, range(4)) == ["1000", "1001", "1002", "1003"]
    assert there(tmp_path) == ["1002", "1003"]


def test_every_so_manieth_version_is_whole_and_bases_stay(write, tmp_path):
    made = write("delta", 3, range(8))
    assert made == ["1000", "1001.delta", "1002.delta", "1003", "1004.delta", "1005.delta", "1006", "1007.delta"]
    # The last three are 1005 to 1007, and 1005 leads back to 1003.
    assert there(tmp_path) == ["1003", "1004.delta", "1005.delta", "1006", "1007.delta"]
    folder = tmp_path / "export" / "follow"
    for path in versions_in(folder).values():
        if path.name.endswith(".delta"):
            assert Delta(path).record["base"]["version"] in versions_in(folder)


def test_none_is_none(write, tmp_path):
    assert write("none", 2, range(2)) == ["", ""] and not (tmp_path / "export").exists()


def test_a_checkpoint_that_was_exported_is_not_exported_again(write, tmp_path):
    assert write("delta", 3, [5, 5, 6, 6]) == ["1005", "1005", "1006.delta", "1006.delta"]


def test_a_step_of_another_training_is_exported_though_there_is_an_export_of_this_step(write, tmp_path):
    assert write("full", 3, [5]) == ["1005"]
    # As where somebody has removed the checkpoints, to train anew, and not the exports.
    assert write("full", 3, [5, 5], weights=1) == ["11005", "11005"]


def test_where_there_can_be_no_delta_a_whole_one_is_made_and_it_is_said(write, capsys):
    write.refused.add(2)
    assert write("delta", 9, range(1, 4)) == ["1001", "1002", "1003.delta"]
    assert "Warning: a whole export is made, and no delta: the base is damaged" in capsys.readouterr().out


def test_a_model_that_fewer_bytes_would_spoil_is_not_exported_and_training_goes_on(write, monkeypatch, capsys):
    def too_narrow(*_, **__):
        raise module.TooNarrow("the AUC changes")

    monkeypatch.setattr(module, "export", too_narrow)
    assert write("full", 2, [1]) == [""]
    assert "Warning: step 1 was not exported: the AUC changes" in capsys.readouterr().out
