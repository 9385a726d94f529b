"""What is said of layers that there are not."""

import pytest

from easymtl.config.layer_names import unknown_layer

KNOWN = ("MLP", "Highway", "Gate", "BiLinear", "PPNet", "DIN", "LayerNormalization", "Maximum", "SeqAugment")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HighWay", "Highway"),
        ("WeightedGate", "Gate"),
        ("Bilinear", "BiLinear"),
        ("GateNN", "PPNet"),
        ("DINEncoder", "DIN"),
        ("mlp", "MLP"),
        ("MPL", "MLP"),
        ("LayerNormalisation", "LayerNormalization"),
        ("Max", "Maximum"),
    ],
)
def test_the_layer_that_is_meant_is_named(name, meant):
    assert unknown_layer(name, KNOWN).startswith(f'"{name}" is no layer')
    assert unknown_layer(name, KNOWN).endswith(f'Did you mean "{meant}"?')


def test_without_a_near_one_all_are_named():
    text = unknown_layer("Quantum", KNOWN)
    assert text.startswith('"Quantum" is no layer; there are "BiLinear", "DIN", ')
    assert "mean" not in text
    assert unknown_layer("", ["B", "A"]) == 'needs class_name, one of "A", "B".'


@pytest.mark.parametrize(
    "name", ["SeqAugmentOps", "OverlapFeature", "MappedDotProduct", "EditDistance", "TextNormalize"]
)
def test_binary_operations_are_refused_with_what_to_do(name):
    text = unknown_layer(name, KNOWN)
    assert text.startswith(f'"{name}" calls a binary operation of EasyRec\'s')
    assert "instead" in text or "before training" in text or "SeqAugment does the same" in text


def test_a_name_that_only_messages_have_is_not_suggested_where_its_layer_is_missing():
    assert "Gate" not in unknown_layer("WeightedGate", ["MLP"]).split(";")[1]
