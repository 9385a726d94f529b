"""The rows of ids as a lookup in a graph, for an export."""

import tempfile
from pathlib import Path
from urllib.parse import quote

import tensorflow as tf

from easymtl.features.growing.growing_ids import DEFAULT_ROW, GrowingIds
from easymtl.features.growing.key_map import MISSING
from easymtl.features.pieces import Bags, Ids, Piece, Sequence, expect

_CHUNK = 1 << 18


class ServedIds(tf.Module):
    """The ids that have rows at a time, as a hash table that is filled from a file: an asset of the SavedModel.

    Each line of the file is a key and its row, with a tabulator between them. An id that is not there takes the default
    row, in training and here.

    Attributes:
        version: that of the ids.
    """

    def __init__(self, name: str, ids: GrowingIds):
        """Writes the file and fills the table.

        Args:
            name: of the ids, which is in the name of the file.
            ids: the map.
        """
        super().__init__()
        assert ids.num_owners == 1, "other owners have other ids"
        self.version = ids.version
        self._folder = tempfile.TemporaryDirectory(prefix="easymtl-")
        path = Path(self._folder.name) / f"growing_{quote(name, safe='')}.txt"
        _write(path, ids)
        initializer = tf.lookup.TextFileInitializer(str(path), tf.int64, 0, tf.int64, 1, delimiter="\t")
        self.table = tf.lookup.StaticHashTable(initializer, default_value=DEFAULT_ROW)

    def with_rows(self, piece: Piece) -> Piece:
        """Returns a piece of keys as one of rows of the table: -1 for MISSING, in a bag the default row."""
        if isinstance(piece, Ids):
            return piece._replace(ids=self.table.lookup(piece.ids))
        if isinstance(piece, Bags):
            return piece._replace(ids=tf.maximum(self.table.lookup(piece.ids), DEFAULT_ROW))
        history = expect(piece, Sequence)
        steps = self.with_rows(history.steps)
        assert isinstance(steps, Ids | Bags)
        return history._replace(steps=steps)


def _write(path: Path, ids: GrowingIds) -> None:
    keys, rows = ids.ids()
    with path.open("w", encoding="ascii") as file:
        # A file without lines would be refused, and what is missing has no row.
        file.write(f"{MISSING}\t-1\n")
        for begin in range(0, len(keys), _CHUNK):
            part = zip(keys[begin : begin + _CHUNK].tolist(), rows[begin : begin + _CHUNK].tolist())
            file.write("".join(f"{key}\t{row}\n" for key, row in part))
