"""`st_params` as the messages that they stand for."""

import pytest
from google.protobuf import text_format
from google.protobuf.struct_pb2 import Struct

from easymtl.config.struct_params import ignored_keys, read_struct
from easymtl.protos.backbone_pb2 import CIN, FiBiNet, HighWayTower, MaskNet, TextEncoder
from easymtl.protos.layer_pb2 import MLP


def struct(**values) -> Struct:
    result = Struct()
    result.update(values)
    return result


def test_numbers_texts_flags_and_lists_are_read():
    message = MLP()
    given = struct(hidden_units=[8, 4], dropout_ratio=[0.5], use_bn=False, activation="tanh")
    assert read_struct(given, message) == []
    assert message == text_format.Parse(
        'hidden_units: [8, 4] dropout_ratio: 0.5 use_bn: false activation: "tanh"', MLP()
    )


def test_a_single_value_stands_for_a_list_of_one():
    message = CIN()
    assert read_struct(struct(hidden_feature_sizes=8), message) == []
    assert list(message.hidden_feature_sizes) == [8]


def test_messages_are_read_inside_of_messages_and_lists():
    message = FiBiNet()
    assert read_struct(struct(bilinear={"type": "all"}, mlp={"hidden_units": [3]}), message) == []
    assert (message.bilinear.type, list(message.mlp.hidden_units)) == ("all", [3])
    masks = MaskNet()
    assert read_struct(struct(mask_blocks=[{"output_size": 3}, {}]), masks) == []
    assert [block.output_size for block in masks.mask_blocks] == [3, 0]


def test_what_is_left_out_or_null_keeps_its_default():
    message = HighWayTower()
    assert read_struct(struct(emb_size=4, num_layers=None), message) == []
    assert (message.num_layers, message.init_gate_bias, message.HasField("num_layers")) == (1, -3, False)


def test_what_is_taken_and_not_read_is_told_with_its_reason():
    given = struct(transformer={"hidden_size": 4, "use_position_embeddings": True}, separator=" ")
    message = TextEncoder()
    assert read_struct(given, message) == []
    [told] = ignored_keys(given, message)
    assert told.startswith("transformer.use_position_embeddings is ignored. Tokens get sines and cosines")
    assert list(ignored_keys(struct(mask_blocks=[{"output_size": 3}], mlp={"hidden_units": [3]}), MaskNet())) == []


@pytest.mark.parametrize(
    ("message", "values", "says"),
    [
        (MLP, {"hidden_unit": [3]}, '"hidden_unit" is no parameter of this layer; there are "hidden_units", '),
        (MLP, {"hidden_unit": [3]}, 'Did you mean "hidden_units"?'),
        (MLP, {"hidden_units": "3"}, 'hidden_units is "3"; it needs a number, number_value: 1.'),
        (MLP, {"hidden_units": [3.5]}, "hidden_units is 3.5; it needs a whole number."),
        (MLP, {"hidden_units": [-3]}, "hidden_units is -3; it needs a number of 0 or more."),
        (MLP, {"hidden_units": [1e300]}, "hidden_units is 1e+300; it needs a whole number."),
        (MLP, {"hidden_units": [float("nan")]}, "hidden_units is nan; it needs a whole number."),
        (MLP, {"hidden_units": [0]}, "hidden_units[0] is 0, outside of (0, inf)."),
        (MLP, {"use_bn": 1}, "use_bn is 1; it needs true or false, bool_value: true."),
        (MLP, {"activation": True}, 'activation is true; it needs a text, string_value: "...".'),
        (MLP, {"activation": [1]}, "activation is a list; it needs a text"),
        (FiBiNet, {"mlp": 3}, "mlp is 3; it needs keys and values, struct_value { ... }."),
        (FiBiNet, {"mlp": {"hidden": 3}}, '"mlp.hidden" is no parameter of this layer'),
        (MaskNet, {"mask_blocks": [{}, {"size": 3}]}, '"mask_blocks[1].size" is no parameter of this layer'),
    ],
)
def test_what_does_not_fit_is_told(message, values, says):
    faults = read_struct(struct(**values), message())
    assert len(faults) == 1 and says in faults[0], faults
