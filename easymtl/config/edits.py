"""The flags by which EasyRec's commands change a config, as the overrides of `--set` that they stand for."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import text_encoding, text_format
from google.protobuf.message import Message

from easymtl.errors import UserError

FLAGS = {
    "model_dir": "model_dir",
    "train_input_path": "train_input_path",
    "eval_input_path": "eval_input_path",
    "fine_tune_checkpoint": "train_config.fine_tune_checkpoint",
}
"""The flags that set one field -> its path."""

_EXAMPLE = '{"train_config.num_steps": 10, "feature_configs[0].hash_bucket_size": 100}'
_SPECIAL = set("[]{}<>,\"'")


class Override(str):
    """One `path=value`, with the flag that messages name."""

    flag = "--set"

    @classmethod
    def of(cls, flag: str, path: str, value: str) -> "Override":
        """Returns what a flag stands for."""
        override = cls(f"{path}={value}")
        override.flag = flag
        return override


def overrides_of(flags: Mapping[str, str | None], edit_config_json: str | None) -> list[str]:
    """Returns the overrides that flags of a command stand for: first those of one field, then the edits.

    Args:
        flags: names of `FLAGS` -> what the command line gives them, or None.
        edit_config_json: an object of paths and values.

    Raises:
        UserError: it is no such object.
    """
    found: list[str] = [
        Override.of(f"--{name}", FLAGS[name], _quoted(value)) for name, value in flags.items() if value is not None
    ]
    if edit_config_json is not None:
        found += [Override.of("--edit_config_json", path, value) for path, value in _edits(edit_config_json)]
    return found


def overrides_of_values(values: Mapping[str, Any]) -> list[str]:
    """Returns the overrides that paths and values of a program stand for, in their order.

    Args:
        values: `train_config.num_steps` -> a text as `--set` takes it, a number, True, False, None for an empty
            value, a list of such, a map of the fields below, or a message.

    Raises:
        UserError: a value is none of these.
    """
    return [
        Override.of("overrides", one_path, one_value)
        for path, value in values.items()
        for one_path, one_value in _edit(path, _as_read(value), "overrides")
    ]


def _as_read(value: Any) -> Any:
    """Returns a value of a program as `_edit` takes what is read from JSON."""
    if isinstance(value, Message):
        return f"{{{text_format.MessageToString(value, as_one_line=True, as_utf8=True)}}}"
    if isinstance(value, Mapping):
        return _Pairs((str(name), _as_read(inner)) for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return [_as_read(item) for item in value]
    # Numbers and arrays of NumPy are none of Python's.
    return "" if value is None else value.tolist() if hasattr(value, "tolist") else value


def _edits(text: str) -> Iterator[tuple[str, str]]:
    try:
        # Pairs, not a dict: of a path that stands there twice, both count, in their order.
        document = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"--edit_config_json: this is no JSON: {error}. It takes an object such as {_EXAMPLE}"
        ) from None
    if not isinstance(document, _Pairs):
        raise UserError(f"--edit_config_json: this is no object of paths and values, such as {_EXAMPLE}")
    for path, value in document:
        yield from _edit(path, value, "--edit_config_json")


class _Pairs(list):
    """The members of a JSON object."""


def _edit(path: str, value: Any, flag: str) -> Iterator[tuple[str, str]]:
    """Yields the paths and values of one member: a path may stand for several (`a;b`), an object for its fields."""
    if isinstance(value, _Pairs):
        for name, inner in value:
            yield from _edit(f"{path}.{name}", inner, flag)
        return
    paths = [part.strip() for part in path.split(";")]
    values = [value] if len(paths) == 1 else str(value).split(";")
    if len(values) != len(paths):
        raise UserError(f'{flag}: "{path}" has {len(paths)} paths and {len(values)} values; give each one.')
    for one_path, one_value in zip(paths, values):
        yield one_path, _text(one_path, one_value, flag)


def _text(path: str, value: Any, flag: str) -> str:
    """Returns a value as `--set` takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return value if value == value.strip() else _quoted(value)
    is_plain = isinstance(value, list) and not isinstance(value, _Pairs)
    if is_plain and all(isinstance(item, (str, int, float)) for item in value):
        return f"[{', '.join(_item(path, item, flag) for item in value)}]"
    example = "a text, a number, true, false, or a list of such"
    raise UserError(f'{flag}: "{path}" is {json.dumps(value, default=repr)}; a value is {example}.')


def _item(path: str, item: Any, flag: str) -> str:
    if isinstance(item, str) and (not item or item != item.strip() or _SPECIAL & set(item)):
        return _quoted(item)
    return _text(path, item, flag)


def _quoted(text: str) -> str:
    return f'"{text_encoding.CEscape(text, True)}"'
