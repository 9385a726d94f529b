"""Requests that went wrong on their way to a server, and what its answer has to name.

A document has one thing in it changed, taken away or put in, as a client's mistake would; bytes are changed or cut
off. What comes of it may be as right as before.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

STRANGE = [
    None, True, -1, 0, 1.5, 1e300, -(2**63), 2**64, "", "x" * 3000, "\x00", "用户", [], [[]], [1, [2]], {},
    {"b64": "!"}, {"b64": "AAAA"}, {"a": {"b": []}}, [None] * 5,
]  # fmt: skip
_STRANGE_NAMES = ["pric", "instances", "inputs", "b64", ""]


def spoiled(dice: Random, value: Any) -> tuple[Any, list[str]]:
    """Returns a document with one thing in it changed, taken away or put in, and the names on the way to it."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        name, choice = dice.choice(list(value)), dice.random()
        if choice < 0.15:
            return {other: one for other, one in value.items() if other != name}, [name]
        if choice < 0.3:
            strange = dice.choice(_STRANGE_NAMES)
            return {**value, strange: dice.choice(STRANGE)}, [strange]
        changed, names = spoiled(dice, value[name])
        return {**value, name: changed}, [name, *names]
    if isinstance(value, list) and value and dice.random() < 0.8:
        place = dice.randrange(len(value))
        changed, names = spoiled(dice, value[place])
        return [*value[:place], *([changed] * dice.choice([0, 1, 1, 1, 2])), *value[place + 1 :]], names
    if isinstance(value, str | int | float) and dice.random() < 0.6:
        # Something else that may stand there.
        return type(value)(dice.randrange(100)), []
    return dice.choice(STRANGE), []


def cut_or_flipped(dice: Random, body: bytes) -> bytes:
    """Returns bytes with some of them changed, or without their end."""
    if dice.random() < 0.3:
        return body[: dice.randrange(len(body) + 1)]
    changed = bytearray(body)
    for _ in range(dice.choice([1, 2, 10])):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def spoiled_message(dice: Random, message: Any) -> list[str]:
    """Changes one thing of a PredictRequest; returns words of which a refusal has one."""
    name = dice.choice(list(message.inputs))
    tensor, spec = message.inputs[name], message.model_spec
    signature = dice.choice(["user_once", "none", "serving_default"])
    output = dice.choice(["kinds", "kind"])
    version = dice.choice([3, 4, -1])
    sizes = [-1, 0, 1, 1 << 20, 1 << 62]
    changes: Mapping[str, list[Callable[[], Any]]] = {
        name: [
            lambda: message.inputs.pop(name),
            lambda: message.inputs[name + "s"].CopyFrom(tensor),
            lambda: setattr(tensor, "dtype", dice.randrange(30)),
            lambda: setattr(tensor.tensor_shape, "unknown_rank", True),
            lambda: tensor.tensor_shape.dim.add(size=dice.choice(sizes)),
            lambda: setattr(tensor.tensor_shape.dim[0], "size", dice.choice([-5, 0, 1, 2, 4, 1 << 40])),
            lambda: setattr(tensor, "tensor_content", dice.choice([b"", b"123", b"12345678"])),
            lambda: tensor.float_val.append(1.0),
            lambda: tensor.ClearField("string_val"),
        ],
        output: [lambda: message.output_filter.append(output)],
        signature: [lambda: setattr(spec, "signature_name", signature)],
        f"version {version}": [lambda: setattr(spec.version, "value", version)],
        "model_spec.name": [lambda: setattr(spec, "name", dice.choice(["model", ""]))],
    }
    word, change = dice.choice([(word, change) for word, some in changes.items() for change in some])
    change()
    return [word]
