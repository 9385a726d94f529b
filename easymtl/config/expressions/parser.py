"""Takes an expression apart, word by word from the left."""

from collections.abc import Collection

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
_MOST_INDICES = 10
_LARGEST = 1e308
_INSTEAD = {"&&": "&", "||": "|", "and": "&", "or": "|", "=": "=="}
_CONSTANTS = {"True": True, "False": False, "None": None}
_VALUE = 'a name, a number or a "("'


class Parser:
    """One text on its way to a tree; takes its words from the left."""

    def __init__(self, text: str, vocabulary: Vocabulary, names: Collection[str] | None, called: str):
        self.text, self.vocabulary, self.names, self.called = text, vocabulary, names, called
        self.levels = vocabulary.levels()
        self.tokens = tokenize(text)
        self.at = 0
        self.depth = 0
        self.num_operators = 0

    @property
    def _token(self) -> Token:
        return self.tokens[self.at]

    def _fault(self, position: int, message: str) -> ExpressionFault:
        return ExpressionFault(self.text, position, message)

    def _take(self) -> Token:
        token = self._token
        self.at += 1
        return token

    def _take_if(self, *marks: str) -> Token | None:
        return self._take() if self._token.kind == "mark" and self._token.text in marks else None

    def _require(self, mark: str, where: str) -> None:
        if not self._take_if(mark):
            raise self._fault(self._token.position, f'"{mark}" is needed {where}, found {self._token.shown}.')

    def whole(self) -> Tree:
        """Takes the value that the rest of the text is."""
        tree = self._value()
        self._end()
        return tree

    def _end(self) -> None:
        token = self._token
        if token.kind == "end":
            return
        instead = _INSTEAD.get(token.text, "")
        if instead in self.vocabulary.operators:
            raise self._fault(token.position, f'{token.shown} is no operator here. Write "{instead}".')
        operators = quoted([*self.vocabulary.operators], limit=30)
        raise self._fault(token.position, f"an operator ({operators}) or the end is needed, found {token.shown}.")

    def parameters(self, number: int) -> tuple[str, ...]:
        """Takes `lambda x:`."""
        example = "lambda x: ..." if number == 1 else "lambda x, i: ..."
        first = self._take()
        if first.text != "lambda":
            raise self._fault(first.position, f'a function is needed, "{example}", found {first.shown}.')
        names: list[str] = []
        while not names or self._take_if(","):
            name = self._take()
            if name.kind != "name" or "." in name.text or name.text in (*names, *_CONSTANTS):
                raise self._fault(name.position, f"the name of a parameter is needed, found {name.shown}.")
            names.append(name.text)
        if len(names) != number:
            raise self._fault(first.position, f'it takes {len(names)} values where there are {number}: "{example}".')
        self._require(":", "behind the parameters")
        return tuple(names)

    def slices(self, tree: Tree) -> Tree:
        """Takes `[..][..]`, and nothing else."""
        if self._token.text != "[":
            raise self._fault(self._token.position, f'a slice such as "[0]" is needed, found {self._token.shown}.')
        tree = self._indices(tree)
        if self._token.kind != "end":
            raise self._fault(self._token.position, f"the slice ends here, found {self._token.shown}.")
        return tree

    def _value(self) -> Tree:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._fault(self._token.position, f"it is nested deeper than {_DEEPEST}.")
        tree = self._operation(0)
        self.depth -= 1
        return tree

    def _operation(self, level: int) -> Tree:
        """Takes operands and the operators of a level or a stronger one."""
        if level == len(self.levels):
            return self._signed()
        operators = self.levels[level]
        tree = self._operation(level + 1)
        is_compared = False
        while operator := self._take_if(*operators):
            if is_compared:
                text = f"{operator.shown} makes a chain of comparisons. Compare two values at a time."
                raise self._fault(operator.position, text)
            is_compared = is_comparison(operator.text)
            self._count(operator)
            tree = Binary(operator.text, tree, self._operation(level + 1), operator.position)
        return tree

    def _count(self, operator: Token) -> None:
        self.num_operators += 1
        if self.num_operators > _MOST_OPERATORS:
            raise self._fault(operator.position, f"it has more than {_MOST_OPERATORS} operators.")

    def _signed(self) -> Tree:
        sign = self._take_if("-", "+")
        if sign is None:
            return self._power()
        self._count(sign)
        operand = self._signed()
        if sign.text == "+":
            return operand
        if isinstance(operand, Constant) and isinstance(operand.value, int | float):
            return Constant(-operand.value, sign.position)
        return Unary(operand, sign.position)

    def _power(self) -> Tree:
        base = self._primary()
        operator = self._take_if(*self.vocabulary.powers)
        if operator is None:
            return base
        self._count(operator)
        # The exponent takes a sign, and groups from the right: 2^-1, and 2^3^2 = 2^9.
        return Binary("**", base, self._signed(), operator.position)

    def _primary(self) -> Tree:
        token = self._take()
        if token.kind == "number":
            tree: Tree = Constant(self._number(token), token.position)
        elif token.kind == "name":
            tree = self._named(token)
        elif token.text == "(":
            tree = self._parentheses(token)
        elif token.text == "[" and self.vocabulary.has_lists:
            tree = Items(self._items("]"), is_tuple=False, position=token.position)
        else:
            raise self._fault(token.position, f"{_VALUE} is needed, found {token.shown}.")
        return self._indices(tree) if self.vocabulary.has_lists else tree

    def _number(self, token: Token) -> int | float:
        number = float(token.text)  # First: Python reads no whole number of thousands of digits.
        if number > _LARGEST:
            raise self._fault(token.position, f"{token.shown} is too large a number.")
        return int(token.text) if token.text.isdigit() and not self.vocabulary.in_floats else number

    def _parentheses(self, opening: Token) -> Tree:
        if self.vocabulary.has_lists and self._take_if(")"):
            return Items((), is_tuple=True, position=opening.position)
        tree = self._value()
        if self.vocabulary.has_lists and self._take_if(","):
            rest = self._items(")")
            return Items((tree, *rest), is_tuple=True, position=opening.position)
        self._require(")", f'to close the "(" of column {opening.position + 1}')
        return tree

    def _items(self, closer: str) -> tuple[Tree, ...]:
        items: list[Tree] = []
        while not self._take_if(closer):
            items.append(self._value())
            if not self._take_if(","):
                self._require(closer, "to close the list")
                break
        return tuple(items)

    def _named(self, token: Token) -> Tree:
        if self._token.text == "(" and self._token.kind == "mark":
            return self._call(token)
        if token.text in self.vocabulary.constants:
            return Name(token.text, token.position)
        if token.text in _CONSTANTS and self.vocabulary.has_lists:
            return Constant(_CONSTANTS[token.text], token.position)
        if self.names is not None and token.text not in self.names:
            raise self._fault(token.position, self._unknown(token.text))
        return Name(token.text, token.position)

    def _unknown(self, name: str) -> str:
        if name.split(".")[0] in (self.names or ()):
            return f'"{name}" reads an attribute, which expressions cannot.'
        if function := self.vocabulary.function(name):
            return f"{name} is a function: call it, {self.vocabulary.functions[function].shown(name)}."
        hint = did_you_mean(name, [*(self.names or ()), *self.vocabulary.constants])
        return f'"{name}" is not in {self.called} ({quoted(self.names or ())}).{hint}'

    def _call(self, token: Token) -> Tree:
        function = self.vocabulary.function(token.text)
        if function is None:
            known = list(self.vocabulary.functions)
            allowed = f"There are {', '.join(sorted(known))}." if known else "There are no functions here."
            text = f"{token.shown} is no function of expressions.{did_you_mean(token.text, known)} {allowed}"
            raise self._fault(token.position, text)
        self._take()
        signature = self.vocabulary.functions[function]
        given, is_by_name = self._arguments(token, signature)
        missing = [name for name in signature.required if name not in given]
        if missing:
            shown = signature.shown(token.text)
            raise self._fault(token.position, f"{token.text} needs {quoted(missing)}: {shown}.")
        return Call(function, tuple(given.items()), is_by_name, token.position)

    def _arguments(self, function: Token, signature: Signature) -> tuple[dict[str, Tree], bool]:
        given: dict[str, Tree] = {}
        has_names = False
        while not self._take_if(")"):
            token, following = self._token, self.tokens[min(self.at + 1, len(self.tokens) - 1)]
            if token.kind == "name" and following.text == "=":
                has_names = True
                name = self._parameter(function, signature, token)
                self.at += 2
            elif has_names:
                raise self._fault(token.position, "values without a name stand before those with one.")
            else:
                name = self._place(function, signature, len(given))
            if name in given:
                raise self._fault(token.position, f"{function.text} is given {name} twice.")
            given[name] = self._value()
            if not self._take_if(","):
                self._require(")", f"to end the call of {function.text}")
                break
        return given, has_names

    def _parameter(self, function: Token, signature: Signature, token: Token) -> str:
        name = signature.other_names.get(token.text, token.text)
        if name == "name" and self.vocabulary is BLOCKS:
            raise self._fault(token.position, "names of operations are not needed: leave it out.")
        if name not in signature.parameters:
            hint = did_you_mean(name, signature.parameters)
            shown = signature.shown(function.text)
            raise self._fault(token.position, f'{function.text} has no "{token.text}": {shown}.{hint}')
        return name

    def _place(self, function: Token, signature: Signature, index: int) -> str:
        if index < len(signature.parameters):
            return signature.parameters[index]
        if signature.takes_more:
            return f"more_{index}"
        shown = signature.shown(function.text)
        raise self._fault(self._token.position, f"{function.text} takes {len(signature.parameters)} values: {shown}.")

    def _indices(self, tree: Tree) -> Tree:
        number = 0
        while self._token.text == "[":
            number += 1
            if number > _MOST_INDICES:
                raise self._fault(self._token.position, f"it has more than {_MOST_INDICES} indices in a row.")
            tree = self._index(tree)
        return tree

    def _index(self, tree: Tree) -> Tree:
        opening = self._take()
        keys = [self._key()]
        while self._take_if(","):
            keys.append(self._key())
        self._require("]", f'to close the "[" of column {opening.position + 1}')
        return Index(tree, tuple(keys), opening.position)

    def _key(self) -> Key:
        token = self._token
        if self._take_if("..."):
            return Ellipsis(token.position)
        begin = None if self._token.text in (":", "]") else self._value()
        if not self._take_if(":"):
            if begin is None:
                raise self._fault(token.position, f"an index is needed, found {token.shown}.")
            return begin
        end = None if self._token.text in (":", "]", ",") else self._value()
        step = None
        if self._take_if(":") and self._token.text not in ("]", ","):
            step = self._value()
        return Slice(begin, end, step, token.position)
