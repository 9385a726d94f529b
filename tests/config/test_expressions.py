"""Expressions of configs: what they mean, and what is said of those that mean nothing."""

import math
import operator

import numpy as np
import pytest

from easymtl.config.expressions import (
    BLOCKS,
    COMPARISONS,
    SCORES,
    ExpressionFault,
    evaluate,
    names_in,
    parse_expression,
    parse_lambda,
    parse_slice,
)

NUMBERS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "-x": operator.neg,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "&": lambda x, y: bool(x) and bool(y),
    "|": lambda x, y: bool(x) or bool(y),
    "[]": lambda value, keys: value[keys[0]],
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "max": max,
    "min": min,
    "pow": operator.pow,
}
VALUES = {"a": 3.0, "b": 5.0, "c": 2.0, "y_watch": 7.0}


def value(text: str, vocabulary=COMPARISONS):
    return evaluate(parse_expression(text, vocabulary), VALUES, NUMBERS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a+b*c", 13.0),
        ("(a+b)*c", 16.0),
        ("a-b-c", -4.0),
        ("b/c/5", 0.5),
        ("1/2", 0.5),
        ("-a*c", -6.0),
        ("a - -2", 5.0),
        ("+a", 3.0),
        ("1e-3 + .5 + 2.", 2.501),
        ("a>=3", True),
        ("a==b", False),
        ("a!=b", True),
        ("a<(b+5)", True),
        ("(a+b)*2 > c", True),
        ("a+b*2 > c*7", False),
        ("(a>=b) & (c<=(b+5))", False),
        ("(a>=b) | (c<=(b+5))", True),
        # The words of logic bind weaker than comparisons, and "and" stronger than "or".
        ("a>=b | c<=b+5", True),
        ("a==3 & b==4 | c==2", True),
        ("c==2 | a==3 & b==4", True),
        ("a==0 & b==5 | c==0", False),
    ],
)
def test_arithmetic_and_comparisons_bind_as_usual(text, expected):
    assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a^2", 9.0),
        ("a**2", 9.0),
        ("-a^2", -9.0),
        ("c^a^2", 512.0),
        ("c^-1", 0.5),
        ("2*a^2", 18.0),
        ("a^1.2 * b * log1p(y_watch)", 3.0**1.2 * 5.0 * math.log1p(7.0)),
        ("max(a, b, c) - min(a, b)", 2.0),
        ("pow(a, c)", 9.0),
        ("sqrt(a*3)", 3.0),
    ],
)
def test_scores_have_powers_and_functions(text, expected):
    assert value(text, SCORES) == pytest.approx(expected)


def test_the_names_of_an_expression_are_told_once_in_order():
    assert names_in(parse_expression("b*(a+max(b, c))", SCORES)) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("text", "vocabulary", "says"),
    [
        ("", COMPARISONS, 'column 1: a name, a number or a "(" is needed, found the end.'),
        ("a +", COMPARISONS, 'column 4: a name, a number or a "(" is needed, found the end.'),
        ("a b", COMPARISONS, 'column 3: an operator ("+", "-", "*", "/", "&", "|", "==", "!=", ">", ">=", "<", "<=")'),
        ("(a + b", COMPARISONS, 'column 7: ")" is needed to close the "(" of column 1, found the end.'),
        ("a && b", COMPARISONS, '"&&" is no operator here. Write "&".'),
        ("a and b", COMPARISONS, '"and" is no operator here. Write "&".'),
        ("a = b", COMPARISONS, '"=" is no operator here. Write "==".'),
        ("a < b < c", COMPARISONS, '"<" makes a chain of comparisons. Compare two values at a time.'),
        ("a % b", COMPARISONS, 'column 3: "%" has no meaning in an expression.'),
        ("log(a)", COMPARISONS, '"log" is no function of expressions. Did you mean "tf.log"? There are'),
        ("log1(a)", SCORES, '"log1" is no function of expressions. Did you mean "log1p"? There are abs, exp, log, '),
        ("log(a, b)", SCORES, "log takes 1 values: log(x)."),
        ("pow(a)", SCORES, 'pow needs "y": pow(x, y).'),
        ("a[0]", SCORES, 'an operator ("+", "-", "*", "/", "^", "**") or the end is needed, found "[".'),
        ("a < b", SCORES, 'found "<".'),
        ("1e999", SCORES, '"1e999" is too large a number.'),
    ],
)
def test_what_is_no_expression_is_told_with_its_column(text, vocabulary, says):
    with pytest.raises(ExpressionFault) as caught:
        parse_expression(text, vocabulary)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f'"{text}", column ')


def test_an_unknown_name_is_told_with_the_nearest_one():
    with pytest.raises(
        ExpressionFault, match=r'"y_wach" is not in the values \("ctr", "y_watch"\)\. Did you mean "y_w'
    ):
        parse_expression("ctr * y_wach", SCORES, ["ctr", "y_watch"])


@pytest.mark.parametrize("text", ["(" * 100 + "a" + ")" * 100, "a" + "+a" * 200, "-" * 500 + "a", "a" * 20_000])
def test_expressions_without_end_are_refused_and_not_followed(text):
    with pytest.raises(ExpressionFault):
        parse_expression(text, COMPARISONS)


