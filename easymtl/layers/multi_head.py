"""Attention of several heads with a layer behind them, and blocks of it, as Keras has them."""

import math

import tensorflow as tf

from easymtl.layers.activation import make_block_activation
from easymtl.layers.attended import AttentionInputs, AttentionShapes
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense, Dropout
from easymtl.layers.initializers import named_initializer
from easymtl.layers.mlp import require_activation, require_initializer, require_rate
from easymtl.layers.norm import LayerNorm
from easymtl.layers.shapes import ShapeFault, Value
from easymtl.protos.backbone_pb2 import MultiHeadAttention as MultiHeadConfig
from easymtl.protos.backbone_pb2 import Transformer

_PARTS = ("", "_1", "_2", "_3")
"""Behind the names of the kernels and biases of query, key, value and of the layer behind the heads."""
_EPSILON = 1e-6


class MultiHeadAttention(tf.Module):
    """[softmax(Q_i K_i' / √key_dim) V_i of each head i] W (Vaswani et al. 2017, section 3.2.2)."""

    def __init__(self, build: Build, name: str, config: MultiHeadConfig, shapes: AttentionShapes):
        """Makes the weights `<name>/kernel[_<i>]` and `<name>/bias[_<i>]`: of query, key, value and result.

        Args:
            build: takes the weights.
            name: of the layer.
            config: `check_heads` has accepted it.
            shapes: of what it will be called with.
        """
        super().__init__()
        heads, size, of_value = config.num_heads, config.key_dim, config.value_dim or config.key_dim
        self.width = config.output_shape or shapes.query.width
        self.is_causal = config.use_causal_mask
        widths = (shapes.query.width, shapes.key.width, shapes.value.width)
        kernels = [[width, heads, part] for width, part in zip(widths, (size, size, of_value))]
        kernels.append([heads, of_value, self.width])
        make_kernel, make_bias = (
            named_initializer(text) for text in (config.kernel_initializer, config.bias_initializer)
        )
        self.kernels = [
            build.weight(f"{name}/kernel{part}", shape, make_kernel) for part, shape in zip(_PARTS, kernels)
        ]
        self.biases: list[tf.Variable] = []
        if config.use_bias:
            biases = [*(shape[1:] for shape in kernels[:3]), [self.width]]
            self.biases = [build.weight(f"{name}/bias{part}", shape, make_bias) for part, shape in zip(_PARTS, biases)]
        self.dropout = Dropout(name, config.dropout)

    def __call__(self, x: list[Value], call: Call, mask: tf.Tensor | None = None) -> tuple[Value, tf.Tensor]:
        """Maps [query, value(, key)] to a result like the query, and weights `[batch, heads, queries, values]`.

        Args:
            x: each `[batch, items, width]` or a history.
            call: how the model is run.
            mask: bool `[batch, items]`, which items exist, where the query is the values.
        """
        inputs = AttentionInputs(x)
        of_query, of_value, of_key = (tf.cast(part, call.dtype) for part in inputs.tensors)
        query, key, value = (
            self._project(index, part, "btw,wns->bnts") for index, part in enumerate((of_query, of_key, of_value))
        )
        scores = tf.matmul(query, key, transpose_b=True) / tf.cast(math.sqrt(query.shape[-1]), query.dtype)
        weights = inputs.softmax(scores, self.is_causal, mask)
        attended = tf.matmul(tf.cast(self.dropout(weights, call), call.dtype), value)
        return inputs.like_query(self._project(3, attended, "bnts,nsw->btw")), weights

    def _project(self, index: int, x: tf.Tensor, equation: str) -> tf.Tensor:
        product = tf.einsum(equation, x, tf.cast(self.kernels[index], x.dtype))
        if not self.biases:
            return product
        bias = tf.cast(self.biases[index], x.dtype)
        return product + (bias if index == 3 else bias[:, tf.newaxis])


def check_heads(config: MultiHeadConfig) -> None:
    """Checks what a config says of attention of several heads.

    Raises:
        ShapeFault: it cannot be built; the text goes on from the name of the layer.
    """
    for field in ("num_heads", "key_dim"):
        if not getattr(config, field):
            raise ShapeFault(f"needs {field}, 1 or more")
    require_rate(config.dropout, "dropout")
    require_initializer(config.kernel_initializer, "kernel_initializer")
    require_initializer(config.bias_initializer, "bias_initializer")
    if list(config.attention_axes) not in ([], [1]):
        raise ShapeFault(f"has attention_axes {list(config.attention_axes)}; items stand along axis 1: leave it out")


class TransformerBlock(tf.Module):
    """a = LN(x + heads(x)), LN(a + dense(act(dense(a)))) (Vaswani et al. 2017, section 3.1)."""

    def __init__(self, build: Build, name: str, config: Transformer, shapes: AttentionShapes):
        """Makes the weights `<name>/{multi_head_attn,dense[_<i>],layer_normalization[_<i>]}/..`.

        Args:
            build: takes the weights and numbers the layers without names.
            name: of the block.
            config: `check_transformer` has accepted it.
            shapes: of x as query, values and keys.
        """
        super().__init__()
        width, units = config.hidden_size, config.intermediate_size or config.hidden_size
        heads = MultiHeadConfig(
            num_heads=config.num_attention_heads,
            key_dim=width // config.num_attention_heads,
            dropout=config.attention_probs_dropout_prob,
        )
        self.heads = MultiHeadAttention(build, f"{name}/multi_head_attn", heads, shapes)
        norms = [f"{name}/{build.numbered('layer_normalization')}" for _ in range(2)]
        layers = [f"{name}/{build.numbered('dense')}" for _ in range(2)]
        self.norms = [LayerNorm(build, path, width, _EPSILON) for path in norms]
        self.wide = Dense(build, layers[0], width, units, is_regularized=False)
        self.activation = make_block_activation(build, f"{name}/act", config.hidden_act, units)
        self.narrow = Dense(build, layers[1], units, width, is_regularized=False)
        self.dropouts = [Dropout(path, config.hidden_dropout_prob) for path in norms]

    def __call__(self, x: tf.Tensor, mask: tf.Tensor | None, call: Call) -> tf.Tensor:
        """Maps items `[batch, items, width]` to the same shape.

        Args:
            x: the items.
            mask: bool `[batch, items]`, which of them exist; None means all.
            call: how the model is run.
        """
        x = tf.cast(x, call.dtype)
        attended, _ = self.heads([x, x], call, mask)
        x = self.norms[0](x + self.dropouts[0](attended, call), call)
        hidden = self.narrow(self.activation(self.wide(x, call), call), call)
        return self.norms[1](x + self.dropouts[1](hidden, call), call)


def check_transformer(config: Transformer) -> None:
    """Checks what a config says of blocks.

    Raises:
        ShapeFault: they cannot be built; the text goes on from the name of the layer.
    """
    for field in ("hidden_size", "num_attention_heads"):
        if not getattr(config, field):
            raise ShapeFault(f"needs {field}, 1 or more")
    if config.hidden_size % config.num_attention_heads:
        heads = f"num_attention_heads {config.num_attention_heads}"
        raise ShapeFault(f"has hidden_size {config.hidden_size}, which is no multiple of {heads}")
    require_activation(config.hidden_act, "hidden_act")
    for field in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        require_rate(getattr(config, field), field)
