"""Small faults in a source: each mutant is one edit that a slip of the pen could have made."""

import ast
import copy
import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_PAIRS = (
    ("min", "max"),
    ("minimum", "maximum"),
    ("reduce_min", "reduce_max"),
    ("argmin", "argmax"),
    ("floor", "ceil"),
    ("any", "all"),
    ("reduce_any", "reduce_all"),
    ("logical_and", "logical_or"),
    ("reduce_sum", "reduce_mean"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("log1p", "log"),
    ("expm1", "exp"),
    ("append", "extend"),
    ("startswith", "endswith"),
)
_NAMES = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
_MOST_TEXT = 90


@dataclass(frozen=True)
class Mutant:
    """One edit of one module.

    Attributes:
        module: path below the root of the checkout.
        function: qualified name of the function or class around the edit; empty at the module's level.
        operator: kind of the edit, as `compare`.
        edit: what becomes what.
        occurrence: counts equal edits of one function, from 1.
        line: the line of the edit, from 1.
        start: first byte that is replaced.
        end: the byte behind the last one that is replaced.
        text: what comes there instead.
    """

    module: str
    function: str
    operator: str
    edit: str
    occurrence: int
    line: int
    start: int
    end: int
    text: str

    @property
    def identity(self) -> str:
        """A name that stays the same while other lines of the module come and go."""
        function = self.function or "(module)"
        return f"{self.module} {function} {self.operator}: {self.edit} #{self.occurrence}"

    def applied(self, source: str) -> str:
        """Returns the module's source with the edit in it."""
        data = source.encode()
        return (data[: self.start] + self.text.encode() + data[self.end :]).decode()

    def difference(self, source: str) -> str:
        """Returns the edit as a unified diff without context."""
        lines = difflib.unified_diff(source.splitlines(), self.applied(source).splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Returns all mutants of a module, in the order of its lines.

    What nobody runs (annotations, docstrings, assertions of what is always so) and the words of messages stay as they
    are.
    """
    return list(_Finder(module, source).found())


@dataclass(frozen=True)
class _Edit:
    """Before it has its occurrence: the node and what it becomes."""

    operator: str
    edit: str
    node: ast.AST
    text: str


class _Finder:
    def __init__(self, module: str, source: str):
        self.module = module
        self.tree = ast.parse(source)
        starts, at = [], 0
        for line in source.encode().splitlines(keepends=True):
            starts.append(at)
            at += len(line)
        self.starts = starts

    def found(self) -> Iterator[Mutant]:
        seen: Counter[tuple[str, str, str]] = Counter()
        for function, edit in _walk(self.tree, ""):
            key = (function, edit.operator, edit.edit)
            seen[key] += 1
            node = edit.node
            start = self.starts[node.lineno - 1] + node.col_offset
            end = self.starts[node.end_lineno - 1] + node.end_col_offset
            yield Mutant(self.module, *key, seen[key], node.lineno, start, end, edit.text)


def _walk(node: ast.AST, function: str) -> Iterator[tuple[str, _Edit]]:
    for child in _run_parts(node):
        name = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = f"{function}.{child.name}".lstrip(".")
        for edit in _edits(child):
            yield name, edit
        yield from _walk(child, name)


def _run_parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the children that do something when the module runs."""
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not (isinstance(child, ast.FunctionDef) and child.name == "__repr__"):
                yield child


def _edits(node: ast.AST) -> Iterator[_Edit]:
    for kind, edits in _EDITS:
        if isinstance(node, kind):
            yield from edits(node)


def _replaced(operator: str, node: ast.AST, other: ast.AST) -> _Edit:
    before, after = ast.unparse(node), ast.unparse(other)
    text = f"({after})" if isinstance(other, ast.Compare | ast.BinOp | ast.BoolOp | ast.UnaryOp) else after
    return _Edit(operator, f"{_short(before)} -> {_short(after)}", node, text)


def _short(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT // 2]} ... {text[-_MOST_TEXT // 2 :]}"


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _compare(node: ast.Compare) -> Iterator[_Edit]:
    for index, operator in enumerate(node.ops):
        ops = [*node.ops]
        ops[index] = _COMPARED[type(operator)]()
        yield _replaced("compare", node, _with(node, ops=ops))


def _arithmetic(node: ast.BinOp) -> Iterator[_Edit]:
    is_type = isinstance(node.op, ast.BitOr) and any(ast.unparse(side) == "None" for side in (node.left, node.right))
    is_text = any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in (node.left, node.right))
    if type(node.op) in _COMPUTED and not is_type and not is_text:
        yield _replaced("arithmetic", node, _with(node, op=_COMPUTED[type(node.op)]()))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _boolean(node: ast.BoolOp) -> Iterator[_Edit]:
    yield _replaced("boolean", node, _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And()))


def _sign(node: ast.UnaryOp) -> Iterator[_Edit]:
    if isinstance(node.op, ast.Not | ast.USub) and not isinstance(node.operand, ast.Constant):
        yield _replaced("sign", node, node.operand)


def _condition(node: ast.If | ast.IfExp) -> Iterator[_Edit]:
    if "TYPE_CHECKING" not in ast.unparse(node.test):
        test = node.test.operand if isinstance(node.test, ast.UnaryOp) else ast.UnaryOp(ast.Not(), node.test)
        if not isinstance(node.test, ast.UnaryOp):
            yield _replaced("condition", node.test, test)


def _filter(node: ast.comprehension) -> Iterator[_Edit]:
    for test in node.ifs:
        yield _Edit("filter", f"if {_short(ast.unparse(test))} -> if True", test, "True")


def _number(node: ast.Constant) -> Iterator[_Edit]:
    value = node.value
    if isinstance(value, bool):
        yield _replaced("constant", node, ast.Constant(not value))
    elif isinstance(value, int):
        yield _replaced("constant", node, ast.Constant(0 if value == 1 else value + 1))
    elif isinstance(value, float):
        yield _replaced("constant", node, ast.Constant(1.0 - value if value in (0.0, 1.0) else 2.0 * value))


def _statement(node: ast.Expr) -> Iterator[_Edit]:
    if isinstance(node.value, ast.Call):
        yield _Edit("dropped", _short(ast.unparse(node)), node, "pass")


def _raised(node: ast.Raise) -> Iterator[_Edit]:
    yield _Edit("dropped", _short(ast.unparse(node)), node, "pass")


def _augmented(node: ast.AugAssign) -> Iterator[_Edit]:
    yield _Edit("dropped", _short(ast.unparse(node)), node, "pass")


def _returned(node: ast.Return) -> Iterator[_Edit]:
    if node.value is not None and ast.unparse(node.value) != "None":
        yield _Edit("returned", f"{_short(ast.unparse(node.value))} -> None", node, "return None")


def _left(node: ast.Break | ast.Continue) -> Iterator[_Edit]:
    word, other = ("break", "continue") if isinstance(node, ast.Break) else ("continue", "break")
    yield _Edit("loop", f"{word} -> {other}", node, other)


def _sliced(node: ast.Slice) -> Iterator[_Edit]:
    for name in ("lower", "upper"):
        bound = getattr(node, name)
        # A constant bound is changed as any other constant is.
        if bound is not None and not any(isinstance(part, ast.Constant) for part in (bound, *ast.walk(bound))):
            yield _replaced("slice", node, _with(node, **{name: ast.BinOp(bound, ast.Sub(), ast.Constant(1))}))


def _called(node: ast.Call) -> Iterator[_Edit]:
    called = _short(ast.unparse(node.func))
    if len(node.args) >= 2 and not any(isinstance(each, ast.Starred) for each in node.args[:2]):
        first, second, *rest = node.args
        if ast.dump(first) != ast.dump(second):
            words = f"{called}({_short(ast.unparse(first))} <-> {_short(ast.unparse(second))})"
            yield _Edit("swapped", words, node, ast.unparse(_with(node, args=[second, first, *rest])))
    for index, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            others = node.keywords[:index] + node.keywords[index + 1 :]
            words = f"{called}(without {keyword.arg}={_short(ast.unparse(keyword.value))})"
            yield _Edit("keyword", words, node, ast.unparse(_with(node, keywords=others)))


def _named(node: ast.Attribute | ast.Name) -> Iterator[_Edit]:
    name = node.attr if isinstance(node, ast.Attribute) else node.id
    if name in _NAMES and isinstance(node.ctx, ast.Load):
        field = "attr" if isinstance(node, ast.Attribute) else "id"
        yield _replaced("named", node, _with(node, **{field: _NAMES[name]}))


_EDITS = (
    (ast.Compare, _compare),
    (ast.BinOp, _arithmetic),
    (ast.BoolOp, _boolean),
    (ast.UnaryOp, _sign),
    (ast.If | ast.IfExp, _condition),
    (ast.comprehension, _filter),
    (ast.Constant, _number),
    (ast.Expr, _statement),
    (ast.Raise, _raised),
    (ast.AugAssign, _augmented),
    (ast.Return, _returned),
    (ast.Break | ast.Continue, _left),
    (ast.Slice, _sliced),
    (ast.Call, _called),
    (ast.Attribute | ast.Name, _named),
)