def test_chains_of_indices_and_numbers_without_end_are_refused():
    parse_lambda(f"lambda x: x{'[0]' * 10}")
    indices = "[0]" * 11
    with pytest.raises(ExpressionFault, match="it has more than 10 indices in a row"):
        parse_lambda(f"lambda x: x{indices}")
    with pytest.raises(ExpressionFault, match="it has more than 10 indices in a row"):
        parse_slice(indices)
    with pytest.raises(ExpressionFault, match="it has more than 10 indices in a row"):
        parse_lambda(f"lambda x: x{'[0]' * 3000}")
    with pytest.raises(ExpressionFault, match="is too large a number"):
        parse_lambda(f"lambda x: x + {'9' * 5000}")


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("lambda x: x[0]", [[1, 2]], 1),
        ("lambda x: [x[0], [x[1]]]", [[1, 2]], [1, [2]]),
        ("lambda x: (x[-1],)", [[1, 2]], (2,)),
        ("lambda x: x[1:3]", [[1, 2, 3, 4]], [2, 3]),
        ("lambda x: x[::-1]", [[1, 2, 3]], [3, 2, 1]),
        ("lambda  value:value[ 0 ][1]", [[[1, 2]]], 2),
        ("lambda x, i: [x[0][i], x[1]]", [[[7, 8], 9], 1], [8, 9]),
        ("lambda x, i: x[i + 1]", [[7, 8], 0], 8),
    ],
)
def test_functions_of_blocks_index_and_make_lists(text, given, expected):
    function = parse_lambda(text, len(given))
    assert evaluate(function.body, dict(zip(function.parameters, given)), NUMBERS) == expected


@pytest.mark.parametrize(("text", "expected"), [("[0]", [1, 2]), ("[1][0]", 3), ("[0][:1]", [1])])
def test_slices_are_applied_from_the_left(text, expected):
    function = parse_slice(text)
    assert evaluate(function.body, {"x": [[1, 2], [3, 4]]}, NUMBERS) == expected


def test_a_slice_of_a_repeat_may_name_the_copy():
    assert evaluate(parse_slice("[i]", ("i",)).body, {"x": [5, 6], "i": 1}, NUMBERS) == 6


def test_arguments_are_known_by_place_name_and_older_name():
    calls = ["tf.reduce_sum(x, 1, True)", "tf.reduce_sum(x, keepdims=True, axis=1)"]
    calls += ["tf.math.reduce_sum(input_tensor=x, reduction_indices=1, keep_dims=True)"]
    bodies = [parse_lambda(f"lambda x: {call}").body for call in calls]
    assert {body.function for body in bodies} == {"tf.reduce_sum"}
    given = [{name: getattr(tree, "value", "x") for name, tree in body.arguments} for body in bodies]
    assert given == [{"input_tensor": "x", "axis": 1, "keepdims": True}] * 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tf.add_n(x)", 'column 1: a function is needed, "lambda x: ...", found "tf.add_n".'),
        ("lambda x, i: x[i]", 'it takes 2 values where there are 1: "lambda x: ...".'),
        ("lambda : 1", 'the name of a parameter is needed, found ":".'),
        ("lambda x, x: x", 'the name of a parameter is needed, found "x".'),
        ("lambda None: None", 'the name of a parameter is needed, found "None".'),
        ("lambda x: tf.math.add_n", "tf.math.add_n is a function: call it, tf.math.add_n(inputs)."),
        ("lambda x tf", '":" is needed behind the parameters, found "tf".'),
        ("lambda x: y", '"y" is not in the parameters of the lambda ("x").'),
        ("lambda x: x.shape", '"x.shape" reads an attribute, which expressions cannot.'),
        ("lambda x: tf.contact(x, 1)", '"tf.contact" is no function of expressions. Did you mean "tf.concat"?'),
        ("lambda x: __import__('os')", "has no meaning in an expression"),
        ("lambda x: open(x)", '"open" is no function of expressions.'),
        ("lambda x: tf.concat(x)", 'tf.concat needs "axis": tf.concat(values, axis).'),
        ("lambda x: tf.concat(x, axes=1)", 'tf.concat has no "axes": tf.concat(values, axis). Did you mean "axis"?'),
        ("lambda x: tf.concat(x, 1, axis=1)", "tf.concat is given axis twice."),
        ("lambda x: tf.concat(axis=1, x)", "values without a name stand before those with one."),
        ("lambda x: tf.square(x, name='y')", "has no meaning in an expression"),
        ("lambda x: tf.square(x, name=x)", "names of operations are not needed: leave it out."),
        ("lambda x: [x, x", '"]" is needed to close the list, found the end.'),
        ("lambda x: x[]", 'an index is needed, found "]".'),
        ("lambda x: x[0", '"]" is needed to close the "["'),
        ("lambda x: tf.add_n(x", '")" is needed to end the call of tf.add_n, found the end.'),
        ("lambda x: x if x else x", 'found "if"'),
        ("lambda x: [y for y in x]", '"y" is not in the parameters of the lambda ("x").'),
    ],
)
def test_what_is_no_function_of_blocks_is_told(text, says):
    with pytest.raises(ExpressionFault) as caught:
        parse_lambda(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", 'a slice such as "[0]" is needed, found "0".'),
        ("[0] + 1", 'the slice ends here, found "+".'),
        ("[i]", '"i" is not in what a slice may name ().'),
        ("", 'a slice such as "[0]" is needed, found the end.'),
    ],
)
def test_what_is_no_slice_is_told(text, says):
    with pytest.raises(ExpressionFault) as caught:
        parse_slice(text)
    assert says in str(caught.value)


def test_numbers_of_blocks_stay_whole_and_those_of_formulas_do_not():
    assert isinstance(parse_expression("1", BLOCKS).value, int)
    assert isinstance(parse_expression("1", COMPARISONS).value, float)
