"""Encoded blocks on disk, for the next passes over the data and the next trainings (`data_config.encoded_cache`)."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from easymtl.data.block_recorder import LEFT_OUT, NUM_ROWS, BlockRecorder
from easymtl.data.blocks import Block, Source
from easymtl.data.cache_folder import BLOCKS, CacheFolder, Entry, size_of, size_text, use, why
from easymtl.data.file_digests import file_digests
from easymtl.data.pieces import Piece
from easymtl.data.rows import Ragged, Rows
from easymtl.data.rows_file import DamagedFile, read_rows
from easymtl.errors import quoted

_MOST_TOLD = 3


class Codes(Protocol):
    """Numbers of a run that stand for names of two parts."""

    def of(self, feature: str, kind: str) -> int:
        """Returns the number of a name."""

    def known(self) -> list[tuple[str, str]]:
        """Returns the name of each number, in their order."""


@dataclass(frozen=True)
class Encoding:
    """How rows are encoded: what tells whether rows that were encoded before are what they would be now.

    Attributes:
        parts: a digest of each part of it by what a person calls it, such as `the feature "city"`.
        names: the name under which a column is kept, by its name in `Rows`, where that is another one.
        codes: column -> what its values stand for: a name may have another number in another run.
        notes: returns what the encoder knows of all rows so far, as JSON can hold it.
        note: is told what `notes` returned when rows were encoded.
    """

    parts: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Codes] = field(default_factory=dict)
    notes: Callable[[], Mapping[str, Any]] = dict
    note: Callable[[Mapping[str, Any]], None] = lambda notes: None

    @property
    def key(self) -> str:
        """Returns the name of its entry."""
        text = json.dumps(dict(self.parts), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class CacheState:
    """What there is of a source.

    Attributes:
        names: the name of the file of each block.
        files: a digest of each file of the data by its path.
        cached: the blocks that are there.
        num_bytes: that they take.
        reason: why others are not there, as far as that is known: a clause, or empty.
    """

    names: Mapping[Block, str]
    files: Mapping[str, str]
    cached: frozenset[Block]
    num_bytes: int
    reason: str

    @property
    def share(self) -> float:
        """Returns the share of the blocks that is there, by their bytes in the files."""
        total = sum(block.size for block in self.names)
        return sum(block.size for block in self.cached) / total if total else 0.0


def look(path: str, source: Source, encoding: Encoding) -> CacheState:
    """Returns what a folder has of a source; nothing is written.

    Raises:
        UserError: a file of the data is gone or cannot be read.
    """
    folder = CacheFolder(Path(path), 0)
    digests = file_digests(source)
    names = {block: f"{digests[block.file]}-{block.start}-{block.size}.rows" for block in source.blocks}
    files = {file.path: digest for file, digest in digests.items()}
    sizes = {found.name: size_of(found) for found in (folder.path / encoding.key).glob(BLOCKS)}
    cached = frozenset(block for block, name in names.items() if name in sizes)
    num_bytes = sum(sizes[names[block]] for block in cached)
    return CacheState(names, files, cached, num_bytes, _reason(folder, encoding, files))


def described(path: str, state: CacheState) -> str:
    """Returns what there is, and why not more: a sentence without its end."""
    text = f'Encoded cache "{path}": {len(state.cached):,} of {len(state.names):,} blocks are there'
    text += f" ({size_text(state.num_bytes)})" if state.cached else ""
    return f"{text}; {state.reason}" if state.reason else text


def _reason(folder: CacheFolder, encoding: Encoding, files: Mapping[str, str]) -> str:
    entries = folder.entries()
    if encoding.key in entries:
        before = entries[encoding.key].get("files", {})
        changed = [path for path, digest in files.items() if before.get(path, digest) != digest]
        return f"{quoted(changed, limit=3)} changed since it was kept" if changed else ""
    # Of the same files, if there are such, the one that is most alike.
    others = [entry for entry in entries.values() if files.keys() & entry.get("files", {}).keys()]
    found = [_differences(entry.get("parts", {}), encoding.parts) for entry in others]
    nearest = min(found, key=len, default=[])
    if not nearest:
        return ""
    more = f" and {len(nearest) - 3:,} more" if len(nearest) > 3 else ""
    return f"{', '.join(nearest[:3])}{more} changed since it was made"


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [name for name in dict.fromkeys([*now, *before]) if before.get(name) != now.get(name)]


class EncodedCache:
    """Keeps the blocks of a source, of one encoding: a `BlockStore`. Any thread may ask it; `close()` it.

    Attributes:
        path: the folder, as the config names it.
        names: the name under which a column is kept, by its name in `Rows`, where that is another one.
        lock: held by whoever writes.
        opening: a sentence on what was there when it was opened.
        messages: sentences on what went wrong since, in their order.
    """

    def __init__(self, path: str, max_bytes: int, source: Source, encoding: Encoding):
        """Opens the entry, or makes it.

        Args:
            path: the folder; need not be there.
            max_bytes: of the folder; 0 = what the disk has.
            source: whose blocks are kept.
            encoding: of their rows.

        Raises:
            UserError: a file of the data is gone or cannot be read.
        """
        self.path = path
        self.names = encoding.names
        self.lock = threading.RLock()
        self.messages: list[str] = []
        self._source, self._encoding = source, encoding
        self._state = look(path, source, encoding)
        self._folder = CacheFolder(Path(path), max_bytes)
        self._entry = Entry(self._folder.path / encoding.key)
        self._is_recording = not self._entry.problem
        self._recorders: list[BlockRecorder] = []
        self._needed = frozenset(self._state.names.values())
        self._num_told = 0
        # Bytes of the blocks that are kept, and of the same blocks in the files.
        self._kept_bytes = self._state.num_bytes
        self._file_bytes = sum(block.size for block in self._state.cached)
        problem = f". Nothing can be written there: {self._entry.problem}" if self._entry.problem else ""
        self.opening = f"{described(path, self._state)}{problem}."
        if self._is_recording:
            self._begin()

    def get(self, block: Block) -> list[Piece] | None:
        """Returns the pieces of a block; None where it is not there, or damaged."""
        path = self._path(block)
        try:
            with path.open("rb") as file:
                found, said = read_rows(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._tell(f"{path}: this block of the encoded cache cannot be read: {why(error)}.")
            return None
        except DamagedFile as error:
            self._tell(f"{path}: this block of the encoded cache is damaged, and is made again: {error}.")
            with suppress(OSError):
                path.unlink()
            return None
        use(path)
        self._encoding.note(said["notes"])
        tables = {name: _numbers(codes, said["codes"][name]) for name, codes in self._encoding.codes.items()}
        columns = {kept: name for name, kept in self.names.items()}
        return [_piece(rows, of_piece[NUM_ROWS], columns, tables) for rows, of_piece in found]

    def recorder(self, block: Block) -> BlockRecorder | None:
        """Returns who writes a block that is going to be read; None where nothing is written any more."""
        with self.lock:
            if not self._is_recording:
                return None
            recorder = BlockRecorder(block, self._path(block), self)
            self._recorders = [*(one for one in self._recorders if not one.is_done), recorder]
            return recorder

    def close(self) -> None:
        """Drops blocks that are not whole."""
        with self.lock:
            self._is_recording = False
            for recorder in self._recorders:
                recorder.give_up()

    def make_room(self, num_bytes: int) -> None:
        """Sees to it that a file of so many bytes may be written.

        Raises:
            NoRoom: it may not.
            OSError: the folder is gone, and cannot be made again.
        """
        if not self._entry.path.exists():
            self._tell(f'The encoded cache "{self.path}" was removed, and is made again.')
            self._say()
        removed = self._folder.make_room(self._entry.path, self._needed, num_bytes)
        if removed:
            self._tell(f'Encoded cache "{self.path}": {size_text(removed)} that were not used for longest made room.')

    def may_keep(self, block: Block) -> bool:
        """Returns whether there is nothing to warn of in a block that has been read: else it must be read each time."""
        return not self._source.has_warned(block)

    def said(self) -> Mapping[str, Any]:
        """Returns what is told with a block that is now encoded."""
        codes = {name: codes.known() for name, codes in self._encoding.codes.items()}
        return {"notes": dict(self._encoding.notes()), "codes": codes}

    def keep(self, recorder: BlockRecorder) -> None:
        """Counts a block that is there."""
        self._folder.add(recorder.num_bytes)
        self._kept_bytes += recorder.num_bytes
        self._file_bytes += recorder.block.size

    def fail(self, error: Exception) -> None:
        """Writes no more blocks, and says why."""
        if not self._is_recording:
            return
        self.close()
        reason = why(error) if isinstance(error, OSError) else str(error)
        total = sum(block.size for block in self._state.names)
        text = (
            f'Encoded cache "{self.path}": {reason}, so that no more is kept of the data: '
            f"{100 * self._file_bytes / max(total, 1):.0f} % of it is there, and the rest is encoded in every pass."
        )
        if self._file_bytes:
            whole = self._kept_bytes * total / self._file_bytes
            text += (
                f" All of it would take about {size_text(whole)} (data_config.encoded_cache.max_bytes: {whole:.0f})."
            )
        self.messages.append(text)

    def _path(self, block: Block) -> Path:
        return self._entry.path / self._state.names[block]

    def _begin(self) -> None:
        """Writes down what the entry is of, and removes what nobody will read or go on with."""
        before, now = self._entry.said.get("files", {}), self._state.files
        stale = {digest for path, digest in before.items() if now.get(path, digest) != digest}
        try:
            self._entry.remove_blocks_of(stale - set(now.values()))
            self._say()
        except OSError as error:
            self.fail(error)

    def _say(self) -> None:
        # Of the files of other data those are named of which there are blocks.
        digests = {path.name.partition("-")[0] for path in self._entry.path.glob(BLOCKS)}
        others = {path: digest for path, digest in self._entry.said.get("files", {}).items() if digest in digests}
        self._entry.say({"parts": dict(self._encoding.parts), "files": {**others, **self._state.files}})

    def _tell(self, text: str) -> None:
        """Tells what may be true of each block."""
        with self.lock:
            self._num_told += 1
            if self._num_told <= _MOST_TOLD:
                self.messages.append(text)


def _numbers(codes: Codes, known: list[list[str]]) -> np.ndarray:
    """Returns the number of this run of each number of another run."""
    return np.array([codes.of(feature, kind) for feature, kind in known], np.int32)


def _piece(rows: Rows, num_rows: int, names: Mapping[str, str], tables: Mapping[str, np.ndarray]) -> Piece:
    columns = {names.get(name, name): column for name, column in rows.columns.items()}
    left_out = np.asarray(columns.pop(LEFT_OUT))
    for name, numbers in tables.items():
        coded = columns[name]
        assert isinstance(coded, Ragged)
        if (numbers != np.arange(len(numbers))).any():
            columns[name] = Ragged(numbers[np.asarray(coded.values)], coded.lengths, coded.weights)
    return Piece(Rows(columns), num_rows, left_out)
