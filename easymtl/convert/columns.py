"""The columns of the data: what TorchEasyRec finds out from the files, or from what reads a column, and we declare."""

from dataclasses import dataclass, field

from easymtl.convert.source import Node
from easymtl.errors import quoted
from easymtl.protos.data_pb2 import DatasetConfig

_SCALARS = {"INT32", "INT64", "STRING", "FLOAT", "DOUBLE"}
_INTEGERS = {"INT32", "INT64"}
_WIDEST_FIRST = ("STRING", "DOUBLE", "FLOAT", "INT32")
_OF_TEXT = {"BIGINT": "INT64", "INT": "INT32", "LONG": "INT64", "TEXT": "STRING"}
FieldType = DatasetConfig.FieldType


@dataclass
class Column:
    """One column, as it is declared and as rules want it.

    Attributes:
        name: its name.
        declared: its type in TorchEasyRec's config, empty when it has none there.
        wanted: the types that its readers would like, such as `STRING` for ids.
        needs_text: whether a reader takes several values of it.
        readers: the features that read it, each with what stands for a missing value there; empty for none.
    """

    name: str
    declared: str = ""
    wanted: list[str] = field(default_factory=list)
    needs_text: bool = False
    readers: list[tuple[Node, str]] = field(default_factory=list)

    @property
    def default(self) -> str:
        """What stands for a missing value; empty for none, and for 0 where numbers alone are read, as it is that."""
        defaults = [value for _, value in self.readers if value]
        is_zero = "STRING" not in self.wanted and set(defaults) == {"0"}
        return defaults[0] if defaults and not is_zero else ""

    @property
    def type(self) -> str:
        """The type to declare: the one that is declared where every reader can take it."""
        if self.needs_text or (self.declared and self.declared not in _SCALARS):
            return "STRING"
        if "STRING" in self.wanted and self.declared in ("FLOAT", "DOUBLE"):
            return "STRING"
        return self.declared or next((kind for kind in _WIDEST_FIRST if kind in self.wanted), "STRING")


class Columns:
    """The columns of a config, in the order of their declaration, then in that of their readers."""

    def __init__(self, data: Node):
        self._data = data
        self._columns: dict[str, Column] = {}
        for node in data.nodes("input_fields"):
            kind = node.name_of("input_type") if node.has("input_type") else ""
            self._declare(node.take("input_name"), kind)
        self._read_text()

    def declared_type(self, name: str) -> str:
        """Returns the type of a column in TorchEasyRec's config, empty when it has none there."""
        return self._columns[name].declared if name in self._columns else ""

    @property
    def are_declared(self) -> bool:
        """Whether the config lists columns."""
        return any(True for _ in self._data.message.input_fields) or self._data.has("input_fields_str")

    def want(self, name: str, kind: str, needs_text: bool = False) -> None:
        """Adds a reader of a column.

        Args:
            name: the column.
            kind: the type that suits it when the config names none.
            needs_text: whether it has to be a text, whatever the config says.
        """
        column = self._columns.setdefault(name, Column(name))
        column.wanted.append(kind)
        column.needs_text = column.needs_text or needs_text

    def add_reader(self, name: str, node: Node, default: str) -> None:
        """Says which feature reads a column, and what stands for a missing value there; an empty text for none."""
        self._columns[name].readers.append((node, default))

    def fill(self, data_config: DatasetConfig) -> None:
        """Writes `input_fields`, and remarks on types that were guessed and on types that cannot be read."""
        guessed: dict[str, list[str]] = {}
        for column in self._columns.values():
            entry = data_config.input_fields.add(input_name=column.name, input_type=FieldType.Value(column.type))
            if column.default:
                entry.default_val = column.default
            if not column.declared:
                guessed.setdefault(column.type, []).append(column.name)
            self._remark(column)
        for kind, names in guessed.items():
            text = f"{kind} for {quoted(names, 8)}, by what reads them. easymtl check compares them with the files."
            self._data.guessed("input_fields", text)

    def _remark(self, column: Column) -> None:
        for node, default in column.readers:
            if column.default and default != column.default:
                wish = f'not "{default}"' if default else "and not none"
                text = f'a missing "{column.name}" is "{column.default}" for all its readers, {wish}: '
                node.changed("default_value", text + "give the feature a column of its own.")
        if column.declared.startswith("MAP_"):
            text = (
                f'"{column.name}" is a {column.declared}, and maps are not read: write it as text, such as "a:1|b:2".'
            )
            self._data.left_out("input_fields", text)
        elif column.declared.startswith("ARRAY_ARRAY_"):
            text = f'"{column.name}" is a {column.declared}, and lists of lists are not read: write it as text.'
            self._data.left_out("input_fields", text)
        elif column.declared in ("FLOAT", "DOUBLE") and column.type == "STRING" and not column.needs_text:
            text = f'"{column.name}" is read as an id, so it is a STRING and no {column.declared}: 17.0 is "17".'
            self._data.changed("input_fields", text)
        elif column.type in _INTEGERS and "STRING" in column.wanted and not column.default:
            text = f'a missing "{column.name}" is the id 0 in an {column.type} column, and the zero vector there. '
            self._data.changed("input_fields", text + "Declare it as STRING for that.")

    def _declare(self, name: str, kind: str) -> None:
        self._columns[name] = Column(name, kind)

    def _read_text(self) -> None:
        """Reads `input_fields_str`: `name:TYPE;name:TYPE`."""
        if not self._data.has("input_fields_str"):
            return
        for piece in filter(None, map(str.strip, self._data.take("input_fields_str").split(";"))):
            name, _, kind = (part.strip() for part in piece.partition(":"))
            kind = _OF_TEXT.get(kind.upper(), kind.upper().replace("<", "_").rstrip(">"))
            if kind in _SCALARS or kind.startswith(("ARRAY_", "MAP_")):
                self._declare(name, kind)
            else:
                self._declare(name, "")
                self._data.guessed("input_fields_str", f'"{piece}" names no type: that of its reader is used.')
