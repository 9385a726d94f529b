"""A table for TensorBoard's projector, read back by its plugin's own parser."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.reporting.projector import write_projector
from tests.training.small_runs import train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("projector")
    write_data(folder)
    train(folder, "train_config.num_steps=2", "train_config.save_checkpoints_steps=2")
    return folder


@pytest.fixture
def model_dir(trained, tmp_path):
    return shutil.copytree(trained / "model", tmp_path / "moved")


def read_back(model_dir) -> tuple[np.ndarray, list[list[str]]]:
    folder = model_dir / "summaries" / "train"
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    vectors = np.loadtxt(folder / embedding.tensor_path, delimiter="\t", ndmin=2)
    assert list(embedding.tensor_shape) == list(vectors.shape)
    header, *lines = [line.split("\t") for line in (folder / embedding.metadata_path).read_text().splitlines()]
    assert header == ["value", "row", "count"] and len(lines) == len(vectors)
    return vectors, lines


def test_vectors_are_those_of_the_checkpoint_under_the_names_of_the_values(model_dir):
    text = write_projector(model_dir, "item")
    vectors, lines = read_back(model_dir)
    pipeline = load_config(str(model_dir / "pipeline.config")).pipeline
    ranker = load_ranker(pipeline, find_checkpoint(pipeline))
    ids = ranker.feature_set.transforms["item"].per_value(0, tf.constant([line[0].split(" ")[0] for line in lines])).ids
    assert [int(line[1]) for line in lines] == ids.numpy().tolist()
    assert sum(int(line[2]) for line in lines) == 70  # Every row of the evaluation data.
    table = next(name for name in ranker.parameters if "item" in name)
    np.testing.assert_allclose(vectors, ranker.parameters[table].read().numpy()[ids.numpy()], rtol=1e-4)
    assert text.startswith(f"{len(lines)} rows of all/item at step 2, named by the values")
    assert list((model_dir / "summaries" / "train").glob("events*"))


def test_there_are_no_more_points_than_asked_for(model_dir):
    write_projector(model_dir, "tags", most_points=3)
    vectors, lines = read_back(model_dir)
    counts = [int(line[2]) for line in lines]
    assert len(vectors) == 3 and counts == sorted(counts, reverse=True)
    pipeline = load_config(str(model_dir / "pipeline.config")).pipeline
    ranker = load_ranker(pipeline, find_checkpoint(pipeline))
    # A table that is not the first one of its width.
    table = ranker.parameters[next(name for name in ranker.parameters if "tags" in name)].read().numpy()
    np.testing.assert_allclose(vectors, table[[int(line[1]) for line in lines]], rtol=1e-4)


def test_without_data_rows_have_their_numbers(model_dir):
    path = model_dir / "pipeline.config"
    path.write_text(path.read_text().replace("eval.csv", "gone.csv"))
    text = write_projector(model_dir, "all/item", most_points=5)
    assert "at step 2, by their numbers, because the evaluation data cannot be read: " in text and "gone.csv" in text
    _, lines = read_back(model_dir)
    assert [line[0] for line in lines] == ["row 0", "row 9", "row 19", "row 29", "row 39"]


def test_a_feature_without_a_table_is_named_with_those_that_have_one(model_dir):
    with pytest.raises(UserError, match=r'no table of "items"; those .* are "item", "tags". Did you mean "item"\?'):
        write_projector(model_dir, "items")
    with pytest.raises(UserError, match=r"no table of \"price\""):
        write_projector(model_dir, "price")


def test_a_folder_of_several_trainings_is_refused(trained):
    with pytest.raises(UserError, match=r"pipeline.config: .* --embeddings takes the model_dir of one training"):
        write_projector(trained, "item")
