"""Which small faults are made of a source."""

import ast

import pytest

from tests.mutation.mutants import mutants_of


def changed(source: str) -> dict[str, list[str]]:
    """Returns the changed sources by operator."""
    found: dict[str, list[str]] = {}
    for mutant in mutants_of("m.py", source):
        found.setdefault(mutant.operator, []).append(mutant.applied(source))
    return found


@pytest.mark.parametrize(
    "source, operator, mutated",
    [
        ("x = a < b", "compare", ["x = (a <= b)"]),
        ("x = a is not b", "compare", ["x = (a is b)"]),
        ("x = a < b <= c", "compare", ["x = (a <= b <= c)", "x = (a < b < c)"]),
        ("x = a + b * c", "arithmetic", ["x = (a - b * c)", "x = a + (b / c)"]),
        ("x = a and b and c", "boolean", ["x = (a or b or c)"]),
        ("x = not a", "sign", ["x = a"]),
        ("x = -a", "sign", ["x = a"]),
        ("x = b if a else c", "condition", ["x = b if (not a) else c"]),
        ("if a:\n    b = c", "condition", ["if (not a):\n    b = c"]),
        ("x = [a for a in b if a.c]", "filter", ["x = [a for a in b if True]"]),
        ("x = 1, 0, 7, 0.5, 1.0, True", "constant", None),
        ("f(a)", "dropped", ["pass"]),
        ("if a:\n    raise E(f'{a}')", "dropped", ["if a:\n    pass"]),
        ("x += y", "dropped", ["pass"]),
        ("def f():\n    return a", "returned", ["def f():\n    return None"]),
        ("while a:\n    break", "loop", ["while a:\n    continue"]),
        ("x = a[b:c]", "slice", ["x = a[b - 1:c]", "x = a[b:c - 1]"]),
        ("x = f(a, b, c)", "swapped", ["x = f(b, a, c)"]),
        ("x = f(a, axis=b, c=d)", "keyword", ["x = f(a, c=d)", "x = f(a, axis=b)"]),
        ("x = tf.reduce_max(a)", "named", ["x = tf.reduce_min(a)"]),
        ("x = min(a)", "named", ["x = max(a)"]),
    ],
)
def test_operators(source, operator, mutated):
    found = changed(source)[operator]
    for text in found:
        ast.parse(text)
    if mutated is None:
        assert [ast.literal_eval(text[4:]) for text in found] == [
            (0, 0, 7, 0.5, 1.0, True),
            (1, 1, 7, 0.5, 1.0, True),
            (1, 0, 8, 0.5, 1.0, True),
            (1, 0, 7, 1.0, 1.0, True),
            (1, 0, 7, 0.5, 0.0, True),
            (1, 0, 7, 0.5, 1.0, False),
        ]
    else:
        assert found == mutated


@pytest.mark.parametrize(
    "source",
    [
        '"""Words, 1 < 2."""',
        "def f(a: int | None) -> A | B: ...",
        "assert a < 1",
        "x = f'{a + 1}'",
        "x = 'a' + b",
        "class A:\n    def __repr__(self):\n        return f(1)",
        "@f(1)\ndef g(): ...",
        "x = f(a, a)",
        "def f():\n    return None",
    ],
)
def test_what_nobody_runs_and_words_are_left_alone(source):
    assert changed(source) == {}


def test_words_of_an_error_are_left_alone_and_the_error_is_not():
    assert changed("raise E(f(1, 2), a < b)") == {"dropped": ["pass"]}


def test_an_edit_is_named_by_what_it_does_and_not_by_its_line():
    source = "class A:\n    def f(self):\n        return 2 * x + 2 * x\n"
    named = [each.identity for each in mutants_of("m.py", source)]
    assert named == [each.identity for each in mutants_of("m.py", f"import é  # Words in UTF-8.\n\n{source}")]
    assert "m.py A.f arithmetic: 2 * x -> 2 / x #2" in named
    assert len(set(named)) == len(named)


def test_an_edit_behind_letters_of_several_bytes_is_in_its_place():
    (mutant,) = [each for each in mutants_of("m.py", "x = 'é', a < b  # é\n") if each.operator == "compare"]
    assert mutant.applied("x = 'é', a < b  # é\n") == "x = 'é', (a <= b)  # é\n"
    assert mutant.difference("x = 'é', a < b  # é\n") == "-x = 'é', a < b  # é\n+x = 'é', (a <= b)  # é"
