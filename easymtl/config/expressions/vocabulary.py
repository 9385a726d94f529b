"""What expressions may say: the functions and operators of block graphs, of comparisons and of scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from easymtl.config.names import NORMALIZERS

_COMPARED = ("==", "!=", ">", ">=", "<", "<=")
_LEVELS: tuple[tuple[str, ...], ...] = (("|",), ("&",), _COMPARED, ("+", "-"), ("*", "/"))
_POWERS = ("**", "^")


@dataclass(frozen=True)
class Signature:
    """How a function is called.

    Attributes:
        required: parameters that a call has to give, in their order.
        optional: those that follow.
        other_names: other names of parameters, as earlier versions of TensorFlow had them.
        takes_more: whether any number of further values may follow, as in `max(a, b, c)`.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    other_names: Mapping[str, str] = field(default_factory=dict)
    takes_more: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """Returns all parameters in their order."""
        return self.required + self.optional

    def shown(self, function: str) -> str:
        """Returns how a call looks: `tf.concat(values, axis)`."""
        optional = [f"{name}=..." for name in self.optional]
        return f"{function}({', '.join([*self.required, *optional, *(['...'] if self.takes_more else [])])})"


@dataclass(frozen=True)
class Vocabulary:
    """What one kind of expression may say.

    Attributes:
        functions: by name.
        operators: the binary ones.
        constants: names that stand for themselves, such as `tf.float32`.
        has_lists: whether there are lists, tuples and indices.
        in_floats: whether all numbers are floating, so that `1 / 2` is a half whatever computes it.
    """

    functions: Mapping[str, Signature]
    operators: tuple[str, ...]
    constants: tuple[str, ...] = ()
    has_lists: bool = False
    in_floats: bool = True

    def levels(self) -> list[tuple[str, ...]]:
        """Returns the operators that bind weakest first; those of one level group from the left."""
        levels = [tuple(operator for operator in level if operator in self.operators) for level in _LEVELS]
        return [level for level in levels if level]

    @property
    def powers(self) -> tuple[str, ...]:
        """Returns the operators of powers, which bind strongest and group from the right."""
        return tuple(operator for operator in _POWERS if operator in self.operators)

    def function(self, name: str) -> str | None:
        """Returns the name of a function in `functions`: `tf.sigmoid` for `tf.nn.sigmoid`; None if there is none."""
        for known in (name, name.replace("tf.math.", "tf.").replace("tf.nn.", "tf.").replace("tf.linalg.", "tf.")):
            if known in self.functions:
                return known
        return None


def is_comparison(operator: str) -> bool:
    """Returns whether an operator compares, and so cannot stand in a chain."""
    return operator in _COMPARED


def _reduction() -> Signature:
    return Signature(
        ("input_tensor",),
        ("axis", "keepdims"),
        {"keep_dims": "keepdims", "reduction_indices": "axis"},
    )


def _pair() -> Signature:
    return Signature(("x", "y"))


_BLOCK_FUNCTIONS = {
    "tf.add_n": Signature(("inputs",)),
    "tf.concat": Signature(("values", "axis"), other_names={"concat_dim": "axis"}),
    "tf.stack": Signature(("values",), ("axis",)),
    "tf.unstack": Signature(("value",), ("num", "axis")),
    "tf.split": Signature(("value", "num_or_size_splits"), ("axis",)),
    "tf.reshape": Signature(("tensor", "shape")),
    "tf.squeeze": Signature(("input",), ("axis",), {"squeeze_dims": "axis"}),
    "tf.expand_dims": Signature(("input", "axis"), other_names={"dim": "axis"}),
    "tf.transpose": Signature(("a",), ("perm",)),
    "tf.tile": Signature(("input", "multiples")),
    "tf.gather": Signature(("params", "indices"), ("axis",)),
    "tf.shape": Signature(("input",)),
    "tf.cast": Signature(("x", "dtype")),
    "tf.where": Signature(("condition", "x", "y")),
    "tf.matmul": Signature(("a", "b"), ("transpose_a", "transpose_b")),
    "tf.clip_by_value": Signature(("t", "clip_value_min", "clip_value_max")),
    "tf.softmax": Signature(("logits",), ("axis",), {"dim": "axis"}),
    "tf.l2_normalize": Signature(("x",), ("axis",), {"dim": "axis"}),
    **{f"tf.{name}": _reduction() for name in ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod")},
    **{
        f"tf.{name}": Signature(("x",), other_names={"input": "x", "features": "x"})
        for name in (
            *("abs", "ceil", "cos", "exp", "floor", "identity", "log", "log1p", "logical_not", "negative"),
            *("ones_like", "relu", "round", "rsqrt", "sigmoid", "sign", "sin", "softplus", "sqrt", "square"),
            *("stop_gradient", "tanh", "zeros_like"),
        )
    },
    **{
        f"tf.{name}": _pair()
        for name in (
            *("add", "subtract", "multiply", "divide", "pow", "maximum", "minimum", "squared_difference"),
            *("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"),
            *("logical_and", "logical_or"),
        )
    },
}

BLOCKS = Vocabulary(
    functions=_BLOCK_FUNCTIONS,
    operators=("+", "-", "*", "/", "**", *_COMPARED),
    constants=("tf.float32", "tf.int32", "tf.int64", "tf.bool"),
    has_lists=True,
    in_floats=False,
)
"""The Python text of block graphs: `lambda x: tf.add_n(x)`, `lambda x, i: [x[0][i], x[1]]`, `[1][0]`."""

COMPARISONS = Vocabulary(
    functions={
        **{f"tf.{name}": Signature(("x",)) for name in NORMALIZERS},
        **{f"tf.{name}": _pair() for name in ("maximum", "minimum", "pow")},
        "tf.clip_by_value": Signature(("t", "clip_value_min", "clip_value_max")),
    },
    operators=("+", "-", "*", "/", "&", "|", *_COMPARED),
)
"""Comparisons and arithmetic over the inputs of an ExprFeature, `(age >= 18) & (age < lo + 5)`, and in a normalizer."""

SCORES = Vocabulary(
    functions={
        **{name: Signature(("x",)) for name in ("abs", "exp", "log", "log1p", "sigmoid", "sqrt")},
        **{name: Signature(("x", "y"), takes_more=True) for name in ("max", "min")},
        "pow": Signature(("x", "y")),
    },
    operators=("+", "-", "*", "/", "^", "**"),
)
"""Formulas over predictions: `ctr^1.2 * cvr * log1p(y_watch)`."""
