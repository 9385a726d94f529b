"""Tables that go from a checkpoint into the files of an export are what TensorFlow writes of them from memory."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints import weights
from easymtl.checkpoints.folder import DamagedCheckpoint
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.checkpoints.stored_rows import StoredRows
from easymtl.checkpoints.tables_on_disk import TablesOnDisk
from easymtl.errors import UserError
from easymtl.features import served_tables
from easymtl.features.served_tables import ServedTables
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving.streamed_tables import write_tables
from easymtl.serving.tensor_bundle import stored_variables
from tests.training.small_runs import small_config, train, write_data

TABLES = ("input_layer/item_embedding/embedding_weights", "input_layer/tags_embedding/embedding_weights")
KINDS = {
    "plain": ("FLOAT32", ()),
    "narrow": ("INT8", ()),
    "delta": (
        "FLOAT16",
        (
            "train_config.optimizer_config[0].use_moving_average=true",
            "train_config.checkpoint_deltas={ full_every: 9 min_table_bytes: 0 }",
            "data_config.batch_size=4",
        ),
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tmp_path_factory, op_by_op):
    """A checkpoint whose tables are stored in slices of a few rows, and its config."""
    folder = tmp_path_factory.mktemp("trained")
    write_data(folder)
    precision, overrides = KINDS[request.param]
    settings = (*overrides, "feature_config.features[1].embedding_dim=6", f"export_config.row_precision={precision}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "_SHARD_BYTES", 100)
        train(folder, "train_config.num_steps=4", "train_config.save_checkpoints_steps=2", *settings)
    pipeline = small_config(folder, *settings).pipeline
    checkpoint = find_checkpoint(pipeline)
    assert ("delta" in checkpoint.state()) == (request.param == "delta")
    return pipeline, checkpoint


@pytest.fixture(scope="module")
def both(trained):
    """The model with its tables in memory, and with its tables on disk."""
    return [load_ranker(*trained, is_on_disk=is_on_disk) for is_on_disk in (False, True)]


def test_rows_are_those_that_are_in_memory_and_none_is_held(both):
    in_memory, on_disk = (ranker.embeddings for ranker in both)
    assert isinstance(on_disk, TablesOnDisk)
    for width, num_rows in on_disk.feature_set.rows_by_width.items():
        assert len(on_disk.variable(width).numpy()) == 0 and on_disk.variable(width).shape == [num_rows, width]
        for begin, end in ((0, num_rows), (3, 17), (5, 5)):
            found, wanted = on_disk.rows(width, begin, end), in_memory.rows(width, begin, end)
            assert found.numpy().tobytes() == wanted.numpy().tobytes()


def test_scores_are_those_of_tables_in_memory(trained, both):
    found, wanted = (evaluate(trained[0], one.tasks, RankerScorer(one, tf.float32)).metrics for one in both)
    assert found == wanted and len(found) > 4


def test_an_export_has_the_bytes_that_tensorflow_writes(trained, both, tmp_path, monkeypatch):
    monkeypatch.setattr(served_tables, "_BLOCK_BYTES", 130)
    files = []
    for name, ranker in zip(("memory", "disk"), both):
        model = tf.Module()
        model._tables = ServedTables(ranker.embeddings, trained[0].export_config.row_precision)
        tf.saved_model.save(model, str(tmp_path / name))
        assert model._tables.are_on_disk == (name == "disk")
        if model._tables.are_on_disk:
            write_tables(tmp_path / name, "_tables", model._tables)
        variables = stored_variables(tmp_path / name)
        rows = {key: (one.dtype, one.shape, one.checksum, one.rows().tobytes()) for key, one in variables.items()}
        files.append({key: value for key, value in rows.items() if value[0] != "string"})
        loaded = tf.saved_model.load(str(tmp_path / name))
        assert loaded._tables.variables_by_width["4"].shape == [41, 4], "TensorFlow has found the checksums to be right"
    assert files[0] == files[1]
    names = [sorted(path.name for path in (tmp_path / name / "variables").iterdir()) for name in ("memory", "disk")]
    assert names[0] == names[1]


def test_a_damaged_checkpoint_is_refused(trained):
    pipeline, checkpoint = trained
    contents = {path: path.read_bytes() for path in checkpoint.path.glob("**/weights.data*")}
    try:
        for path, content in contents.items():
            path.write_bytes(content[: len(content) // 2])
        with pytest.raises(DamagedCheckpoint):
            load_ranker(pipeline, checkpoint, is_on_disk=True)
        with pytest.raises(UserError, match="cannot be read: it ends too early"):
            rows = StoredRows(checkpoint.path, checkpoint.state())
            for table in TABLES:
                rows.read(table, np.arange(20))
    finally:
        for path, content in contents.items():
            path.write_bytes(content)
