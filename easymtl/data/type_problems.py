"""Why a column, or a value in it, cannot be read as declared, and what to do instead: sentences for users."""

from typing import Any

import pyarrow as pa

from easymtl.data import texts
from easymtl.data.column_types import BYTES, kind_of, plain_type, to_texts, unwrapped
from easymtl.data.convert import ALLOWED
from easymtl.data.fields import TYPE_NAMES, Field
from easymtl.data.lists import is_list
from easymtl.data.text_form import TextForm
from easymtl.errors import quoted

# What no input_type reads -> what to write instead.
_NEVER = (
    ("struct", pa.types.is_struct, "Write each of its fields as a column of its own."),
    ("map", pa.types.is_map, "Write its keys as one list and its values as another, for a TagFeature with weights."),
)
_NESTED = "Write one list of texts or numbers for each row."


def type_problem(found: pa.DataType, field: Field, what: str = "file") -> str:
    """Returns why a column of a type cannot be read as declared, and what to do; empty when it can.

    Args:
        found: the type.
        field: declares the column.
        what: holds it, a file or a table.
    """
    plain = plain_type(found)
    head = f'column "{field.name}" is {plain} in the {what} and declared {field.type_name}'
    if is_list(plain):
        return _list_problem(head, plain, field)
    kind = kind_of(plain)
    if kind is None:
        advice = next((text for _, holds, text in _NEVER if holds(plain)), "Write it as text or as a number.")
        return f"{head}, and no input_type reads that. {advice}"
    if field.type == pa.string():
        conflict = _precision_conflict(head, plain, field.form)
        if kind.to_text or conflict:
            return conflict
    elif field.type in kind.casts:
        return ""
    ways = [f"{TYPE_NAMES[one]} ({says})" for one, says in kind.says.items()]
    ways += [f"STRING ({kind.text})"] if kind.to_text else []
    return f"{head}, which it cannot become. Set its input_type in data_config.input_fields to {_or(ways)}."


def _or(ways: list[str]) -> str:
    return ways[0] if len(ways) == 1 else f"{', '.join(ways[:-1])} or {ways[-1]}"


def _precision_conflict(head: str, found: pa.DataType, form: TextForm) -> str:
    if len(form.precisions) < 2 or not pa.types.is_floating(found):
        return ""
    digits = " and ".join(map(str, form.precisions))
    return (
        f"{head}, and features that read it differ in precision ({digits}), so that one number has several texts. "
        "Give them the same precision, or declare a second column for one of them."
    )


def _list_problem(head: str, found: pa.DataType, field: Field) -> str:
    form, items = field.form, plain_type(found.value_type)
    if is_list(items) and form.inner:
        items = plain_type(items.value_type)
    kind = kind_of(items)
    if is_list(items) or pa.types.is_struct(items) or pa.types.is_map(items) or kind is None:
        return f"{head}, and no input_type reads that. {_NESTED}"
    if kind.to_text is None:
        return f"{head}, and its items have no text. Write them as numbers."
    if form.single:
        return f"{head}, a list of values, and {form.single}"
    if not form.separators:
        return (
            f"{head}, a list of values, and no feature reads it as one. A TagFeature and a SequenceFeature do, the "
            "map of a LookupFeature, a RawFeature with raw_input_dim or seq_multi_sep, and a ComboFeature with "
            "combo_input_seps; their field is declared with input_type: STRING."
        )
    if field.type != pa.string():
        return (
            f"{head}. A list is read as the text of its items with the separator of its feature between them: "
            "set its input_type in data_config.input_fields to STRING."
        )
    for name, separators in (("separator", form.separators), ("seq_multi_sep", form.inner)):
        if len(separators) > 1:
            return (
                f"{head}, and features that read it differ in {name} ({quoted(separators)}). "
                "Give them the same one: the items are joined with it."
            )
    return _precision_conflict(head, items, form)


def why_not(column: pa.Array, row: int, field: Field) -> str:
    """Returns what a row holds that does not fit its field, and what is allowed: sentences."""
    found, value = plain_type(column.type), _value(column, row)
    holds = f'column "{field.name}" holds {_shown(value)}'
    if is_list(found):
        return f"{holds}, {_why_no_item(value, found, field)}"
    if field.type == pa.string() and pa.types.is_floating(found):
        return f"{holds}, {texts.why_no_text(value, found)}"
    if pa.types.is_temporal(found):
        return f"{holds}, which is no whole number of microseconds. Write it in microseconds."
    if isinstance(value, bytes) and kind_of(found) is BYTES and field.type == pa.string():
        return f"{holds}, binary that is no UTF-8 text. Write the column as hexadecimal or UUID text."
    advice = field.advice(value) if isinstance(value, str) else ""
    return f"{holds}, which is no {field.type_name} ({ALLOWED[field.type]}).{advice}"


def _value(column: pa.Array, row: int) -> Any:
    try:
        return unwrapped(column.slice(row, 1))[0].as_py()
    except UnicodeDecodeError:
        return column[row : row + 1].cast(pa.binary())[0].as_py()


def _why_no_item(items: list, found: pa.DataType, field: Field) -> str:
    kind, separators = plain_type(found.value_type), field.form.separators
    if is_list(kind):
        kind, separators = plain_type(kind.value_type), (*separators, *field.form.inner)
        items = [item for inner in items if inner is not None for item in inner]
    values = pa.array(items, kind)
    _, bad = to_texts(values, field.form)
    if len(bad):
        _, _, reason = why_not(values, int(bad[0]), field).partition(" holds ")
        return f"of which one is {reason}"
    if field.form.tags and any(item != item for item in items):
        return "a weight of which is NaN. Write null for a weight of 1, or leave out the tag."
    return (
        f"with an item that holds {quoted(separators)}, the separator of its feature: a request could not "
        "say it. Set another separator in the feature."
    )


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value) if isinstance(value, bytes) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
