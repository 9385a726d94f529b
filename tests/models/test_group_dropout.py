"""The feature dropout of a group, from a config: every kind of feature, only in training, in each group on its own."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.embeddings import Embeddings
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from easymtl.layers.context import Build, Call
from easymtl.layers.feature_dropout import FeatureDropout
from easymtl.models.input_layer import InputLayer
from tests.features.feature_cases import make_batch, make_pipeline

RATE = 0.4
ROWS = 64
FIELDS = {"i": "STRING", "t": "STRING", "x": "FLOAT", "h": "STRING"}
HISTORY = 'input_names: "h" feature_type: SequenceFeature separator: "|" hash_bucket_size: 9 embedding_dim: 4'
FEATURES = [
    'feature_name: "id" input_names: "i" hash_bucket_size: 9 embedding_dim: 4',
    'feature_name: "tags" input_names: "t" feature_type: TagFeature hash_bucket_size: 9 embedding_dim: 3',
    'feature_name: "number" input_names: "x" feature_type: RawFeature',
    'feature_name: "waves" input_names: "x" feature_type: RawFeature '
    "periodic_embedding { embedding_dim: 6 sigma: 0.3 add_linear_layer: false }",
    f'feature_name: "pooled" {HISTORY} sequence_combiner {{ attention {{}} }}',
    f'feature_name: "steps" {HISTORY}',
    f'feature_name: "history" {HISTORY}',
]
GROUPS = {"all": ["id", "tags", "number", "waves", "pooled"], "read": ["id", "steps"], "whole": ["id"]}
BLOCKS = ("din", "further")
COLUMNS = {
    "i": [f"i{row % 7}" for row in range(ROWS)],
    "t": ["a|b"] * ROWS,
    "x": [row + 1.0 for row in range(ROWS)],
    "h": ["a|b|c"] * ROWS,
}
TRAINING = Call(training=True, seed=np.array([1, 2]))


class Case:
    """The groups of a config, with and without dropout, of the same weights."""

    def __init__(self):
        pipeline = make_pipeline(FIELDS, FEATURES, GROUPS)
        first, second, _ = pipeline.model_config.feature_groups
        first.feature_dropout_rate = second.feature_dropout_rate = RATE
        for name in BLOCKS:
            block = first.sequence_features.add(group_name=name)
            block.seq_att_map.add(key=["id"], hist_seq=["history"])
        self.features, self.build = FeatureSet(pipeline), Build()
        self.layer = InputLayer(self.build, self.features)
        batch = to_tensors(Encoder(self.features)(make_batch(pipeline, COLUMNS)))
        self.vectors = Embeddings(self.features, 0).looked_up({name: tf.constant(one) for name, one in batch.items()})
        # Values of tables start close to 0, where a product cannot be told from 0.
        self.vectors = {name: 10 * one if one.dtype == tf.float32 else one for name, one in self.vectors.items()}

    def __call__(self, call: Call = TRAINING):
        return self.layer(self.vectors, call)


@pytest.fixture(scope="module")
def case():
    return Case()


def factors_of(group: str, *names: str) -> dict[str, np.ndarray]:
    found = FeatureDropout(group, names, RATE)(tf.constant(ROWS), TRAINING)
    return {name: one.numpy()[:, None] for name, one in found.items()}


def close(found, expected) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", GROUPS["all"])
def test_every_kind_of_feature_has_factors_of_its_own(case, name):
    whole, found = case(Call()).vectors("all")[name], case().vectors("all")[name]
    assert np.all(np.any(whole != 0, axis=1)), "otherwise it is not seen whether it is dropped"
    close(found, whole * factors_of("all", name)[name])


def test_what_each_attention_makes_is_dropped_as_one_and_attends_with_what_is_whole(case):
    wholes, founds = case(Call()).attended("all"), case().attended("all")
    for block, whole, found in zip(BLOCKS, wholes, founds, strict=True):
        name = f"sequence_features/{block}"
        close(found, whole * factors_of("all", name)[name])
    assert case()["all"].shape == case(Call())["all"].shape


def test_a_history_that_is_read_step_by_step_keeps_its_length(case):
    whole, found = case(Call()).sequences("read")["steps"], case().sequences("read")["steps"]
    np.testing.assert_array_equal(found.lengths, whole.lengths)
    factor = factors_of("read", "steps")["steps"]
    close(found.rectangle().values, whole.rectangle().values * factor[:, :, None])


def test_each_group_drops_on_its_own_and_a_group_without_a_rate_not_at_all(case):
    found, whole = case(), case(Call())
    one, other = found.vectors("all")["id"], found.vectors("read")["id"]
    is_dropped = [np.all(part == 0, axis=1) for part in (one, other)]
    assert is_dropped[0].any() and not np.array_equal(*is_dropped)
    close(found["whole"], whole["whole"])


def test_a_dropped_vector_has_no_gradient_and_a_kept_one_a_larger_one(case):
    name = next(name for name in case.vectors if name.startswith("id_4"))
    with tf.GradientTape() as tape:
        tape.watch(case.vectors[name])
        total = tf.reduce_sum(case().vectors("read")["id"])
    gradient = tf.convert_to_tensor(tape.gradient(total, case.vectors[name])).numpy()
    factor = factors_of("read", "id")["id"]
    column = next(slot.index for slot in case.features.groups["read"].plain if slot.feature == "id")
    close(gradient[:, column], np.repeat(factor, 4, axis=1))


def test_dropout_has_no_weights(case):
    assert not [name for name in case.build.parameters if "dropout" in name]
