"""Ids that are dealt out to workers have the rows that one map of all ids gives them, and come back to any number."""

import numpy as np
import pytest

from easymtl.features.growing import dealt_out
from easymtl.features.growing.growing_ids import GrowingIds
from easymtl.features.growing.key_map import MISSING, owners_of
from easymtl.features.growing.map_memory import bytes_of_ids
from easymtl.protos.feature_pb2 import Growing
from tests.peers.threads import MOST, make_devices, together

pytestmark = pytest.mark.threads

SETTINGS = {
    "plain": Growing(max_rows=300),
    "full": Growing(max_rows=40),
    "rare": Growing(max_rows=300, admit_after=3),
    "gone": Growing(max_rows=200, expire_after_steps=5),
    "all": Growing(max_rows=60, admit_after=2, expire_after_steps=16),
}
STEPS = 48


@pytest.fixture(scope="module", autouse=True)
def devices():
    make_devices()


def keys_of(step: int, worker: int) -> dict[str, np.ndarray]:
    """Ids that come and go; now and then a worker has none, in the end the last one never has any."""
    random = np.random.default_rng([step, worker])
    found = {}
    for name in SETTINGS:
        number = 0 if (step + worker) % 7 == 0 or (worker == 2 and step > 30) else random.integers(0, 25)
        keys = step * 3 + np.minimum(random.zipf(1.4, number), 500)
        found[name] = np.where(random.random(number) < 0.05, MISSING, keys * -(2**40))
    return found


def make(index=0, num_owners=1):
    return {name: GrowingIds(settings, index, num_owners) for name, settings in SETTINGS.items()}


def one_map(size):
    """What one owner of all ids gives to the ids of so many workers, step by step, and the map in the end."""
    maps, given = make(), []
    for step in range(STEPS):
        parts = [keys_of(step, worker) for worker in range(size)]
        rows = {}
        for name, ids in maps.items():
            ids.clock = step
            ids.sweep()
            found = ids.assign(np.concatenate([part[name] for part in parts]))
            rows[name] = np.split(found, np.cumsum([len(part[name]) for part in parts])[:-1])
        given.append((rows, {name: [part.tolist() for part in ids.reused()] for name, ids in maps.items()}))
        for ids in maps.values():
            ids.keep()
    return maps, given


def work_on(workers, maps, begin, end):
    """Takes part in steps, and returns what was given in each."""
    given = []
    for step in range(begin, end):
        for ids in maps.values():
            ids.clock = step
            dealt_out.sweep(ids, workers)
        keys = keys_of(step, workers.index)
        if step % 5 == 0:
            # Of a step that was refused.
            dealt_out.assign(maps, {name: own + 1 for name, own in keys.items()}, workers)
        rows = dealt_out.assign(maps, keys, workers)
        given.append((rows, {name: [part.tolist() for part in ids.reused()] for name, ids in maps.items()}))
        for ids in maps.values():
            ids.keep()
    return given


@pytest.fixture(scope="module", params=[2, MOST])
def both(request):
    """How many workers there are, what one map has come to, and what each of them has: maps and what was given."""
    size = request.param

    def work(workers):
        maps = make(workers.index, size)
        return maps, work_on(workers, maps, 0, STEPS)

    return size, one_map(size), together(size, work)


def test_the_rows_are_those_of_one_map_of_all_ids(both):
    _, (whole, expected), workers = both
    for worker, (_, given) in enumerate(workers):
        for (rows, reused), (of_all, reused_by_one) in zip(given, expected, strict=True):
            assert {name: own.tolist() for name, own in rows.items()} == {
                name: parts[worker].tolist() for name, parts in of_all.items()
            }
            assert reused == reused_by_one
    for name, ids in whole.items():
        parts = [maps[name] for maps, _ in workers]
        assert {(part.num_ids, part.is_full) for part in parts} == {(ids.num_ids, ids.is_full)}
        assert all(part.sightings == ids.sightings for part in parts), name
        assert sum(part.num_candidates for part in parts) == ids.num_candidates
    # There was something to agree on.
    assert whole["gone"].sightings.num_freed > 100 and whole["full"].is_full and whole["rare"].num_candidates > 50


def test_each_worker_has_its_own_ids_and_no_others(both):
    size, (whole, _), workers = both
    for name, ids in whole.items():
        found = []
        for worker, (maps, _) in enumerate(workers):
            keys, rows = maps[name].ids()
            assert (owners_of(keys, size) == worker).all()
            found += zip(rows.tolist(), keys.tolist())
            arrays = maps[name].arrays()
            assert len(arrays["keys"]) == len(keys) and (arrays["free"] % size == worker).all()
        keys, rows = ids.ids()
        assert sorted(found) == list(zip(rows.tolist(), keys.tolist()))


def same(ours, theirs):
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)
        assert ours[name].dtype == array.dtype


def test_what_any_number_has_saved_is_taken_over_by_any_other(both):
    size, (whole, _), workers = both
    for name, ids in whole.items():
        parts = [maps[name].arrays() for maps, _ in workers]
        alone = GrowingIds(SETTINGS[name])
        alone.restore(parts)
        same(alone.arrays(), ids.arrays())
        for number in (2, 3):
            again = [GrowingIds(SETTINGS[name], index, number) for index in range(number)]
            for part in again:
                part.restore([ids.arrays()])
                assert part.num_ids == ids.num_ids
            for saved, part in zip(parts, again):
                if number == size:
                    same(part.arrays(), saved)
            # And from them to others once more.
            last = GrowingIds(SETTINGS[name])
            last.restore([part.arrays() for part in again])
            same(last.arrays(), ids.arrays())


def test_maps_that_were_saved_go_on_as_those_that_were_not(both):
    size, _, workers = both

    def work(workers):
        maps = make(workers.index, size)
        work_on(workers, maps, 0, 20)
        # All read the files of all.
        saved = arrays_of_all(workers, maps)
        maps = make(workers.index, size)
        for name, ids in maps.items():
            ids.restore(saved[name])
        work_on(workers, maps, 20, STEPS)
        return maps

    for (undisturbed, _), again in zip(workers, together(size, work)):
        for name, ids in undisturbed.items():
            same(again[name].arrays(), ids.arrays())


def arrays_of_all(workers, maps):
    """Returns the arrays of each map, of all workers."""
    own = {name: {key: (str(a.dtype), a.tolist()) for key, a in ids.arrays().items()} for name, ids in maps.items()}
    of_all = workers.share(own)
    return {
        name: [{key: np.array(value, dtype) for key, (dtype, value) in one[name].items()} for one in of_all]
        for name in maps
    }


def test_rows_are_found_by_all_who_ask(both):
    size, (whole, _), workers = both

    def work(peers):
        maps = workers[peers.index][0]
        keys = keys_of(STEPS - 1 - peers.index, 1) | {"full": np.zeros(0, np.int64)}
        return keys, dealt_out.find(maps, keys, peers)

    for keys, found in together(size, work):
        for name, ids in whole.items():
            assert found[name].tolist() == ids.find(keys[name]).tolist()


@pytest.mark.parametrize("settings", [Growing(max_rows=10**8), Growing(max_rows=10**8, admit_after=2)], ids=str)
def test_each_of_several_workers_takes_its_part_of_the_memory(settings):
    assert bytes_of_ids(settings, 8) < 1.01 * bytes_of_ids(settings) / 8
