import re

import pytest

from easymtl.config.rules.values import value_faults
from easymtl.extensions import DNN, Architecture, Loss, Metric, Parameter
from easymtl.protos.task_pb2 import TaskTower

ALL = [
    Parameter("number", int, default=-4, range="[-5, 5)"),
    Parameter("rate", float, default=0.1),
    Parameter("whole", float, default=3),
    Parameter("is_on", bool, default=True),
    Parameter("mode", str, default="b", choices=("a", "b")),
    Parameter("maybe", int, default=None),
    Parameter("dnn", DNN, default=None),
    Parameter("sizes", list[int], default=(1, 2)),
    Parameter("names", list[str], default=()),
    Parameter("must", str),
]


def test_the_message_has_the_declared_fields_with_their_defaults():
    message = Architecture("a.b:C", ALL).message()
    assert (message.number, message.rate, message.whole, message.is_on, message.mode) == (-4, 0.1, 3.0, True, "b")
    assert not message.HasField("maybe") and not message.HasField("dnn")
    message.dnn.hidden_units.append(3)
    message.sizes.extend([2**40])
    assert isinstance(message.dnn, DNN) and message.sizes == [2**40]
    message.task_towers.add(tower_name="a")
    assert isinstance(message.task_towers[0], TaskTower) and message.l2_regularization == 0


def test_ranges_and_choices_are_those_of_built_in_fields():
    message = Architecture("a.b:C", ALL).message(number=5, mode="c")
    assert list(value_faults(message)) == [
        ("number", "is 5, outside of [-5, 5)."),
        ("mode", '"c" is none of "a", "b".'),
    ]


def test_equal_declarations_have_one_type_and_others_another():
    first, second, third = (Loss("a.b:C", [Parameter("x", int, default=value)]) for value in (1, 1, 2))
    assert first.message is second.message is not third.message
    assert (second.message().x, third.message().x) == (1, 2)


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        (dict, {}, "has the kind <class 'dict'>; there are int, float, bool, str, DNN"),
        (list[dict], {}, "has the kind list[dict]"),
        (list, {}, "has the kind <class 'list'>"),
        (int, {"default": 1.5}, "has the default 1.5, which is no int"),
        (int, {"default": True}, "has the default True, which is no int"),
        (float, {"default": "1"}, "has the default '1', which is no float"),
        (list[int], {"default": 3}, "is a list, and its default is 3"),
        (list[int], {"default": ("a",)}, "has the default 'a', which is no int"),
        (DNN, {"default": 3}, "is a network, which has no default"),
        (str, {"range": "[0, 1]"}, 'has the range "[0, 1]"'),
        (int, {"range": "0 to 1"}, 'has the range "0 to 1"'),
        (int, {"range": "[low, high]"}, 'has the range "[low, high]"'),
        (int, {"range": "[1, 0]"}, 'has the range "[1, 0]"'),
        (float, {"range": "[1, 1)"}, 'has the range "[1, 1)"'),
        (float, {"range": "[0, nan]"}, 'has the range "[0, nan]"'),
        (float, {"range": "[0, 1)", "default": 1}, "has the default 1, which is outside of its range [0, 1)"),
        (list[int], {"range": "[1, 9]", "default": (3, 0)}, "has the default 0, which is outside of its range [1, 9]"),
        (str, {"choices": "sum"}, 'has the choices "sum"; they are a tuple of texts'),
        (int, {"choices": ("1",)}, "has choices, which are those of a text"),
        (str, {"choices": ("a b",)}, "has the choices ('a b',), which must not"),
        (str, {"choices": ("a",), "default": "b"}, "has the default 'b', which is none of its choices"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(kind, options, says):
    with pytest.raises(ValueError, match=re.escape(f'parameter "x" {says}')):
        Parameter("x", kind, **options)


@pytest.mark.parametrize("interval", ["[0, 1)", "(0,inf)", "(-inf, -1e-3]", "[1, 1]"])
def test_ranges_that_a_number_can_lie_in(interval):
    assert Parameter("x", float, range=interval).range == interval


@pytest.mark.parametrize("name", ["X", "1x", "lambda", "a-b", ""])
def test_names_are_attributes(name):
    with pytest.raises(ValueError, match="needs a name of lower-case letters"):
        Parameter(name, int)


def test_names_are_taken_once():
    twice = [Parameter("x", int), Parameter("x", str)]
    with pytest.raises(ValueError, match='"x" has a name that is taken'):
        Loss("a.b:C", twice)
    towers = [Parameter("task_towers", int)]
    assert Loss("a.b:C", towers).message(task_towers=3).task_towers == 3
    with pytest.raises(ValueError, match='"task_towers" has a name that is taken'):
        Architecture("a.b:C", towers)


def test_declarations_say_what_is_wrong_with_them():
    user, optional = Parameter("user", str), Parameter("user", str, default="user_id")
    assert Metric("a.b:c", [user], groups="user").field_parameter == "user"
    for says, make in (
        ('target "a.b" is not of the form', lambda: Loss("a.b")),
        ('predicts is "rate"', lambda: Loss("a.b:c", predicts="rate")),
        ("a value is predicted by one logit", lambda: Loss("a.b:c", predicts="value", num_class=3)),
        ('"user" is to be a name, and is no parameter', lambda: Loss("a.b:c", session="user")),
        ('"user" names a field of the data, and must not', lambda: Metric("a.b:c", [optional], groups="user")),
        ('"user" is to be a name', lambda: Architecture("a.b:c", feature_groups=("user",))),
        ("tasks is ('regression',)", lambda: Metric("a.b:c", tasks=("regression",))),
        ("tasks is ()", lambda: Metric("a.b:c", tasks=())),
    ):
        with pytest.raises(ValueError, match=re.escape(says)):
            make()
