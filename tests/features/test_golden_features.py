"""The input layer of EasyRec, feature by feature: 28 features, 200 rows, its own tables and its own result."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.data.sources import open_source
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from easymtl.protos.pipeline_pb2 import Pipeline
from tests.features.feature_cases import as_trained, serving_tensors

FOLDER = Path(__file__).parents[1] / "data" / "golden_features"
TABLE_NAMES = (
    "{}",
    "{}_embedding",
    "{}_bucketized_embedding",
    "{}_weighted_by_{}_w_embedding",
    "{}_weighted_by_{}_raw_proj_val_embedding",
)


def variable_of(features: FeatureSet, width: int) -> np.ndarray:
    """Returns EasyRec's tables of a width at the offsets of ours."""
    tables = np.load(FOLDER / "tables.npz")
    variable = np.full((features.rows_by_width[width], width), np.nan, np.float32)
    for table in features.tables:
        feature = table.name.split("/")[-1]
        names = [f"input_layer/{name.format(feature, feature)}/embedding_weights" for name in TABLE_NAMES]
        [name] = [name for name in names if name in tables]
        assert tables[name].shape == (table.rows, table.width)
        variable[table.offset : table.offset + table.rows] = tables[name]
    return variable


def group_tensor(features: FeatureSet, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the group `all`, `[rows, width]`: vectors looked up, bags summed, numbers as they are."""
    variable, num_bags = variable_of(features, 4), features.layout.columns["bags_4"].num_places
    ids = tensors["ids_4"]
    singles = np.where(ids[..., np.newaxis] < 0, 0, variable[ids])
    bags = np.zeros((len(ids) * num_bags, 4), np.float32)
    entries = variable[tensors["bag_ids_4"]] * tensors["bag_weights_4"][:, np.newaxis]
    np.add.at(bags, tensors["bag_segments_4"], entries)
    by_kind = {"ids_4": singles, "bags_4": bags.reshape(len(ids), num_bags, 4)}
    columns = []
    for slot in features.slots:
        if slot.table is None:
            columns.append(tensors["dense"][:, slot.index : slot.index + slot.width])
        else:
            columns.append(by_kind[slot.columns.name][:, slot.index])
    return np.concatenate(columns, axis=1)


@pytest.fixture(scope="module")
def golden():
    pipeline = text_format.Parse((FOLDER / "pipeline.config").read_text(), Pipeline())
    features = FeatureSet(pipeline)
    source = open_source(str(FOLDER / "eval.csv"), pipeline.data_config, features.fields)
    [batch] = [batch for block in source.blocks for batch in source.read(block)]
    return features, batch, np.load(FOLDER / "forward_eval.npz")["init/input_layer/all"]


def test_training_sees_what_easyrec_saw(golden):
    features, batch, expected = golden
    found = group_tensor(features, to_tensors(Encoder(features)(batch)))
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_serving_sees_what_easyrec_saw(golden):
    features, batch, expected = golden
    packed = tf.function(features.packed, autograph=False)(serving_tensors(features, batch))
    found = group_tensor(features, as_trained(features, packed))
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_shared_and_own_tables(golden):
    features, _, _ = golden
    names = [table.name for table in features.tables]
    assert "catem" in names and "all/tags" in names and "all/cate" not in names
    assert sum(table.rows for table in features.tables) == features.rows_by_width[4]
