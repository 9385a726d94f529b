"""Expressions of configs: a closed grammar that is read into a tree and never run as code.

Two vocabularies share it: the Python text of block graphs (`lambda x: tf.concat(x, axis=1)`, slices such as `[1][0]`),
and arithmetic over named numbers (`(age >= 18) & (age < lo + 5)`, `ctr^1.2 * log1p(y_watch)`).
"""

from easymtl.config.expressions.evaluation import evaluate, evaluate_keys
from easymtl.config.expressions.faults import ExpressionFault
from easymtl.config.expressions.reading import Function, parse_expression, parse_lambda, parse_slice
from easymtl.config.expressions.tree import Tree, names_in, positions
from easymtl.config.expressions.vocabulary import BLOCKS, COMPARISONS, SCORES, Signature, Vocabulary

__all__ = [
    "BLOCKS",
    "COMPARISONS",
    "SCORES",
    "ExpressionFault",
    "Function",
    "Signature",
    "Tree",
    "Vocabulary",
    "evaluate",
    "evaluate_keys",
    "names_in",
    "parse_expression",
    "parse_lambda",
    "parse_slice",
    "positions",
]
