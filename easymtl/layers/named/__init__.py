"""The layers that block graphs call by name: one file per layer or family, one row in this table."""

from dataclasses import dataclass

from google.protobuf.message import Message

from easymtl.extensions import Declaration, Extension, ExtensionError, Table
from easymtl.layers.named import keras_activations, keras_layers, keras_merge, keras_shape
from easymtl.layers.named.aitm import AITMTower
from easymtl.layers.named.attention import Attention
from easymtl.layers.named.auxiliary_loss import AuxiliaryLoss
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.named.bilinear import BiLinear
from easymtl.layers.named.bst import BST
from easymtl.layers.named.cin import CIN
from easymtl.layers.named.cross import Cross
from easymtl.layers.named.din import DIN
from easymtl.layers.named.dot_interaction import DotInteraction
from easymtl.layers.named.fibinet import FiBiNet
from easymtl.layers.named.fm import FM
from easymtl.layers.named.gate import Gate
from easymtl.layers.named.highway import Highway
from easymtl.layers.named.mask_net import MaskBlock, MaskNet
from easymtl.layers.named.mlp import MLPLayer
from easymtl.layers.named.mmoe import MMoE
from easymtl.layers.named.multi_head_attention import MultiHeadAttention
from easymtl.layers.named.number_embeddings import AutoDisEmbedding, NaryDisEmbedding, PeriodicEmbedding
from easymtl.layers.named.ppnet import PPNet
from easymtl.layers.named.senet import SENet
from easymtl.layers.named.seq_augment import SeqAugment
from easymtl.layers.named.text_cnn import TextCNN
from easymtl.layers.named.transformer import TextEncoder, TransformerBlock, TransformerEncoder
from easymtl.protos import backbone_pb2, keras_pb2, layer_pb2

__all__ = ["LAYERS", "NamedLayer", "Row"]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        layer: the class.
        message: the type of its parameters, in which `st_params` are read too.
        declaration: of the package that brings it; None for a layer of easymtl.
    """

    layer: type[NamedLayer]
    message: type[Message]
    declaration: Declaration | None = None


def _row_of(extension: Extension) -> Row:
    layer = extension.target()
    if not (isinstance(layer, type) and issubclass(layer, NamedLayer)):
        raise ExtensionError(f"{extension.title}: {extension.declaration.target} is no subclass of NamedLayer.")
    return Row(layer, extension.declaration.message, extension.declaration)


_LAYERS: dict[str, Row] = {
    "MLP": Row(MLPLayer, layer_pb2.MLP),
    "Highway": Row(Highway, backbone_pb2.HighWayTower),
    "Gate": Row(Gate, backbone_pb2.WeightedGate),
    "FM": Row(FM, backbone_pb2.FM),
    "DotInteraction": Row(DotInteraction, keras_pb2.DotInteraction),
    "Cross": Row(Cross, keras_pb2.Cross),
    "CIN": Row(CIN, backbone_pb2.CIN),
    "SENet": Row(SENet, backbone_pb2.SENet),
    "BiLinear": Row(BiLinear, backbone_pb2.Bilinear),
    "FiBiNet": Row(FiBiNet, backbone_pb2.FiBiNet),
    "MaskBlock": Row(MaskBlock, backbone_pb2.MaskBlock),
    "MaskNet": Row(MaskNet, backbone_pb2.MaskNet),
    "MMoE": Row(MMoE, backbone_pb2.MMoELayer),
    "AITMTower": Row(AITMTower, backbone_pb2.AITMTower),
    "PPNet": Row(PPNet, backbone_pb2.PPNet),
    "PeriodicEmbedding": Row(PeriodicEmbedding, backbone_pb2.PeriodicEmbedding),
    "AutoDisEmbedding": Row(AutoDisEmbedding, backbone_pb2.AutoDisEmbedding),
    "NaryDisEmbedding": Row(NaryDisEmbedding, backbone_pb2.NaryDisEmbedding),
    "AuxiliaryLoss": Row(AuxiliaryLoss, keras_pb2.AuxiliaryLoss),
    "DIN": Row(DIN, backbone_pb2.DINEncoder),
    "BST": Row(BST, backbone_pb2.BSTEncoder),
    "TextCNN": Row(TextCNN, backbone_pb2.TextCNN),
    "SeqAugment": Row(SeqAugment, backbone_pb2.SequenceAugment),
    "Attention": Row(Attention, backbone_pb2.Attention),
    "MultiHeadAttention": Row(MultiHeadAttention, backbone_pb2.MultiHeadAttention),
    "TransformerBlock": Row(TransformerBlock, backbone_pb2.Transformer),
    "TransformerEncoder": Row(TransformerEncoder, backbone_pb2.Transformer),
    "TextEncoder": Row(TextEncoder, backbone_pb2.TextEncoder),
    "Dense": Row(keras_layers.KerasDense, keras_pb2.Dense),
    "Dropout": Row(keras_layers.KerasDropout, keras_pb2.Dropout),
    "GaussianNoise": Row(keras_layers.GaussianNoise, keras_pb2.GaussianNoise),
    "LayerNormalization": Row(keras_layers.LayerNormalization, keras_pb2.LayerNormalization),
    "BatchNormalization": Row(keras_layers.BatchNormalization, keras_pb2.BatchNormalization),
    "Activation": Row(keras_activations.KerasActivation, keras_pb2.Activation),
    "ReLU": Row(keras_activations.ReLU, keras_pb2.ReLU),
    "LeakyReLU": Row(keras_activations.LeakyReLU, keras_pb2.LeakyReLU),
    "ELU": Row(keras_activations.ELU, keras_pb2.ELU),
    "PReLU": Row(keras_activations.KerasPReLU, keras_pb2.NoParameters),
    "Softmax": Row(keras_activations.Softmax, keras_pb2.NoParameters),
    "Add": Row(keras_merge.Add, keras_pb2.NoParameters),
    "Subtract": Row(keras_merge.Subtract, keras_pb2.NoParameters),
    "Multiply": Row(keras_merge.Multiply, keras_pb2.NoParameters),
    "Average": Row(keras_merge.Average, keras_pb2.NoParameters),
    "Maximum": Row(keras_merge.Maximum, keras_pb2.NoParameters),
    "Minimum": Row(keras_merge.Minimum, keras_pb2.NoParameters),
    "Concatenate": Row(keras_merge.Concatenate, keras_pb2.Concatenate),
    "Dot": Row(keras_merge.Dot, keras_pb2.Dot),
    "Flatten": Row(keras_shape.Flatten, keras_pb2.NoParameters),
    "Reshape": Row(keras_shape.Reshape, keras_pb2.Reshape),
    "GlobalAveragePooling1D": Row(keras_shape.GlobalAveragePooling1D, keras_pb2.NoParameters),
    "GlobalMaxPooling1D": Row(keras_shape.GlobalMaxPooling1D, keras_pb2.NoParameters),
}

LAYERS: Table[Row] = Table("layer", _LAYERS, _row_of)
"""`keras_layer.class_name` -> its layer, one of an installed package included."""
