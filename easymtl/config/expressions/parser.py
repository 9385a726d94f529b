"""Reads expressions into trees."""

from collections.abc import Collection
from dataclasses import dataclass

from easymtl.config.expressions.faults import ExpressionFault
from easymtl.config.expressions.tokens import Token, tokenize
from easymtl.config.expressions.tree import (
    Binary,
    Call,
    Constant,
    Ellipsis,
    Index,
    Items,
    Key,
    Name,
    Slice,
    Tree,
    Unary,
)
from easymtl.config.expressions.vocabulary import BLOCKS, Signature, Vocabulary, is_comparison
from easymtl.errors import did_you_mean, quoted

_DEEPEST = 30
_MOST_OPERATORS = 100
_INSTEAD = {"&&": "&", "||": "|", "and": "&", "or": "|", "=": "=="}
_CONSTANTS = {"True": True, "False": False, "None": None}
_VALUE = 'a name, a number or a "("'


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


def parse_expression(text: str, vocabulary: Vocabulary, names: Collection[str] | None = None) -> Tree:
    """Returns the tree of a formula.

    Args:
        text: the formula.
        vocabulary: what it may say.
        names: the values that there are; None if any name will do.

    Raises:
        ExpressionFault: it says something else.
    """
    return _Parser(text, vocabulary, names, "the values").whole()


def parse_lambda(text: str, num_parameters: int = 1) -> Function:
    """Returns a function of a block graph: `lambda x: ...`, or `lambda x, i: ...`.

    Raises:
        ExpressionFault: it is no such function.
    """
    parser = _Parser(text, BLOCKS, (), "the parameters of the lambda")
    parameters = parser.parameters(num_parameters)
    parser.names = parameters
    return Function(parameters, parser.whole(), text)


def parse_slice(text: str, names: Collection[str] = ()) -> Function:
    """Returns what a slice such as `[1][0]` or `[:, 2]` does with a value, as a function of `x` and the names.

    Raises:
        ExpressionFault: it is no slice.
    """
    parser = _Parser(text, BLOCKS, names, "what a slice may name")
    return Function(("x", *names), parser.slices(Name("x", 0)), text)


