"""Checkpoints that workers write together, each the rows that it has, are those that one process writes."""

from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.saved_variables import SavedVariables
from easymtl.checkpoints.shards import OwnPart
from easymtl.checkpoints.slots import UPDATED_AT
from easymtl.checkpoints.weights import Weights, entries_of
from easymtl.errors import UserError
from easymtl.peers.peers import ONE
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers
from easymtl.training.overwriting import make_transfer
from easymtl.training.saving import SavingTogether
from easymtl.training.transfer import Choices, plan_transfer, targets_of
from tests.peers.threads import make_devices, together
from tests.training.small_runs import small_config, write_data

pytestmark = pytest.mark.threads

TABLES = (
    "feature_config.features[0].hash_bucket_size=1000",
    "feature_config.features[1].embedding_dim=6",
    "train_config.optimizer_config[0].use_moving_average=true",
)
STATE = {"best": {"value": None, "step": None}}


class Model:
    """Weights, slots and averages, all of them different numbers."""

    def __init__(self, pipeline, owners=ONE, is_numbered=False):
        self.ranker = Ranker(pipeline, owners)
        tables = list(self.ranker.embeddings.variables_by_width.values())
        self.optimizers = Optimizers(pipeline.train_config.optimizer_config, tables, self.ranker.dense_variables)
        self.weights = Weights(self.ranker, self.optimizers)
        if is_numbered:
            for number, entry in enumerate(self.entries()):
                size = int(np.prod(entry.shape))
                whole = (np.arange(size) + 10_000 * number).reshape(entry.shape).astype(entry.variable.dtype.name)
                for piece in entry.pieces():
                    rows = slice(piece.begin, None if piece.num_rows is None else piece.begin + piece.num_rows)
                    piece.assign(tf.constant(whole[rows] if whole.ndim else whole))

    def entries(self):
        return list(entries_of(self.ranker.parameters, self.optimizers))

    def values(self):
        """Returns what this worker has, with the rows that these are."""
        return {
            (entry.name, piece.begin, piece.num_rows): piece.read().numpy().tobytes()
            for entry in self.entries()
            for piece in entry.pieces()
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    make_devices()
    folder = tmp_path_factory.mktemp("together")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def pipeline(folder):
    return small_config(folder, *TABLES).pipeline


@pytest.fixture(scope="module")
def one(pipeline, folder):
    """Returns a checkpoint of one process."""
    model = Model(pipeline, is_numbered=True)
    state = {**STATE, "averages": model.optimizers.averaging()}
    return CheckpointFolder(folder / "one").save(3, model.weights, state)


def save_together(model_dir, weights, workers, is_beside=False):
    folder = CheckpointFolder(model_dir)
    saving = SavingTogether(folder, workers)
    saving.begin(3, weights, lambda parts: folder.save(3, parts, STATE), is_beside)
    return saving.finish()


def save_of(size, pipeline, model_dir):
    def work(workers):
        return save_together(model_dir, Model(pipeline, workers, is_numbered=True).weights, workers)

    return together(size, work)[0]


def tensors_of(checkpoint):
    reader = tf.train.load_checkpoint(checkpoint.prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.fixture(scope="module", params=[2, 3])
def several(request, pipeline, folder):
    return save_of(request.param, pipeline, folder / f"of_{request.param}")


@pytest.mark.parametrize(("least", "most"), [(1, 4), (64, 1 << 20), (1 << 20, 1 << 20)])
def test_shards_of_a_worker_are_small_but_no_smaller_than_a_share_of_all(pipeline, monkeypatch, least, most):
    monkeypatch.setattr("easymtl.checkpoints.weights._LEAST_SHARD_BYTES", least)
    monkeypatch.setattr("easymtl.checkpoints.weights._MOST_SMALL_SHARDS", most)
    own = Model(pipeline, is_numbered=True).weights
    whole = sum(entry.num_bytes for entry in own.entries)
    sizes = [sum(value.numpy().nbytes for value in shard.values) for shard in own.own_part(0, False)._shards]
    assert len(sizes) > 1 or least > whole
    fair = max(least, whole // most)
    largest = max(piece.num_bytes for entry in own.entries for piece in entry.pieces())
    assert max(sizes) <= max(fair, largest)
    assert all(one + other > fair for one, other in pairwise(sizes))


def test_it_holds_the_same_tensors_whole_and_sealed(several, one):
    found, wanted = tensors_of(several), tensors_of(one)
    assert found.keys() == wanted.keys() and len(found) > 20
    for name, value in wanted.items():
        assert found[name].shape == value.shape and found[name].tobytes() == value.tobytes(), name
    several.check()
    assert not list(several.path.parent.glob(".writing-*")) and not list(several.path.glob("*worker*"))


@pytest.mark.slow
def test_any_number_of_workers_reads_what_any_number_has_written(several, one, pipeline):
    for checkpoint in (several, one):
        model = Model(pipeline)
        model.weights.read(checkpoint.path)
        assert model.values() == Model(pipeline, is_numbered=True).values()
        for size in (2, 3):

            def work(workers, checkpoint=checkpoint):
                read = Model(pipeline, workers)
                read.weights.read(checkpoint.path)
                return read.values(), Model(pipeline, workers, is_numbered=True).values()

            for found, wanted in together(size, work):
                assert found == wanted


def test_large_runs_are_read_by_themselves(several, pipeline, monkeypatch):
    monkeypatch.setattr("easymtl.checkpoints.weights._LARGE_RUN_BYTES", 100)

    def work(workers):
        read = Model(pipeline, workers)
        assert any(len(list(entry.spans())) > 2 for entry in read.entries())
        read.weights.read(several.path)
        return read.values() == Model(pipeline, workers, is_numbered=True).values()

    assert together(2, work) == [True, True]


def test_a_training_starts_with_its_own_rows_of_another_checkpoint(one, pipeline, folder):
    """Also where a table there has fewer rows and is wider."""
    others = ("feature_config.features[0].hash_bucket_size=1500", "feature_config.features[1].embedding_dim=5")
    for overrides in ((), others):
        other = small_config(folder, *TABLES, *overrides).pipeline

        def start(workers, other=other):
            model = Model(other, workers)
            targets, there = targets_of(model.ranker, model.optimizers), SavedVariables(one.prefix, one.state())
            choices = Choices(is_reshaping=True)
            make_transfer(targets, there, plan_transfer(targets, there, choices), model.optimizers)
            return {
                entry.name: (list(entry.parameter.runs or []), entry.parameter.read(entry.variable).numpy())
                for entry in model.entries()
                if not entry.name.endswith(UPDATED_AT)
            }

        whole = start(ONE)
        for found in together(2, start):
            for name, (runs, value) in found.items():
                rows = np.concatenate([np.arange(begin, begin + count) for begin, count in runs] or [[]]).astype(int)
                wanted = whole[name][1][rows] if "embedding" in name else whole[name][1]
                assert value.tobytes() == wanted.tobytes(), name


@pytest.mark.parametrize("index", [0, 1])
def test_all_are_told_when_a_worker_cannot_write(index, pipeline, tmp_path, monkeypatch):
    def fail(part, folder):
        if part._index == index:
            raise OSError(28, "No space left on device")
        return write(part, folder)

    write = OwnPart.write
    monkeypatch.setattr(OwnPart, "write", fail)

    def work(workers):
        model = Model(pipeline, workers)
        with pytest.raises(UserError, match=f"could not be written: worker {index}: No space left on device"):
            save_together(tmp_path / "model", model.weights, workers, is_beside=True)

    together(2, work)
    assert list((tmp_path / "model" / "checkpoints").iterdir()) == []


def test_all_are_told_when_the_chief_cannot_make_the_folder(pipeline, tmp_path):
    (tmp_path / "checkpoints").write_text("a file")

    def work(workers):
        with pytest.raises(UserError, match="the checkpoint could not be written"):
            save_together(tmp_path, Model(pipeline, workers).weights, workers)

    together(2, work)


def test_a_folder_that_workers_do_not_share_is_told(pipeline, tmp_path, monkeypatch):
    def elsewhere(part, folder):
        target = folder if part._index == 0 else tmp_path / "elsewhere"
        target.mkdir(exist_ok=True)
        return write(part, target)

    write = OwnPart.write
    monkeypatch.setattr(OwnPart, "write", elsewhere)

    def work(workers):
        with pytest.raises(
            UserError, match=r"weights\.worker-1\.part-0, which another worker .* file system that they share"
        ):
            save_together(tmp_path, Model(pipeline, workers).weights, workers)

    together(2, work)
