"""A checkpoint knows its data: copies go on, others are refused or read from their beginning."""

import json
import shutil

import pytest

from easymtl.errors import UserError
from easymtl.training import events
from easymtl.training.trainer import Trainer
from tests.training.small_runs import of_kind, small_config, train, write_data, write_rows

pytestmark = pytest.mark.usefixtures("op_by_op")

QUICK = ("eval_input_path=", "train_config.save_checkpoints_steps=0")
SEVERAL = "data_config.num_epochs=4"


def run(folder, *overrides, new_data=False):
    told: list[events.Event] = []
    trainer = Trainer(small_config(folder, *QUICK, *overrides), told.append, new_data=new_data)
    return trainer.run(), [note.text for note in of_kind(told, events.Note)]


def state_of(result) -> dict:
    return json.loads((result.checkpoint.path / "state.json").read_text())


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A training of 3 of 4 passes' steps over 150 rows, interrupted in the middle of a pass; to be copied."""
    folder = tmp_path_factory.mktemp("begun")
    write_data(folder)
    run(folder, SEVERAL, "train_config.num_steps=3")
    return folder


@pytest.fixture
def folder(begun, tmp_path):
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_copy_of_the_files_goes_on(folder):
    (folder / "moved").mkdir()
    shutil.move(folder / "train.csv", folder / "moved" / "train.csv")
    result, notes = run(folder, SEVERAL, f"train_input_path={folder}/moved", "train_config.num_steps=4")
    assert result.step == 4 and len(notes) == 1
    assert state_of(result)["cursor"]["row"] == 4 * 32


def test_other_files_are_refused_and_then_read_whole(folder):
    write_rows(folder / "day2.csv", 70, seed=3)
    both = f"train_input_path={folder}/train.csv,{folder}/day2.csv"
    with pytest.raises(UserError, match=r'1 added \("day2.csv"\).*--new_data.*bring the old files back'):
        run(folder, both, SEVERAL)
    once = ("data_config.num_epochs=1", "train_config.num_steps=0")
    with pytest.raises(UserError, match=r"step-000000003.*--new_data"):
        run(folder, f"train_input_path={folder}/day2.csv", *once)
    result, notes = run(folder, both, *once, new_data=True)
    assert result.num_examples == 220 and result.step == 3 + 7
    assert any("read from their beginning, at step 3" in note for note in notes)
    assert [entry[0] for entry in state_of(result)["data"]["files"]] == ["train.csv", "day2.csv"]


def test_new_data_that_was_interrupted_goes_on_and_does_not_begin_anew(folder):
    write_rows(folder / "train.csv", 90, seed=3)
    first, _ = run(folder, "data_config.num_epochs=1", "train_config.num_steps=4", new_data=True)
    second, notes = run(folder, "data_config.num_epochs=1", "train_config.num_steps=0", new_data=True)
    assert (first.num_examples, second.num_examples) == (32, 58)
    assert any("are those of" in note and "goes on" in note for note in notes)


def test_a_finished_training_says_that_its_files_are_others(folder):
    write_rows(folder / "train.csv", 150, seed=3)
    with pytest.raises(UserError, match=r'1 changed \("train.csv"\)'):
        run(folder, SEVERAL, "train_config.num_steps=3")
    with pytest.raises(UserError, match=r"num_steps is 3.*has made 3.*--set train_config.num_steps=1003, or set it"):
        run(folder, SEVERAL, "train_config.num_steps=3", new_data=True)
    # Nothing of this has touched the checkpoint.
    with pytest.raises(UserError, match="not those of this checkpoint"):
        run(folder, SEVERAL)


def test_early_stop_waits_anew_for_new_data(folder):
    patience = ("export_config.enable_early_stop=true", "export_config.max_check_steps=1", "eval_input_path=")
    evaluated = f"eval_input_path={folder}/eval.csv"
    run(folder, SEVERAL, *patience[:2], evaluated, "train_config.save_checkpoints_steps=1")
    write_rows(folder / "train.csv", 64, seed=3)
    result, _ = run(
        folder, "data_config.num_epochs=1", "train_config.num_steps=0", *patience[:2], evaluated, new_data=True
    )
    assert result.num_examples == 64


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("data_config.shuffle=false", "data_config.shuffle (was true, is false)"),
        ("train_config.seed=6", "train_config.seed (was 5, is 6)"),
        ("data_config.num_epochs=1", "data_config.num_epochs (was several, is 1)"),
        ("data_config.ignore_error=true", "data_config.ignore_error (was False, is True)"),
        (
            "data_config.shuffle_buffer_size=300000",
            "data_config.shuffle_buffer_size (was 262,144 rows, is 300,000 rows)",
        ),
    ],
)
def test_another_order_in_the_middle_of_a_pass_is_told(folder, override, named):
    _, notes = run(folder, SEVERAL, override, "train_config.num_steps=3")
    [warning] = [note for note in notes if note.startswith("Warning")]
    assert named in warning and "pass 1" in warning


def test_another_order_may_begin_anew(folder):
    result, _ = run(folder, "data_config.num_epochs=1", "train_config.num_steps=0", new_data=True)
    assert result.num_examples == 150


def test_a_batch_size_is_no_order(folder):
    _, notes = run(folder, SEVERAL, "data_config.batch_size=16", "train_config.num_steps=3")
    assert len(notes) == 1


def test_a_checkpoint_that_does_not_know_its_files_goes_on_with_a_note(folder):
    path = folder / "model" / "checkpoints" / "step-000000003" / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in state.items() if name not in ("data", "checksum")}))
    write_rows(folder / "train.csv", 150, seed=3)
    result, notes = run(folder, SEVERAL, "train_config.num_steps=4")
    assert result.step == 4
    assert any("does not say which files" in note and "--new_data" in note for note in notes)
    assert state_of(result)["data"]["files"]


def test_without_a_checkpoint_new_data_are_data(tmp_path):
    write_data(tmp_path)
    result, _ = run(tmp_path, "train_config.num_steps=1", new_data=True)
    assert result.step == 1


def test_the_best_is_compared_on_one_evaluation_data_only(tmp_path):
    write_data(tmp_path)
    train(tmp_path, "train_config.num_steps=3")
    lines = (tmp_path / "eval.csv").read_text().splitlines()
    (tmp_path / "eval.csv").write_text("\n".join(lines[:40]) + "\n")
    result, told = train(tmp_path, "train_config.num_steps=6")
    notes = [event.text for event in told if hasattr(event, "text")]
    assert any(
        "The evaluation data are others than those of the best evaluation so far (mean auc" in text for text in notes
    )
    assert result.best_step == 6
