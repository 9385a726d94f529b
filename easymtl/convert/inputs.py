"""Which columns a feature of TorchEasyRec reads, and what is in them.

It depends on how far the features were computed when the data was written, its `fg_mode`: not at all (FG_NORMAL,
FG_DAG: columns have the names in `expression`), up to the look-up of rows (FG_BUCKETIZE: columns have the features'
names), or wholly (FG_NONE: they hold row numbers).
"""

from easymtl.convert.columns import Columns
from easymtl.convert.normalizers import function_of
from easymtl.convert.source import Node

_INPUTS = {
    "IdFeature": ("expression",),
    "RawFeature": ("expression",),
    "ComboFeature": ("expression",),
    "TokenizeFeature": ("expression",),
    "BoolMaskFeature": ("expression",),
    "CombineFeature": ("expression", "value_map", "combiner"),
    "CustomFeature": ("expression", "operator_name", "operator_lib_file", "operator_params", "is_op_thread_safe"),
    "ExprFeature": ("variables", "expression", "fill_missing"),
    "KvDotProduct": ("query", "document", "kv_delimiter"),
    "LookupFeature": ("map", "key", "combiner", "need_discrete", "need_key", "value_separator"),
    "MatchFeature": ("nested_map", "pkey", "skey", "need_discrete", "show_pkey", "show_skey"),
    "OverlapFeature": ("query", "title", "method"),
}
"""The fields that say what a feature is computed from."""

_READ_DIRECTLY = ("IdFeature", "RawFeature")
_COMPUTED = (
    'it is computed from others there and read as a column "{}" here: write it with the data, as TorchEasyRec does '
    "for fg_mode FG_BUCKETIZE."
)


class Inputs:
    """How the columns of a config are read.

    Attributes:
        are_encoded: whether columns hold row numbers (FG_NONE).
        are_raw: whether columns are what features are computed from (FG_NORMAL, FG_DAG).
    """

    def __init__(self, data: Node, columns: Columns):
        mode = _mode(data)
        self.are_encoded = mode == "FG_NONE"
        self.are_raw = mode in ("FG_NORMAL", "FG_DAG")
        self._is_dag = mode == "FG_DAG"
        self._columns = columns
        self._encoded_separator = data.take("fg_encoded_multival_sep") or "\x03"

    def declared_type(self, name: str) -> str:
        """Returns the type of a column in TorchEasyRec's config, empty when it has none there."""
        return self._columns.declared_type(name)

    def separator(self, node: Node) -> str:
        """Returns what stands between several values in a text, and joins those of a list."""
        separator = node.take("separator") or "\x1d"
        return self._encoded_separator if self.are_encoded else separator

    def crosses(self, node: Node, is_sequence: bool) -> bool:
        """Returns whether a feature is the combination of several columns, and no history of such."""
        return node.name == "ComboFeature" and self.are_raw and not is_sequence

    def names(self, node: Node, name: str, prefix: str, is_sequence: bool) -> list[str]:
        """Returns the columns that a feature reads.

        Args:
            node: the feature.
            name: its name, that of its group of histories included.
            prefix: what the columns of that group begin with.
            is_sequence: whether it is a history.
        """
        fields = [field for field in _INPUTS[node.name] if field in node.message.DESCRIPTOR.fields_by_name]
        node.mark(*fields)
        if not self.are_raw:
            return [name]
        if node.name in _READ_DIRECTLY or self.crosses(node, is_sequence):
            return [self._column(node, text, prefix) for text in _texts(node, "expression")] or [name]
        if self.is_formula_of_one(node):
            return [self._column(node, node.values("variables")[0], prefix)]
        node.changed("", _COMPUTED.format(name))
        node.mark("sequence_fields")
        return [name]

    def is_formula_of_one(self, node: Node) -> bool:
        """Returns whether a feature is a function, which we have, of one column."""
        if node.name != "ExprFeature" or not self.are_raw or len(node.values("variables")) != 1:
            return False
        return bool(function_of(self.formula(node)))

    def formula(self, node: Node) -> str:
        """Returns the formula of an ExprFeature of one variable, with x in place of its name."""
        variable = node.values("variables")[0].rpartition(":")[2]
        words = node.take("expression").replace("(", " ( ").replace(")", " ) ")
        for mark in "+-*/^,":
            words = words.replace(mark, f" {mark} ")
        return "".join("x" if word == variable else word for word in words.split())

    def _column(self, node: Node, expression: str, prefix: str) -> str:
        side, _, column = expression.rpartition(":")
        steps = node.values("sequence_fields")
        if prefix and steps and column not in steps:
            node.left_out("expression", f'"{column}" is no history, and one value is not repeated for each step.')
            return column
        if side == "feature" and self._is_dag:
            text = f'"{column}" is the output of another feature there: write it as a column of that name.'
            node.changed("expression", text)
            return column
        if side == "const":
            text = f'"{expression}" is a constant: write a column "{column}" that holds it.'
            node.changed("expression", text)
        return prefix + column


def _texts(node: Node, field: str) -> list[str]:
    if node.message.DESCRIPTOR.fields_by_name[field].is_repeated:
        return node.values(field)
    return [node.take(field)] if node.has(field) else []


def _mode(data: Node) -> str:
    data.mark("fg_encoded", "fg_mode")
    if data.has("fg_mode") or not data.has("fg_encoded"):
        return data.name_of("fg_mode")
    return "FG_NONE" if data.take("fg_encoded") else "FG_DAG"
