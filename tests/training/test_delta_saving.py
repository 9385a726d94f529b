"""Checkpoints of what has changed: the same weights as full ones, for every reader, whatever becomes of the others."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.checkpoints.saved_variables import open_checkpoint
from easymtl.checkpoints.stored_tensors import StoredTensors
from easymtl.errors import UserError
from easymtl.training import events
from easymtl.training.trainer import Trainer
from tests.training.small_runs import of_kind, small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")

NO_EVALUATION = "eval_input_path="
ALL = "train_config.checkpoint_deltas={ full_every: 3 min_table_bytes: 0 }"
ITEMS = "train_config.checkpoint_deltas={ full_every: 3 min_table_bytes: 500 }"
AVERAGES = "train_config.optimizer_config[0].use_moving_average=true"
STEPS = ("train_config.save_checkpoints_steps=1", "data_config.batch_size=4", "train_config.num_steps=5")
TABLES = ("input_layer/item_embedding/embedding_weights", "input_layer/tags_embedding/embedding_weights")


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path)
    return tmp_path


def all_of(folder) -> list:
    return CheckpointFolder(folder / "model").all()


def deltas(checkpoints) -> list[int]:
    return [checkpoint.step for checkpoint in checkpoints if "delta" in checkpoint.state()]


def tensors(path) -> dict[str, np.ndarray]:
    stored = StoredTensors(path)
    return {name: stored.read(name) for name in stored.shapes}


def assert_same(found, expected) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
        assert found[name].dtype == value.dtype


@pytest.fixture(scope="module", params=[ALL, ITEMS], ids=["all tables", "large ones"])
def both(request, tmp_path_factory):
    """Two trainings of five checkpoints, with moving averages: with deltas and without."""
    folder = tmp_path_factory.mktemp("both")
    write_data(folder)
    for name, overrides in (("full", ()), ("deltas", (request.param,))):
        train(folder, f"model_dir={folder}/{name}", AVERAGES, *STEPS, *overrides)
    return folder


@pytest.mark.slow
def test_deltas_hold_what_full_checkpoints_do(both):
    full, parts = (CheckpointFolder(both / name).all() for name in ("full", "deltas"))
    assert deltas(parts) == [2, 3, 5] and deltas(full) == []
    for one, other in zip(full, parts, strict=True):
        other.check()
        assert_same(tensors(other.path), tensors(one.path))
        states = [
            {k: v for k, v in c.state().items() if k not in ("files", "checksum", "delta", "format_version")}
            for c in (one, other)
        ]
        assert states[0] == states[1]


def test_a_delta_holds_no_row_that_has_not_changed(both):
    parts = CheckpointFolder(both / "deltas").all()
    reader = tf.train.load_checkpoint(parts[1].prefix)
    before, after = tensors(parts[0].path), tensors(parts[1].path)
    [*tables] = [
        name.removeprefix("changed_rows/") for name in reader.get_variable_to_shape_map() if "changed_rows/" in name
    ]
    assert TABLES[0] in tables
    for table in tables:
        rows = reader.get_tensor(f"changed_rows/{table}")
        changed = np.flatnonzero((before[table] != after[table]).any(axis=1))
        np.testing.assert_array_equal(rows, changed)
        assert 0 < len(rows) < len(before[table])
        for slot in ("", "/Adam", "/Adam_1", "/ExponentialMovingAverage", "/ExponentialMovingAverage_step"):
            assert reader.get_tensor(f"changed/{table}{slot}").shape[0] == len(rows)
            assert not reader.has_tensor(f"{table}{slot}")


def test_the_full_files_are_linked_to_and_not_copied(both):
    one, two, three = CheckpointFolder(both / "deltas").all()[:3]
    index = "weights.index"
    assert (
        len(
            {
                os.stat(path).st_ino
                for path in (one.path / index, two.path / "full" / index, three.path / "full" / index)
            }
        )
        == 1
    )


def test_models_are_loaded_from_a_delta_as_from_a_full_one(both):
    pipelines = [small_config(both, f"model_dir={both}/{name}", AVERAGES).pipeline for name in ("full", "deltas")]
    rankers = [load_ranker(pipeline, find_checkpoint(pipeline, "3")) for pipeline in pipelines]
    for name, parameter in rankers[0].parameters.items():
        np.testing.assert_array_equal(rankers[1].parameters[name].read(), parameter.read(), err_msg=name)
    full, parts = (open_checkpoint(f"{both}/{name}/checkpoints/step-000000003") for name in ("full", "deltas"))
    assert parts.shapes == full.shapes
    assert_same({name: parts.read(name) for name in parts.shapes}, {name: full.read(name) for name in full.shapes})


@pytest.mark.slow
def test_large_deltas_are_written_and_read_in_parts(folder, monkeypatch):
    train(folder, NO_EVALUATION, *STEPS)
    expected = tensors(all_of(folder)[1].path)
    for place in ("weights._SHARD_BYTES", "deltas.SHARD_BYTES"):
        monkeypatch.setattr(f"easymtl.checkpoints.{place}", 40)
    parts = f"model_dir={folder}/parts"
    train(folder, NO_EVALUATION, ALL, parts, *STEPS)
    delta = CheckpointFolder(folder / "parts").all()[1]
    assert len(list(delta.path.glob("weights.data-*"))) > 20
    assert_same(tensors(delta.path), expected)
    # A part of a table is read with those of its rows alone that have changed.
    shutil.rmtree(folder / "parts" / "checkpoints" / "step-000000005")
    again, _ = train(folder, NO_EVALUATION, ALL, parts, *STEPS)
    assert_same(tensors(again.checkpoint.path), tensors(all_of(folder)[-1].path))


@pytest.mark.slow
def test_a_training_that_goes_on_from_a_delta_saves_what_an_undisturbed_one_does(folder):
    options = (NO_EVALUATION, ALL, *STEPS)
    train(folder, *options, f"model_dir={folder}/whole")
    train(folder, *options, "train_config.num_steps=2")
    train(folder, *options)
    whole, parts = (CheckpointFolder(folder / name).all() for name in ("whole", "model"))
    assert deltas(whole) == deltas(parts) == [2, 3, 5]
    for one, other in zip(whole, parts, strict=True):
        assert one.state() == other.state()


@pytest.mark.slow
def test_an_interim_delta_does_not_put_off_the_next_full_checkpoint(folder):
    options = (NO_EVALUATION, ALL, *STEPS)
    train(folder, *options, "train_config.num_steps=2")
    heard = []
    config = small_config(folder, *options, "train_config.save_checkpoints_steps=100")
    Trainer(config, heard.append, lambda: len(of_kind(heard, events.Progress)) > 0).run()
    assert deltas(all_of(folder)) == [2, 3]
    assert all_of(folder)[-1].state()["is_interim"]
    train(folder, *options, "train_config.save_checkpoints_steps=2", "train_config.num_steps=6")
    train(folder, NO_EVALUATION, *STEPS, "train_config.num_steps=6", f"model_dir={folder}/full")
    assert_same(tensors(all_of(folder)[-2].path), tensors(CheckpointFolder(folder / "full").at(4).path))
    # Full at 1; 2 and 4 are deltas, 3 is superseded; full at 6.
    assert [checkpoint.step for checkpoint in all_of(folder)] == [1, 2, 4, 6]
    assert deltas(all_of(folder)) == [2, 4]


@pytest.mark.slow
def test_a_full_checkpoint_that_is_removed_leaves_its_deltas_whole(folder):
    train(folder, NO_EVALUATION, *STEPS, f"model_dir={folder}/full")
    expected = tensors(CheckpointFolder(folder / "full").all()[2].path)
    train(folder, NO_EVALUATION, ALL, "train_config.keep_checkpoint_max=1", *STEPS, "train_config.num_steps=3")
    [delta] = all_of(folder)
    assert delta.step == 3 and deltas([delta]) == [3]
    delta.check()
    assert_same(tensors(delta.path), expected)
    # Copied away it is complete, without its folder it says what is missing.
    copy = shutil.copytree(delta.path, folder / "elsewhere" / "step-3")
    assert_same(tensors(copy), expected)
    shutil.rmtree(copy / "full")
    with pytest.raises(UserError, match=r"elsewhere/step-3/full: there is no such folder"):
        tensors(copy)
    result, _ = train(folder, NO_EVALUATION, ALL, "train_config.keep_checkpoint_max=1", *STEPS)
    assert_same(tensors(result.checkpoint.path), tensors(CheckpointFolder(folder / "full").all()[4].path))


@pytest.mark.slow
def test_damage_to_the_full_files_is_told_of_each_delta_and_an_older_one_is_used(folder):
    train(folder, NO_EVALUATION, ALL, *STEPS)
    # 4 and 5 share the files of 4, while 3 has those of 1.
    path = all_of(folder)[3].path / "weights.data-00000-of-00001"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    _, told = train(folder, NO_EVALUATION, ALL, *STEPS)
    notes = [event.text for event in of_kind(told, events.Note)]
    assert any("step-000000005: the bytes of full/weights.data-00000-of-00001 have changed" in note for note in notes)
    assert any(note.endswith("Continuing from " + str(all_of(folder)[2].path) + ".") for note in notes)
    train(folder, NO_EVALUATION, *STEPS, f"model_dir={folder}/full")
    assert_same(tensors(all_of(folder)[-1].path), tensors(CheckpointFolder(folder / "full").latest().path))


def test_without_hard_links_every_checkpoint_is_full_and_that_is_told_once(folder, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    _, told = train(folder, NO_EVALUATION, ALL, *STEPS)
    assert deltas(all_of(folder)) == []
    notes = [event.text for event in of_kind(told, events.Note) if "checkpoint_deltas" in event.text]
    assert len(notes) == 1 and notes[0].endswith("cannot be linked to: Operation not supported.")


def test_rows_that_all_move_are_saved_whole(folder):
    dense = "train_config.optimizer_config[0].adam_optimizer.dense_embedding_update=true"
    train(folder, NO_EVALUATION, ALL, dense, *STEPS)
    assert deltas(all_of(folder)) == []
    [note] = small_config(folder, ALL, dense).notes
    assert "checkpoint_deltas has no effect: dense_embedding_update moves every row" in note


def test_tables_that_are_all_too_small_are_told(folder):
    huge = "train_config.checkpoint_deltas={ }"
    _, told = train(folder, NO_EVALUATION, huge, "train_config.num_steps=1")
    [note] = [event.text for event in of_kind(told, events.Note) if "checkpoint_deltas" in event.text]
    assert note.endswith("checkpoints are full, because no table has 16,777,216 bytes (min_table_bytes).")


@pytest.mark.slow
def test_averages_that_begin_anew_or_a_table_that_was_whole_make_the_next_checkpoint_full(folder):
    train(folder, NO_EVALUATION, ITEMS, *STEPS, "train_config.num_steps=2")
    train(folder, NO_EVALUATION, ALL, *STEPS, "train_config.num_steps=3")
    assert deltas(all_of(folder)) == [2]
    train(folder, NO_EVALUATION, ALL, AVERAGES, *STEPS, "train_config.num_steps=5")
    assert deltas(all_of(folder)) == [2, 5]
    train(folder, NO_EVALUATION, *STEPS, "train_config.num_steps=3", f"model_dir={folder}/full")
    train(folder, NO_EVALUATION, AVERAGES, *STEPS, f"model_dir={folder}/full")
    assert_same(tensors(all_of(folder)[-1].path), tensors(CheckpointFolder(folder / "full").latest().path))


@pytest.mark.slow
def test_a_training_that_goes_back_to_a_delta_knows_which_rows_it_has(folder):
    lines = (folder / "train.csv").read_text().splitlines()
    fields = lines[9].split(",")
    lines[9] = ",".join([*fields[:4], "3e38"])
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    options = (NO_EVALUATION, *STEPS, "data_config.shuffle=false", "train_config.nan_policy=ROLLBACK")
    train(folder, ALL, *options)
    train(folder, *options, f"model_dir={folder}/full")
    assert all_of(folder)[-1].state()["refusals"]["rollbacks"] == 1
    for one, other in zip(all_of(folder), CheckpointFolder(folder / "full").all(), strict=True):
        assert_same(tensors(one.path), tensors(other.path))
    assert deltas(all_of(folder))
