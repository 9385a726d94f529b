"""The declared columns of the data: `data_config.input_fields` as Arrow types."""

from dataclasses import dataclass

import pyarrow as pa

from easymtl.config import view
from easymtl.data.text_form import OF_IDS, TextForm
from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig

ARROW_TYPES = {
    DatasetConfig.INT32: pa.int32(),
    DatasetConfig.INT64: pa.int64(),
    DatasetConfig.STRING: pa.string(),
    DatasetConfig.FLOAT: pa.float32(),
    DatasetConfig.DOUBLE: pa.float64(),
    DatasetConfig.BOOL: pa.bool_(),
}
TYPE_NAMES = {kind: DatasetConfig.FieldType.Name(number) for number, kind in ARROW_TYPES.items()}

# How string columns come out of a source: each distinct value of a batch is held once.
DICTIONARY = pa.dictionary(pa.int32(), pa.string())

LISTS = pa.large_list(DICTIONARY)
"""How list columns come out of a source for whoever reads items, see `open_source`: each distinct one is held once."""


@dataclass(frozen=True)
class Field:
    """A declared column.

    Attributes:
        name: its `input_name`.
        type: the Arrow type of its `input_type`.
        default: the text of `default_val`, taken for an empty value, or None when a missing value stays missing.
        form: what its readers need its text to be, where it is declared STRING.
        as_found: the type of a column that is handed on as it is in the files, else None.
        is_label: whether it is one of `data_config.label_fields`.
        has_items: whether lists come out as their items; otherwise as texts.
        serving: the text of `serving_value`, which features read where rows are scored; None where they read the data.
    """

    name: str
    type: pa.DataType
    default: str | None
    form: TextForm = OF_IDS
    as_found: pa.DataType | None = None
    is_label: bool = False
    has_items: bool = False
    serving: str | None = None

    @property
    def type_name(self) -> str:
        """Returns the type as the config spells it, such as `INT32`."""
        return TYPE_NAMES[self.type]

    @property
    def column_type(self) -> pa.DataType:
        """Returns the Arrow type that a source yields: a dictionary for strings, lists of them, else `type`."""
        if self.as_found is not None:
            return self.as_found
        if self.has_items:
            return LISTS
        return DICTIONARY if self.type == pa.string() else self.type

    def advice(self, text: str) -> str:
        """Returns what else to do about a text that is no value of the type: of labels in words, else nothing."""
        is_word = all(character.isalpha() or character in " _-" for character in text) and text.strip(" _-")
        if not self.is_label or not is_word:
            return ""
        return (
            f" If it is a word for a label, declare the field as STRING and say what each word stands for: "
            f'data_config {{ label_values {{ label_name: "{self.name}" number: 1 texts: "{text.strip()}" }} }}.'
        )


def input_fields(data_config: DatasetConfig) -> dict[str, Field]:
    """Returns the declared columns by name, in the order of the config.

    Raises:
        UserError: a name is declared twice.
    """
    fields: dict[str, Field] = {}
    for message in data_config.input_fields:
        default = message.default_val if message.HasField("default_val") else None
        kind = ARROW_TYPES[message.input_type]
        if default == "" and kind != pa.string():
            default = None
        serving = message.serving_value if message.HasField("serving_value") else None
        for name in view.input_field_names(data_config, message):
            if name in fields:
                raise UserError(f'data_config.input_fields declares "{name}" twice. Keep one of the two.')
            is_label = name in data_config.label_fields
            fields[name] = Field(name, kind, default, is_label=is_label, serving=serving)
    return fields
