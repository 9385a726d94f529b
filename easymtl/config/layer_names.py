"""What to say of `keras_layer.class_name`s that are none of the layers that there are."""

from collections.abc import Iterable

from easymtl.errors import did_you_mean, quoted

_OTHER_NAMES = {
    "HighWay": "Highway",
    "HighWayTower": "Highway",
    "WeightedGate": "Gate",
    "Bilinear": "BiLinear",
    "BilinearInteraction": "BiLinear",
    "GateNN": "PPNet",
    "DINEncoder": "DIN",
    "BSTEncoder": "BST",
    "SequenceAugment": "SeqAugment",
    "MMoELayer": "MMoE",
    "AITM": "AITMTower",
    "Transformer": "TransformerEncoder",
    "LayerNorm": "LayerNormalization",
    "BatchNorm": "BatchNormalization",
    "Concat": "Concatenate",
    "Min": "Minimum",
    "Max": "Maximum",
    "Mean": "Average",
    "Sum": "Add",
}
"""Names of messages and papers, and the layers that are meant."""

_BINARY = {
    "SeqAugmentOps": "SeqAugment does the same",
    "OverlapFeature": "compute the overlap before training and read it as a RawFeature, or use a LookupFeature",
    "MappedDotProduct": "compute the product before training and read it as a RawFeature",
    "EditDistance": "compute the distance before training and read it as a RawFeature",
    "TextNormalize": "normalize the text before training",
}
"""Layers that EasyRec calls from a binary of its own, and what to do instead."""


def unknown_layer(name: str, known: Iterable[str]) -> str:
    """Returns what to say of a layer's name that is not among the known ones: what is wrong, and what to do."""
    known = list(known)
    if not name:
        return f"needs class_name, one of {quoted(sorted(known), limit=100)}."
    if name in _BINARY:
        return (
            f'"{name}" calls a binary operation of EasyRec\'s that exists for no current TensorFlow: {_BINARY[name]}.'
        )
    meant = _OTHER_NAMES.get(name)
    if meant in known:
        return f'"{name}" is no layer. Did you mean "{meant}"?'
    lower = {one.lower(): one for one in known}
    hint = f' Did you mean "{lower[name.lower()]}"?' if name.lower() in lower else did_you_mean(name, known)
    there = quoted(sorted(known), limit=100)
    return f'"{name}" is no layer; there are {there}. A layer of your own comes with an installed package.{hint}'
