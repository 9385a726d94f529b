"""`MLP` of TorchEasyRec becomes `DNN`."""

from easymtl.convert.source import Node
from easymtl.protos.layer_pb2 import DNN

_ACTIVATIONS = {
    "": "linear",
    "Dice": "dice",
    "nn.ELU": "elu",
    "nn.GELU": "gelu",
    "nn.Identity": "linear",
    "nn.LeakyReLU": "leaky_relu",
    "nn.PReLU": "prelu",
    "nn.ReLU": "relu",
    "nn.SELU": "selu",
    "nn.SiLU": "swish",
    "nn.Sigmoid": "sigmoid",
    "nn.Tanh": "tanh",
}
_NOT_QUITE = {
    "nn.GELU": "it is computed by the tanh formula here",
    "nn.LeakyReLU": "its slope below 0 is 0.2 here and 0.01 there",
    "nn.PReLU": "it has a slope for each column here, and one for all there",
}


def dnn(mlp: Node) -> DNN:
    """Returns the layers of an MLP: each is followed by norm, activation and dropout in both."""
    network = DNN(hidden_units=mlp.values("hidden_units"))
    network.dropout_ratio.extend(_dropout(mlp, len(network.hidden_units)))
    name = activation(mlp, "activation")
    if name != "relu":
        network.activation = name
    # Layers there have no batch norm unless they ask for it, and ours have one unless they do not.
    network.use_bn = mlp.take("use_bn")
    if mlp.take("use_ln"):
        mlp.left_out("use_ln", "there is no layer norm in a dnn; try use_bn: true, or hidden layers without a norm.")
    if not mlp.take("bias") and not network.use_bn:
        mlp.left_out("bias", "layers without a batch norm always have a bias.")
    return network


def activation(node: Node, field: str) -> str:
    """Returns the activation that a field names."""
    text = node.take(field).strip()
    if text in _NOT_QUITE:
        node.changed(field, f"{text} is {_ACTIVATIONS[text]}: {_NOT_QUITE[text]}.")
    if text in _ACTIVATIONS:
        return _ACTIVATIONS[text]
    known = ", ".join(sorted(set(_ACTIVATIONS.values())))
    node.left_out(field, f'there is no "{text}": relu is used. Choose one of {known}.')
    return "relu"


def _dropout(mlp: Node, num_layers: int) -> list[float]:
    rates = mlp.values("dropout_ratio")
    if len(rates) == 1:
        return rates * num_layers if rates[0] else []
    return rates
