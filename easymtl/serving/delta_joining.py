"""Joining: an export and the deltas behind it become the export that they stand for, byte by byte."""

import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easymtl.checkpoints.integrity import damage
from easymtl.checkpoints.publishing import draft_of, publish, reason
from easymtl.errors import UserError
from easymtl.serving.delta_folders import Delta, described, is_delta, is_whole, versions_in
from easymtl.serving.delta_graph import whole
from easymtl.serving.delta_rows import ROWS, checksums, is_written_whole, not_as_it_was, put_back
from easymtl.serving.tensor_bundle import INDEX, Stored, stored_variables

GRAPH = "graph.deflated"
MODEL = "saved_model.pb"

_WAY_OUT = "Or make a whole export, which needs no base: easymtl export without --since."


@dataclass(frozen=True)
class Chain:
    """What has to be joined.

    Attributes:
        whole: an export.
        deltas: of which the first is made from it, and each other from the one before.
    """

    whole: Path
    deltas: Sequence[Delta]


def joined(delta: Path, into: Path) -> Path:
    """Joins a delta onto its base, which lies beside it or in `into`, and writes `into/<version>` as an export has it.

    It is written beside and renamed, so that a server may watch `into`.

    Args:
        delta: the folder of the delta.
        into: where to, a folder of numbered versions; it is made if it is not there.

    Returns:
        The folder of the version.

    Raises:
        UserError: the base is not there or another one, a file is damaged, or the version is there already.
    """
    target = into / str(Delta(delta).version)
    if target.exists():
        raise UserError(f"{target} is there already. Name another folder, or remove it.")
    chain = chain_of(delta, [into])
    into.mkdir(parents=True, exist_ok=True)
    join(chain, target)
    return target


def chain_of(delta: Path, places: Sequence[Path] = ()) -> Chain:
    """Returns the deltas up to one, and the export that they begin with.

    Args:
        delta: the last one.
        places: folders of versions in which a base is looked for, beside that of the delta that is made from it.

    Raises:
        UserError: a base is not there, or is another one than it was.
    """
    deltas = [Delta(delta)]
    while True:
        base = _base_of(deltas[0], [delta.parent, *places], {one.path for one in deltas})
        if not is_delta(base):
            return Chain(base, deltas)
        deltas.insert(0, Delta(base))


def join(chain: Chain, target: Path) -> None:
    """Writes the export that a chain stands for, beside `target`, compares it with what it was, and renames it.

    Raises:
        UserError: a file cannot be read or written, or what comes out is not what it was.
    """
    last = chain.deltas[-1]
    draft = draft_of(target)
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir()
        (draft / "variables").mkdir()
        _write_graph(chain, draft)
        _write_variables(chain, draft)
        _copy_files(chain, draft)
        problem = damage(draft, last.record["files"])
        if problem:
            raise UserError(
                f"{last.path}: joined with {chain.whole}, {problem}: a file of one of them is damaged. Copy them "
                f"again. {_WAY_OUT}"
            )
        publish(draft, target)
    except (OSError, ValueError, KeyError, IndexError, zlib.error) as error:
        raise UserError(f"{last.path}: cannot be joined with {chain.whole}: {reason(error)}. {_WAY_OUT}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def identity_of(version: Path) -> dict[str, int]:
    """Returns the checksums of the variables of an export or of what a delta leads to, by name.

    Raises:
        UserError: it cannot be read.
    """
    return (
        dict(Delta(version).record["variables_checksums"])
        if is_delta(version)
        else checksums(stored_variables(version))
    )


def _base_of(delta: Delta, places: Sequence[Path], seen: set[Path]) -> Path:
    """Returns the version that a delta was made from: that of its number, or else an export with the same rows."""
    wanted = delta.record["base"]
    places = list(dict.fromkeys(places))
    found = [(number, path) for place in places for number, path in versions_in(place).items() if path not in seen]
    called = [path for number, path in found if number == wanted["version"]]
    others = [path for number, path in found if number != wanted["version"] and is_whole(path)]
    problems = []
    for path in [*called, *reversed(others)]:
        problem = _difference(path, wanted)
        if not problem:
            return path
        if path in called:
            problems.append(f"{path} {problem}")
    version = "an export" if wanted["version"] is None else f"version {wanted['version']}"
    missing = f"{version} of step {wanted['step']}"
    said = (
        f"its base was {missing}, but {problems[0]}"
        if problems
        else f"its base, {missing}, is not in {described(places)}"
    )
    raise UserError(f"{delta.path}: {said}. Copy it there. {_WAY_OUT}")


def _difference(version: Path, wanted: Mapping[str, Any]) -> str:
    """Returns how a version differs from the base that a delta was made from."""
    try:
        found = identity_of(version)
    except UserError as error:
        return f"cannot be read ({error})"
    expected = wanted["variables_checksums"]
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            return f"has other rows: {not_as_it_was(name)}"
    problem = damage(version, wanted["files"]) if is_whole(version) else _difference_of_files(version, wanted["files"])
    return f"is another export: {problem}" if problem else ""


def _difference_of_files(delta: Path, wanted: Mapping[str, Any]) -> str:
    found = Delta(delta).record["files"]
    changed = [name for name, facts in wanted.items() if found.get(name) != facts]
    return f"{changed[0]} is another file" if changed else ""


def _write_graph(chain: Chain, draft: Path) -> None:
    graph = (chain.whole / MODEL).read_bytes()
    for delta in chain.deltas:
        graph = whole((delta.path / GRAPH).read_bytes(), delta.record["graph"], graph)
    (draft / MODEL).write_bytes(graph)


def _write_variables(chain: Chain, draft: Path) -> None:
    last = chain.deltas[-1]
    shutil.copyfile(last.path / Path(INDEX).name, draft / INDEX)
    base, targets = stored_variables(chain.whole), stored_variables(draft)
    for file, size in _sizes_of_files(targets).items():
        with file.open("wb") as opened:
            opened.truncate(size)
    for name, target in targets.items():
        changes = [_changes(delta, name) for delta in chain.deltas]
        begins = [place for place, (entry, _) in enumerate(changes) if is_written_whole(entry)]
        put_back(target, None if begins else base[name], changes[begins[-1] if begins else 0 :])


def _changes(delta: Delta, name: str) -> tuple[Mapping[str, Any], Path]:
    entry = delta.record["variables"][name]
    return entry, delta.path / ROWS / str(entry["number"])


def _sizes_of_files(variables: Mapping[str, Stored]) -> dict[Path, int]:
    sizes: dict[Path, int] = {}
    for one in variables.values():
        sizes[one.file] = max(sizes.get(one.file, 0), one.offset + one.size)
    return sizes


def _copy_files(chain: Chain, draft: Path) -> None:
    """Copies all other files: those of the last delta, and what it has taken over from versions before."""
    folders = [*(delta.path for delta in reversed(chain.deltas)), chain.whole]
    for name in chain.deltas[-1].record["files"]:
        there = [folder / name for folder in folders if (folder / name).is_file()]
        if there and not (draft / name).exists():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(there[0], draft / name)