class _Parser:
    """One text on its way to a tree; takes its words from the left."""

    def __init__(self, text: str, vocabulary: Vocabulary, names: Collection[str] | None, called: str):
        self.text, self.vocabulary, self.names, self.called = text, vocabulary, names, called
        self.levels = vocabulary.levels()
        self.tokens = tokenize(text)
        self.at = 0
        self.depth = 0
        self.num_operators = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def fault(self, position: int, message: str) -> ExpressionFault:
        return ExpressionFault(self.text, position, message)

    def take(self) -> Token:
        token = self.token
        self.at += 1
        return token

    def take_if(self, *marks: str) -> Token | None:
        return self.take() if self.token.kind == "mark" and self.token.text in marks else None

    def require(self, mark: str, where: str) -> None:
        if not self.take_if(mark):
            raise self.fault(self.token.position, f'"{mark}" is needed {where}, found {self.token.shown}.')

    def whole(self) -> Tree:
        """Takes the value that the rest of the text is."""
        tree = self.value()
        self.end()
        return tree

    def end(self) -> None:
        token = self.token
        if token.kind == "end":
            return
        instead = _INSTEAD.get(token.text, "")
        if instead in self.vocabulary.operators:
            raise self.fault(token.position, f'{token.shown} is no operator here. Write "{instead}".')
        operators = quoted([*self.vocabulary.operators], limit=30)
        raise self.fault(token.position, f"an operator ({operators}) or the end is needed, found {token.shown}.")

    def parameters(self, number: int) -> tuple[str, ...]:
        """Takes `lambda x:`."""
        example = "lambda x: ..." if number == 1 else "lambda x, i: ..."
        first = self.take()
        if first.text != "lambda":
            raise self.fault(first.position, f'a function is needed, "{example}", found {first.shown}.')
        names: list[str] = []
        while not names or self.take_if(","):
            name = self.take()
            if name.kind != "name" or "." in name.text or name.text in names:
                raise self.fault(name.position, f"the name of a parameter is needed, found {name.shown}.")
            names.append(name.text)
        if len(names) != number:
            raise self.fault(first.position, f'it takes {len(names)} values where there are {number}: "{example}".')
        self.require(":", "behind the parameters")
        return tuple(names)

    def slices(self, tree: Tree) -> Tree:
        """Takes `[..][..]`, and nothing else."""
        if self.token.text != "[":
            raise self.fault(self.token.position, f'a slice such as "[0]" is needed, found {self.token.shown}.')
        while self.token.text == "[":
            tree = self.index(tree)
        if self.token.kind != "end":
            raise self.fault(self.token.position, f"the slice ends here, found {self.token.shown}.")
        return tree

    def value(self) -> Tree:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.fault(self.token.position, f"it is nested deeper than {_DEEPEST}.")
        tree = self.operation(0)
        self.depth -= 1
        return tree

    def operation(self, level: int) -> Tree:
        """Takes operands and the operators of a level or a stronger one."""
        if level == len(self.levels):
            return self.signed()
        operators = self.levels[level]
        tree = self.operation(level + 1)
        is_compared = False
        while operator := self.take_if(*operators):
            if is_compared:
                text = f"{operator.shown} makes a chain of comparisons. Compare two values at a time."
                raise self.fault(operator.position, text)
            is_compared = is_comparison(operator.text)
            self.count(operator)
            tree = Binary(operator.text, tree, self.operation(level + 1), operator.position)
        return tree

    def count(self, operator: Token) -> None:
        self.num_operators += 1
        if self.num_operators > _MOST_OPERATORS:
            raise self.fault(operator.position, f"it has more than {_MOST_OPERATORS} operators.")

    def signed(self) -> Tree:
        sign = self.take_if("-", "+")
        if sign is None:
            return self.power()
        self.count(sign)
        operand = self.signed()
        if sign.text == "+":
            return operand
        if isinstance(operand, Constant) and isinstance(operand.value, int | float):
            return Constant(-operand.value, sign.position)
        return Unary(operand, sign.position)

    def power(self) -> Tree:
        base = self.primary()
        operator = self.take_if(*self.vocabulary.powers)
        if operator is None:
            return base
        self.count(operator)
        # The exponent takes a sign, and groups from the right: 2^-1, and 2^3^2 = 2^9.
        return Binary("**", base, self.signed(), operator.position)

    def primary(self) -> Tree:
        token = self.take()
        if token.kind == "number":
            tree: Tree = Constant(self.number(token), token.position)
        elif token.kind == "name":
            tree = self.named(token)
        elif token.text == "(":
            tree = self.parentheses(token)
        elif token.text == "[" and self.vocabulary.has_lists:
            tree = Items(self.items("]"), is_tuple=False, position=token.position)
        else:
            raise self.fault(token.position, f"{_VALUE} is needed, found {token.shown}.")
        while self.vocabulary.has_lists and self.token.text == "[":
            tree = self.index(tree)
        return tree

    def number(self, token: Token) -> int | float:
        is_whole = token.text.isdigit() and not self.vocabulary.in_floats
        value = int(token.text) if is_whole else float(token.text)
        if abs(value) > 1e308:
            raise self.fault(token.position, f"{token.shown} is too large a number.")
        return value

    def parentheses(self, opening: Token) -> Tree:
        if self.vocabulary.has_lists and self.take_if(")"):
            return Items((), is_tuple=True, position=opening.position)
        tree = self.value()
        if self.vocabulary.has_lists and self.take_if(","):
            rest = self.items(")")
            return Items((tree, *rest), is_tuple=True, position=opening.position)
        self.require(")", f'to close the "(" of column {opening.position + 1}')
        return tree

    def items(self, closer: str) -> tuple[Tree, ...]:
        items: list[Tree] = []
        while not self.take_if(closer):
            items.append(self.value())
            if not self.take_if(","):
                self.require(closer, "to close the list")
                break
        return tuple(items)

    def named(self, token: Token) -> Tree:
        if self.token.text == "(" and self.token.kind == "mark":
            return self.call(token)
        if token.text in self.vocabulary.constants:
            return Name(token.text, token.position)
        if token.text in _CONSTANTS and self.vocabulary.has_lists:
            return Constant(_CONSTANTS[token.text], token.position)
        if self.names is not None and token.text not in self.names:
            raise self.fault(token.position, self.unknown(token.text))
        return Name(token.text, token.position)

    def unknown(self, name: str) -> str:
        if name.split(".")[0] in (self.names or ()):
            return f'"{name}" reads an attribute, which expressions cannot.'
        hint = did_you_mean(name, [*(self.names or ()), *self.vocabulary.constants])
        return f'"{name}" is not in {self.called} ({quoted(self.names or ())}).{hint}'

    def call(self, token: Token) -> Tree:
        function = self.vocabulary.function(token.text)
        if function is None:
            known = list(self.vocabulary.functions)
            allowed = f"There are {', '.join(sorted(known))}." if known else "There are no functions here."
            text = f"{token.shown} is no function of expressions.{did_you_mean(token.text, known)} {allowed}"
            raise self.fault(token.position, text)
        self.take()
        signature = self.vocabulary.functions[function]
        given, is_by_name = self.arguments(token, signature)
        missing = [name for name in signature.required if name not in given]
        if missing:
            shown = signature.shown(token.text)
            raise self.fault(token.position, f"{token.text} needs {quoted(missing)}: {shown}.")
        return Call(function, tuple(given.items()), is_by_name, token.position)

    def arguments(self, function: Token, signature: Signature) -> tuple[dict[str, Tree], bool]:
        given: dict[str, Tree] = {}
        has_names = False
        while not self.take_if(")"):
            token, following = self.token, self.tokens[min(self.at + 1, len(self.tokens) - 1)]
            if token.kind == "name" and following.text == "=":
                has_names = True
                name = self.parameter(function, signature, token)
                self.at += 2
            elif has_names:
                raise self.fault(token.position, "values without a name stand before those with one.")
            else:
                name = self.place(function, signature, len(given))
            if name in given:
                raise self.fault(token.position, f"{function.text} is given {name} twice.")
            given[name] = self.value()
            if not self.take_if(","):
                self.require(")", f"to end the call of {function.text}")
                break
        return given, has_names

    def parameter(self, function: Token, signature: Signature, token: Token) -> str:
        name = signature.other_names.get(token.text, token.text)
        if name == "name" and self.vocabulary is BLOCKS:
            raise self.fault(token.position, "names of operations are not needed: leave it out.")
        if name not in signature.parameters:
            hint = did_you_mean(name, signature.parameters)
            shown = signature.shown(function.text)
            raise self.fault(token.position, f'{function.text} has no "{token.text}": {shown}.{hint}')
        return name

    def place(self, function: Token, signature: Signature, index: int) -> str:
        if index < len(signature.parameters):
            return signature.parameters[index]
        if signature.takes_more:
            return f"more_{index}"
        shown = signature.shown(function.text)
        raise self.fault(self.token.position, f"{function.text} takes {len(signature.parameters)} values: {shown}.")

    def index(self, tree: Tree) -> Tree:
        opening = self.take()
        keys = [self.key()]
        while self.take_if(","):
            keys.append(self.key())
        self.require("]", f'to close the "[" of column {opening.position + 1}')
        return Index(tree, tuple(keys), opening.position)

    def key(self) -> Key:
        token = self.token
        if self.take_if("..."):
            return Ellipsis(token.position)
        begin = None if self.token.text in (":", "]") else self.value()
        if not self.take_if(":"):
            if begin is None:
                raise self.fault(token.position, f"an index is needed, found {token.shown}.")
            return begin
        end = None if self.token.text in (":", "]", ",") else self.value()
        step = None
        if self.take_if(":") and self.token.text not in ("]", ","):
            step = self.value()
        return Slice(begin, end, step, token.position)
