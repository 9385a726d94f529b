"""Checkpoints: published whole or not at all, pruned with care, and read only into the model they are of."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.checkpoints.weights import Weights
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers
from tests.training.small_runs import small_config

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def ranker(config):
    return Ranker(config.pipeline)


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path)


def steps(folder: CheckpointFolder) -> list[int]:
    return [checkpoint.step for checkpoint in folder.all()]


def save(folder: CheckpointFolder, ranker: Ranker, *numbers: int, best: int | None = None):
    for number in numbers:
        result = folder.save(number, Weights(ranker), {"cursor": {}, "best": {"step": best}, "metrics": {}})
    return result


def test_an_empty_folder_has_no_checkpoint(folder):
    assert folder.all() == []
    assert folder.latest() is None
    assert folder.at(3) is None


def test_checkpoints_are_listed_by_step(folder, ranker):
    save(folder, ranker, 20, 3, 100)
    assert steps(folder) == [3, 20, 100]
    assert folder.latest().step == 100
    assert folder.at(20).path.name == "step-000000020"


def test_whoever_reads_a_whole_checkpoint_says_so_every_few_bytes(tmp_path, ranker, monkeypatch):
    monkeypatch.setattr("easymtl.checkpoints.integrity._BYTES", 100)
    beats = []
    folder = CheckpointFolder(tmp_path, lambda: beats.append(None))
    checkpoint = save(folder, ranker, 3)
    least = sum(path.stat().st_size for path in checkpoint.path.glob("weights.*")) // 100
    assert len(beats) >= least + 3 > 10, "the two files of weights and the state come to the disk"
    beats.clear()
    assert folder.settle()[0] == checkpoint and len(beats) >= least
    beats.clear()
    Weights(ranker).read(checkpoint.path, beat=lambda: beats.append(None))
    assert len(beats) == len(Weights(ranker).entries)


def test_pruning_keeps_the_newest_and_the_protected(folder, ranker):
    save(folder, ranker, 1, 2, 3, 4)
    folder.prune(2, protected=[1])
    assert steps(folder) == [1, 3, 4]
    folder.prune(0)
    assert steps(folder) == [1, 3, 4]


def test_interim_are_those_that_say_so_before_a_step(folder, ranker):
    for step in (1, 2, 3, 4, 5):
        folder.save(step, Weights(ranker), {"is_interim": step != 2})
    (folder.path_of(3) / "state.json").write_text("half")
    assert folder.interim_before(5) == [1, 4]


def test_drafts_are_no_checkpoints_and_are_swept_away(folder, ranker):
    save(folder, ranker, 1)
    draft = folder.path / ".writing-000000002-77"
    draft.mkdir()
    (draft / "weights.index").write_text("half")
    (folder.path / "step-12-copy").mkdir()
    assert steps(folder) == [1]
    folder.prune(5)
    assert not draft.exists()


def test_a_draft_in_a_checkpoint_is_swept_away_by_the_next_training(folder, ranker):
    save(folder, ranker, 1, 2)
    path = folder.latest().path
    names = {one.name for one in path.iterdir()}
    (path / f".writing-state.json-{os.getppid()}").write_text("{")
    latest, problems = folder.settle()
    assert latest.step == 2 and not problems
    assert {one.name for one in path.iterdir()} == names


def test_what_cannot_be_written_leaves_the_others_and_no_draft(folder, ranker, monkeypatch):
    save(folder, ranker, 1)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UserError, match=r"step-000000002: the checkpoint could not be written: .*No space left"):
        save(folder, ranker, 2)
    assert [entry.name for entry in folder.path.iterdir()] == ["step-000000001"]


def test_a_step_that_is_saved_again_is_replaced(folder, ranker):
    save(folder, ranker, 1, best=7)
    save(folder, ranker, 1, best=8)
    assert steps(folder) == [1]
    assert folder.at(1).state()["best"]["step"] == 8


def test_weights_and_slots_come_back(folder, config):
    source, target = Ranker(config.pipeline), Ranker(config.pipeline)
    both = []
    for number, ranker in enumerate((source, target)):
        tables = list(ranker.embeddings.variables_by_width.values())
        optimizers = Optimizers(config.pipeline.train_config.optimizer_config, tables, ranker.dense_variables)
        for index, variable in enumerate([*ranker.variables, *optimizers.variables]):
            variable.assign(tf.random.stateless_normal(variable.shape, [index, number]))
        both.append((ranker, optimizers))
    checkpoint = folder.save(1, Weights(*both[0]), {})
    Weights(*both[1]).read(checkpoint.path)
    for first, second in zip(both[0], both[1]):
        for expected, found in zip(first.variables, second.variables):
            np.testing.assert_array_equal(found, expected, err_msg=expected.name)


def test_a_model_without_its_optimizer_reads_the_checkpoint_of_a_training(folder, config, ranker):
    tables = list(ranker.embeddings.variables_by_width.values())
    optimizers = Optimizers(config.pipeline.train_config.optimizer_config, tables, ranker.dense_variables)
    checkpoint = folder.save(1, Weights(ranker, optimizers), {})
    loaded = load_ranker(config.pipeline, checkpoint)
    for name, parameter in ranker.parameters.items():
        np.testing.assert_array_equal(loaded.parameters[name].read(), parameter.read())


def test_another_optimizer_is_told_by_its_missing_slots(folder, config, ranker):
    checkpoint = folder.save(1, Weights(ranker), {})
    tables = list(ranker.embeddings.variables_by_width.values())
    optimizers = Optimizers(config.pipeline.train_config.optimizer_config, tables, ranker.dense_variables)
    with pytest.raises(UserError, match=r"it has no .*embedding_weights/Adam"):
        Weights(ranker, optimizers).read(checkpoint.path)


def test_a_checkpoint_that_does_not_fit_names_what_differs_and_changes_nothing(folder, config, ranker):
    checkpoint = save(folder, ranker, 1)
    other = load_config(config.path, ["model_config.mmoe.expert_dnn.hidden_units=[8, 5]"])
    target = Ranker(other.pipeline)
    before = [variable.numpy() for variable in target.variables]
    with pytest.raises(UserError) as error:
        Weights(target).read(checkpoint.path)
    assert "mmoe/expert_0/dnn_1/kernel is (8, 6) there and (8, 5) in the config" in str(error.value)
    for variable, value in zip(target.variables, before):
        np.testing.assert_array_equal(variable, value)


def test_large_models_are_written_in_parts(folder, ranker, monkeypatch):
    monkeypatch.setattr("easymtl.checkpoints.weights._SHARD_BYTES", 300)
    checkpoint = save(folder, ranker, 1)
    assert len(list(checkpoint.path.glob("weights.data-*"))) > 3
    reader = tf.train.load_checkpoint(checkpoint.prefix)
    for name, parameter in ranker.parameters.items():
        np.testing.assert_array_equal(reader.get_tensor(name), parameter.read())


@pytest.mark.parametrize("name", ["weights.index", "weights.data-00000-of-00001", "state.json"])
def test_a_damaged_checkpoint_is_a_clear_error(folder, ranker, name):
    checkpoint = save(folder, ranker, 1)
    path = checkpoint.path / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"step-000000001.*cannot be read"):
        checkpoint.state()
        Weights(ranker).read(checkpoint.path)


def test_a_changed_byte_is_a_clear_error(folder, ranker):
    checkpoint = save(folder, ranker, 1)
    path = checkpoint.path / "weights.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"step-000000001: .* cannot be read"):
        Weights(ranker).read(checkpoint.path)


def test_a_checkpoint_of_a_later_version_is_refused(folder, ranker):
    checkpoint = save(folder, ranker, 1)
    path = checkpoint.path / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 99}))
    with pytest.raises(UserError, match="another version of easymtl"):
        checkpoint.state()


@pytest.mark.parametrize(("choice", "step"), [("latest", 9), ("best", 5), ("5", 5), ("2", 2)])
def test_a_checkpoint_is_chosen_by_word_or_step(tmp_path, config, ranker, choice, step):
    pipeline = type(config.pipeline)()
    pipeline.model_dir = str(tmp_path)
    save(CheckpointFolder(tmp_path), ranker, 2, 5, 9, best=5)
    assert find_checkpoint(pipeline, choice).step == step
    by_path = find_checkpoint(pipeline, str(CheckpointFolder(tmp_path).at(2).path))
    assert by_path.step == 2


def test_a_checkpoint_that_is_not_there_lists_those_that_are(tmp_path, config, ranker):
    pipeline = type(config.pipeline)()
    pipeline.model_dir = str(tmp_path)
    with pytest.raises(UserError, match=r"there is no checkpoint. Train first"):
        find_checkpoint(pipeline)
    save(CheckpointFolder(tmp_path), ranker, 2, 5)
    with pytest.raises(UserError, match=r'no checkpoint "7"; use latest, best, a folder, or a step: .*2.*5'):
        find_checkpoint(pipeline, "7")
