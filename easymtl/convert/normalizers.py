"""`normalizer` of a number: one text there, `min_val`, `max_val` and `normalizer_fn` here."""

import re

from easymtl.config.names import NORMALIZERS
from easymtl.convert.source import Node
from easymtl.protos.feature_pb2 import FeatureConfig

_OTHER_NAMES = {"ln": "log", "rint": "round"}
# Functions that we have by name and their formula language does not, or means something else by.
_NOT_THEIRS = {"round", "identity", "negative", "reciprocal", "rsqrt", "softplus", "softsign", "log_sigmoid"}
_CALL = re.compile(r"(\w+)\(x\)")
_FORMULAS = {
    "x": "identity",
    "-x": "negative",
    "1/x": "reciprocal",
    "x*x": "square",
    "x^2": "square",
    "exp(x)-1": "expm1",
    "log(x+1)": "log1p",
    "log(1+x)": "log1p",
    "ln(x+1)": "log1p",
    "ln(1+x)": "log1p",
    "1/sqrt(x)": "rsqrt",
}


def set_normalizer(node: Node, feature: FeatureConfig) -> None:
    """Fills what scales a number, or remarks that nothing here does."""
    text = node.take("normalizer")
    if not text:
        return
    method, numbers, formula = _parse(text)
    if method == "minmax" and numbers.get("max", 0) > numbers.get("min", 0):
        feature.min_val, feature.max_val = numbers["min"], numbers["max"]
    elif method == "zscore" and numbers.get("standard_deviation", 0) > 0:
        # (x - min_val) / (max_val - min_val) is the same function.
        mean = numbers.get("mean", 0)
        feature.min_val, feature.max_val = mean, mean + numbers["standard_deviation"]
    elif method == "expression" and function_of(formula):
        feature.normalizer_fn = function_of(formula)
    else:
        text = f'"{text}" has no counterpart, so the number stays as it is: compute it when the data is written.'
        node.left_out("normalizer", text)


def function_of(formula: str) -> str:
    """Returns the normalizer that a formula of x is, such as `log1p` for `log(x + 1)`; empty when there is none."""
    formula = re.sub(r"\s+", "", formula)
    if formula in _FORMULAS:
        return _FORMULAS[formula]
    call = _CALL.fullmatch(formula)
    if call is None:
        return ""
    if call[1] in _OTHER_NAMES:
        return _OTHER_NAMES[call[1]]
    return call[1] if call[1] in NORMALIZERS and call[1] not in _NOT_THEIRS else ""


def _parse(text: str) -> tuple[str, dict[str, float], str]:
    """Returns the method of a normalizer, its numbers by name, and its formula."""
    head, _, formula = text.partition("expr=")
    numbers: dict[str, float] = {}
    method = ""
    for piece in head.split(","):
        key, _, value = (part.strip() for part in piece.partition("="))
        if key == "method":
            method = value
        elif value:
            try:
                numbers[key] = float(value)
            except ValueError:
                return "", {}, ""
    return method, numbers, formula
