"""Reads expressions into trees: formulas, functions of block graphs, slices."""

from collections.abc import Collection
from dataclasses import dataclass

from easymtl.config.expressions.parser import Parser
from easymtl.config.expressions.tree import Name, Tree
from easymtl.config.expressions.vocabulary import BLOCKS, Vocabulary


@dataclass(frozen=True)
class Function:
    """`lambda x, i: body`.

    Attributes:
        parameters: the names of what it takes.
        body: its value.
        text: as it is written.
    """

    parameters: tuple[str, ...]
    body: Tree
    text: str


def parse_expression(
    text: str, vocabulary: Vocabulary, names: Collection[str] | None = None, called: str = "the values"
) -> Tree:
    """Returns the tree of a formula.

    Args:
        text: the formula.
        vocabulary: what it may say.
        names: the values that there are; None if any name will do.
        called: what messages call these values.

    Raises:
        ExpressionFault: it says something else.
    """
    return Parser(text, vocabulary, names, called).whole()


def parse_lambda(text: str, num_parameters: int = 1, vocabulary: Vocabulary = BLOCKS) -> Function:
    """Returns a function, of a block graph unless the vocabulary is another: `lambda x: ...`, or `lambda x, i: ...`.

    Raises:
        ExpressionFault: it is no such function.
    """
    parser = Parser(text, vocabulary, (), "the parameters of the lambda")
    parameters = parser.parameters(num_parameters)
    parser.names = parameters
    return Function(parameters, parser.whole(), text)


def parse_slice(text: str, names: Collection[str] = ()) -> Function:
    """Returns what a slice such as `[1][0]` or `[:, 2]` does with a value, as a function of `x` and the names.

    Raises:
        ExpressionFault: it is no slice.
    """
    parser = Parser(text, BLOCKS, names, "what a slice may name")
    return Function(("x", *names), parser.slices(Name("x", 0)), text)
