"""The rows of ids that are dealt out to workers: what these ask and tell each other.

Each id belongs to one worker, by a hash of its key. In each exchange all workers take part, also one without rows, with
the ids of all maps at once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from easymtl.features.growing.admission import Due
from easymtl.features.growing.asked import Asked
from easymtl.features.growing.free_rows import Freed, joined
from easymtl.features.growing.growing_ids import GrowingIds
from easymtl.features.growing.key_map import owners_of
from easymtl.peers.peers import Peers

Maps = Mapping[str, GrowingIds]
ByName = Mapping[str, np.ndarray]
"""Something of each map, by its name; the names come in one order everywhere."""

_DUE = (np.int64, np.int64, np.int64)
_FREED = (np.int32, np.uint32, np.int64)
_EXPIRED = (np.int32, np.uint32)
_QUESTIONS = (np.int64, np.int32, np.int32)
_ROWS = (np.int32,)


class _Question(NamedTuple):
    """What a worker asks the owner of ids, or all workers have asked this one.

    Attributes:
        keys: int64 `[n]`, each once.
        counts: int32 `[n]`, how often each comes.
        order: int32 `[n]`, where each stands among all ids that the worker asks for; of all workers int64.
    """

    keys: np.ndarray
    counts: np.ndarray
    order: np.ndarray


def assign(maps: Maps, keys: ByName, peers: Peers) -> dict[str, np.ndarray]:
    """Returns the rows of the keys of this worker, as one map of all ids gives them to the keys of all workers.

    See `GrowingIds.assign`: it is kept by `GrowingIds.keep` of each map.

    Args:
        maps: this worker's.
        keys: int64 `[n]`.
        peers: the workers that have the ids.
    """

    def give(asked: Mapping[str, _Question], num_values: Mapping[str, int]) -> dict[str, np.ndarray]:
        due = {name: maps[name].see(*one[:2], one.order, num_values[name]) for name, one in asked.items()}
        of_all = _told(due, _DUE, peers)
        for name in maps:
            maps[name].admit([Due(*one) for one in of_all[name]])
        reused = {name: maps[name].reusable() for name in maps}
        if any(maps[name].num_reused() for name in maps):
            of_owners = _told(reused, _FREED, peers)
            reused = {name: joined([Freed(*one) for one in of_owners[name]]) for name in maps}
        return {name: maps[name].give(reused[name]) for name in maps}

    return _answered(keys, peers, give)


def find(maps: Maps, keys: ByName, peers: Peers) -> dict[str, np.ndarray]:
    """Returns the rows of the keys of this worker, see `GrowingIds.find`.

    Args:
        maps: this worker's.
        keys: int64 `[n]`.
        peers: the workers that have the ids.
    """

    def look(asked: Mapping[str, _Question], _: Mapping[str, int]) -> dict[str, np.ndarray]:
        return {name: maps[name].find(one.keys) for name, one in asked.items()}

    return _answered(keys, peers, look)


def sweep(ids: GrowingIds, peers: Peers) -> int:
    """Frees the rows of ids that have not been seen for too long, see `GrowingIds.sweep`; of all workers."""
    if not ids.is_due:
        return 0
    [of_owners] = _told({"": ids.expired()}, _EXPIRED, peers).values()
    return ids.free([(rows, generations) for rows, generations in of_owners])


def _answered(
    keys: ByName,
    peers: Peers,
    answer: Callable[[Mapping[str, _Question], Mapping[str, int]], Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Returns the rows of keys, each of which its owner is asked for once.

    Args:
        keys: int64 `[n]`.
        peers: the workers.
        answer: returns the rows of the keys that this worker has been asked for, each once, given also how many values
            this worker itself asks for.
    """
    asked = {name: Asked.of(own) for name, own in keys.items()}
    owners = {name: owners_of(one.keys, peers.size) for name, one in asked.items()}
    questions = [
        [_Question(*_for_owner(one, owners[name] == owner)) for name, one in asked.items()]
        for owner in range(peers.size)
    ]
    contents = peers.exchange_bytes([_packed([part for one in parts for part in one]) for parts in questions])
    received = [_unpacked(content, _QUESTIONS * len(asked)) for content in contents]
    of_names = {
        name: [_Question(*parts[3 * number : 3 * number + 3]) for parts in received]
        for number, name in enumerate(asked)
    }
    merged = {name: _merged(parts) for name, parts in of_names.items()}
    found = answer({name: one for name, (one, _) in merged.items()}, {n: one.num_values for n, one in asked.items()})
    rows = {name: found[name][places] for name, (_, places) in merged.items()}
    ends = {name: np.cumsum([len(part.keys) for part in parts]) for name, parts in of_names.items()}
    split = {name: np.split(rows[name], ends[name][:-1]) for name in rows}
    answers = peers.exchange_bytes([_packed([split[name][worker] for name in split]) for worker in range(peers.size)])
    came = [_unpacked(content, _ROWS * len(asked)) for content in answers]
    result = {}
    for number, (name, one) in enumerate(asked.items()):
        in_order = np.zeros(len(one.keys), np.int32)
        in_order[np.argsort(owners[name], kind="stable")] = np.concatenate([parts[number] for parts in came])
        result[name] = one.spread(in_order)
    return result


def _for_owner(asked: Asked, is_own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = np.flatnonzero(is_own).astype(np.int32)
    return asked.keys[order], asked.counts[order].astype(np.int32), order


def _merged(parts: Sequence[_Question]) -> tuple[_Question, np.ndarray]:
    """Returns what all workers ask for, each id once, and of which of these each of their ids is.

    Ids come in the order in which they do where those of the first worker stand before those of the second.
    """
    keys = np.concatenate([part.keys for part in parts])
    order = np.concatenate([part.order + (np.int64(worker) << 32) for worker, part in enumerate(parts)])
    asked = Asked.of(keys)
    first = np.zeros(len(asked.keys), np.int64)
    # Of several that are written to one place the last one stays: the first of these.
    first[asked.places[::-1]] = np.arange(len(keys))[::-1]
    counts = np.zeros(len(asked.keys), np.int64)
    np.add.at(counts, asked.places, np.concatenate([part.counts for part in parts]))
    return _Question(asked.keys, counts, order[first]), asked.places


def _told(
    own: Mapping[str, Sequence[np.ndarray]], types: Sequence[type], peers: Peers
) -> dict[str, list[list[np.ndarray]]]:
    """Returns the arrays of all workers in their order, by name, given those of this one."""
    contents = peers.share_bytes(_packed([part for parts in own.values() for part in parts]))
    received = [_unpacked(content, list(types) * len(own)) for content in contents]
    width = len(types)
    return {
        name: [parts[width * number : width * (number + 1)] for parts in received] for number, name in enumerate(own)
    }


def _packed(arrays: Sequence[np.ndarray]) -> bytes:
    lengths = np.array([len(array) for array in arrays], np.int64)
    return b"".join([lengths.tobytes(), *(array.tobytes() for array in arrays)])


def _unpacked(content: bytes, types: Sequence[type]) -> list[np.ndarray]:
    """Returns the arrays, given the types of their numbers."""
    lengths = np.frombuffer(content, np.int64, len(types))
    arrays: list[np.ndarray] = []
    begin = lengths.nbytes
    for length, dtype in zip(lengths, types):
        arrays.append(np.frombuffer(content, dtype, length, begin))
        begin += arrays[-1].nbytes
    return arrays
