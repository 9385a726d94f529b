"""The kinds of packed columns: ids, bags, numbers, steps and plain values; one file per kind.

A kind owns the way of its features from pieces to vectors: packed in NumPy from distinct values (training), packed in
TensorFlow from the rows of a request (serving), looked up in both forms, and written out for messages.
"""

from easymtl.features.kinds.bags import BagColumns
from easymtl.features.kinds.base import Numbers, PackedColumns, Slot, Table
from easymtl.features.kinds.ids import IdColumns
from easymtl.features.kinds.numbers import DenseColumns
from easymtl.features.kinds.plain import PlainColumns
from easymtl.features.kinds.steps import StepColumns

__all__ = [
    "KINDS",
    "BagColumns",
    "DenseColumns",
    "IdColumns",
    "Numbers",
    "PackedColumns",
    "PlainColumns",
    "Slot",
    "StepColumns",
    "Table",
]

KINDS: dict[str, type[PackedColumns]] = {
    "ids": IdColumns,
    "bags": BagColumns,
    "dense": DenseColumns,
    "steps": StepColumns,
    "plain": PlainColumns,
}
"""Beginning of the name of a column of `Rows` -> its kind."""
