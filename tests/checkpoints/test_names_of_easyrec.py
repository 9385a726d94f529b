"""How EasyRec's checkpoints name what we name."""

import pytest

from easymtl.checkpoints.names_of_easyrec import name_there, possible_names


@pytest.mark.parametrize(
    "name",
    [
        "mmoe/expert_0/dnn_1/kernel",
        "ctr/dnn_0/bn/moving_variance",
        "dnn_output_0/bias/Adam_1",
        "input_layer/shared/embedding_weights",
    ],
)
def test_most_names_are_the_same(name):
    assert name_there(name, {name, "other"}) == name


@pytest.mark.parametrize(
    "there",
    [
        "tags_embedding",
        "tags_weighted_by_tags_w_embedding",
        "tags_weighted_by_tags_raw_proj_val_embedding",
        "tags_bucketized_embedding",
    ],
)
@pytest.mark.parametrize("slot", ["", "/Momentum"])
@pytest.mark.parametrize("scope", ["input_layer", "input_layer_1"])
def test_a_table_is_found_under_the_name_of_its_kind(scope, there, slot):
    name = f"{scope}/{there}/embedding_weights{slot}"
    ours = f"{scope}/tags_embedding/embedding_weights{slot}"
    other = "input_layer_2/tags_embedding/embedding_weights"
    assert name_there(ours, {other, name}) == name


def test_what_easyrec_does_not_have_has_no_name():
    assert possible_names("ctr/dnn_0/bn/count") == []
    assert name_there("ctr/dnn_0/kernel", {"cvr/dnn_0/kernel"}) is None


def test_slots_beside_weight_decay_have_names_of_their_own_there():
    table = "input_layer/tags_weighted_by_tags_w_embedding/embedding_weights"
    there = {"a/kernel/AdamW", "a/kernel/AdamW_1", f"{table}/MomentumW"}
    assert name_there("a/kernel/Adam", there) == "a/kernel/AdamW"
    assert name_there("a/kernel/Adam_1", there) == "a/kernel/AdamW_1"
    assert name_there("input_layer/tags_embedding/embedding_weights/Momentum", there) == f"{table}/MomentumW"
