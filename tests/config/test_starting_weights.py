"""Whether the weights that a training would start from are there: told with the line of the config."""

from pathlib import Path

import pytest

from easymtl.config import load_config
from easymtl.config.problems import ConfigError
from easymtl.config.starting_weights import require_starting_weights
from easymtl.config.variable_map import read_variable_map

SAMPLE = Path(__file__).parents[2] / "samples/configs/dbmtl_on_livestream.config"
START = "train_config.fine_tune_checkpoint"
MAP = "train_config.fine_tune_ckpt_var_map"


def check(folder: Path, source: str, *overrides: str) -> None:
    flags = [f"model_dir={folder}/model", f"{START}={folder}/{source}", *overrides]
    require_starting_weights(load_config(str(SAMPLE), flags))


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


@pytest.mark.parametrize(
    ("made", "source"),
    [
        ("old/model.ckpt-5.index", "old/model.ckpt-5"),
        ("old/model.ckpt-5.index", "old/model.ckpt-5.index"),
        ("old/model.ckpt-5.index", "old/model.ckpt-5.data-00000-of-00001"),
        ("old/model.ckpt-5.index", "old"),
        ("old/checkpoint", "old"),
        ("old/checkpoints/step-000000005/state.json", "old"),
        ("old/checkpoints/step-000000005/state.json", "old/checkpoints"),
        ("old/checkpoints/step-000000005/state.json", "old/checkpoints/step-000000005"),
    ],
)
def test_every_form_of_a_checkpoint_is_found(tmp_path, made, source):
    make(tmp_path, made)
    check(tmp_path, source)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("old/model.ckpt-6", 'old has "model.ckpt-5". Did you mean "model.ckpt-5"?'),
        ("new/model.ckpt-5", "new/model.ckpt-5.index does not exist (relative paths start at "),
        ("empty", "is a folder without a checkpoint; name a checkpoint such as"),
    ],
)
def test_what_is_not_there_is_told_with_its_place(tmp_path, source, says):
    make(tmp_path, "old/model.ckpt-5.index", "empty/notes.txt")
    with pytest.raises(ConfigError) as caught:
        check(tmp_path, source)
    [problem] = caught.value.problems
    assert str(problem).startswith(f"--set: {START}: ")
    assert says in str(problem)


def test_a_remote_checkpoint_is_to_be_copied(tmp_path):
    with pytest.raises(ConfigError, match="is no local path: copy the checkpoint here first"):
        check(tmp_path, "", f"{START}=s3://old/model.ckpt-5")


def test_a_model_dir_with_checkpoints_starts_from_those(tmp_path):
    make(tmp_path, "model/checkpoints/step-000000003/state.json")
    check(tmp_path, "gone/model.ckpt-5", f"{MAP}={tmp_path}/gone.txt")


def test_home_is_written_out(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path, "old/model.ckpt-5.index")
    (tmp_path / "names.txt").write_text("a b\n")
    check(tmp_path, "", f"{START}=~/old/model.ckpt-5", f"{MAP}=~/names.txt")


def test_a_map_of_variables_is_read_line_by_line(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\ufeffa/kernel  b/kernel\r\n\n c\td \n")
    lines, problems = read_variable_map(str(path))
    assert [(line.where, line.name, line.there) for line in lines] == [
        (f"{path}:1", "a/kernel", "b/kernel"),
        (f"{path}:3", "c", "d"),
    ]
    assert problems == []


def test_a_map_of_variables_that_is_none_is_told_whole(tmp_path):
    make(tmp_path, "old/model.ckpt-5.index")
    path = tmp_path / "names.txt"
    path.write_text("a\na b c\na b\na c\n")
    with pytest.raises(ConfigError) as caught:
        check(tmp_path, "old", f"{MAP}={path}")
    texts = [str(problem) for problem in caught.value.problems]
    assert texts == [
        f'--set: {MAP}: {path}:1: "a" is not the name of a weight and its name in the checkpoint.',
        f'--set: {MAP}: {path}:2: "a b c" is not the name of a weight and its name in the checkpoint.',
        f'--set: {MAP}: {path}:4: "a" is mapped in {path}:3 already; remove one of the lines.',
    ]


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "is empty"), (b"\xff", "no UTF-8 text"), (None, "cannot be read: No such file")]
)
def test_a_file_that_is_no_map_is_told(tmp_path, content, says):
    path = tmp_path / "names.txt"
    if content is not None:
        path.write_bytes(content)
    lines, [problem] = read_variable_map(str(path))
    assert lines == []
    assert says in problem


@pytest.mark.parametrize(
    ("overrides", "notes"),
    [
        ([f"{MAP}=x"], 1),
        (["train_config.force_restore_shape_compatible=true"], 1),
        (["model_config.restore_filters=[a]"], 1),
        (["model_config.restore_filters=[a]", f"{START}=x"], 0),
        (["model_config.restore_filters=[a]", f"{START}=x", f"{MAP}=y"], 1),
    ],
)
def test_what_nothing_reads_is_noted(overrides, notes):
    found = [note for note in load_config(str(SAMPLE), overrides).notes if "has no effect" in note]
    assert len(found) == notes
