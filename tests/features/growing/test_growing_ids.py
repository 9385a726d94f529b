"""The map of a growing table against one that is written with dicts, one key after the other."""

import numpy as np
import pytest

from easymtl.features.growing.growing_ids import GrowingIds
from easymtl.features.growing.key_map import MISSING
from easymtl.features.growing.map_memory import bytes_of_ids
from easymtl.protos.feature_pb2 import Growing


class Oracle:
    """What the docstring of GrowingIds says."""

    def __init__(self, settings):
        self.settings, self.clock = settings, 0
        self.rows, self.seen, self.free, self.next = {}, {}, [], 1
        self.counts, self.counted = {}, {}

    def assign(self, keys):
        keys, limit = keys.tolist(), self.settings.max_rows
        times = {key: keys.count(key) for key in dict.fromkeys(keys) if key != MISSING}
        others = {}
        for key, number in times.items():
            if key not in self.rows:
                is_due = self.counts.get(key, 0) + number >= self.settings.admit_after
                if is_due and len(self.rows) < limit:
                    self.rows[key] = self.free.pop(0) if self.free else self.next
                    self.next = max(self.next, self.rows[key] + 1)
                    self.counts.pop(key, None)
                else:
                    others[key] = number
        for key in times:
            if key in self.rows:
                self.seen[key] = self.clock
        if self.settings.admit_after > 1:
            self._count(others)
        return [-1 if key == MISSING else self.rows.get(key, 0) for key in keys]

    def _count(self, others):
        new = {key: number for key, number in others.items() if key not in self.counts}
        for key in others.keys() - new.keys():
            self.counts[key] += others[key]
            self.counted[key] = self.clock
        most = 2 * (self.settings.max_rows + 1)
        if len(self.counts) + len(new) > most:
            old = sorted(self.counts, key=lambda key: (self.counted[key], key))
            for key in old[: (len(old) + 1) // 2]:
                del self.counts[key]
        for key in list(new)[: most - len(self.counts)]:
            self.counts[key], self.counted[key] = new[key], self.clock

    def sweep(self):
        limit = self.settings.expire_after_steps
        if limit and self.clock % max(limit // 8, 1) == 0:
            for key in sorted(self.rows, key=self.rows.get):
                if self.seen[key] < self.clock - limit:
                    self.free.append(self.rows.pop(key))
            self.counts = {k: n for k, n in self.counts.items() if self.counted[k] >= self.clock - limit}


CASES = [
    Growing(max_rows=10_000),
    Growing(max_rows=40),
    Growing(max_rows=300, admit_after=3),
    Growing(max_rows=20, admit_after=2),
    Growing(max_rows=200, expire_after_steps=5),
    Growing(max_rows=60, admit_after=2, expire_after_steps=16),
    Growing(max_rows=1, admit_after=2, expire_after_steps=1),
]


def batches(seed, number=120):
    """Ids that come and go: what is frequent moves with time."""
    random = np.random.default_rng(seed)
    for step in range(number):
        keys = step * 3 + np.minimum(random.zipf(1.4, random.integers(0, 60)), 500)
        keys = np.where(random.random(len(keys)) < 0.05, MISSING, keys * -(2**40))
        yield step, keys


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_map_gives_rows_as_the_oracle_does(settings):
    ids, expected = GrowingIds(settings), Oracle(settings)
    for step, keys in batches(3):
        ids.clock = expected.clock = step
        ids.sweep()
        expected.sweep()
        assert ids.assign(keys).tolist() == expected.assign(keys)
        ids.keep()
        assert dict(zip(*(part.tolist() for part in ids.ids()))) == expected.rows
        asked = np.concatenate([keys, [step]])
        rows = [-1 if key == MISSING else expected.rows.get(key, 0) for key in asked.tolist()]
        assert ids.find(asked).tolist() == rows
        assert ids.num_candidates == len(expected.counts)


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_map_that_was_saved_goes_on_as_one_that_was_not(settings):
    ids = GrowingIds(settings)
    for step, keys in batches(4):
        if step % 17 == 5:
            arrays, ids = ids.arrays(), GrowingIds(settings)
            ids.restore([arrays])
            again = ids.arrays()
            assert all(np.array_equal(arrays[name], again[name]) for name in arrays)
        ids.clock = step
        ids.sweep()
        ids.assign(keys)
        ids.keep()
    undisturbed = GrowingIds(settings)
    for step, keys in batches(4):
        undisturbed.clock = step
        undisturbed.sweep()
        undisturbed.assign(keys)
        undisturbed.keep()
    ours, theirs = ids.arrays(), undisturbed.arrays()
    assert all(ours[name].dtype == theirs[name].dtype and np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_batch_that_is_not_kept_has_not_been(settings):
    with_bad, without = GrowingIds(settings), GrowingIds(settings)
    for step, keys in batches(5):
        for ids in (with_bad, without):
            ids.clock = step
            ids.sweep()
        with_bad.assign(keys + 999)
        with_bad.sweep()
        assert np.array_equal(with_bad.assign(keys), without.assign(keys))
        with_bad.keep()
        with_bad.keep()
        without.keep()
    assert all(np.array_equal(with_bad.arrays()[name], array) for name, array in without.arrays().items())


def test_rows_that_are_given_away_again_are_told_with_their_generation():
    ids = GrowingIds(Growing(max_rows=2, expire_after_steps=1))
    told = []
    for step, key in enumerate([10, 11, 12, 13, 14, 15]):
        ids.clock = step
        ids.sweep()
        ids.assign(np.array([key]))
        told.append([part.tolist() for part in ids.reused()])
        ids.keep()
    # 10 is seen at step 0 and has not been seen for more than 1 step at step 2.
    assert told == [[[], []], [[], []], [[1], [1]], [[2], [1]], [[1], [2]], [[2], [2]]]
    assert ids.sightings.num_freed == 4


def test_sightings_are_counted_where_they_are_kept():
    ids = GrowingIds(Growing(max_rows=1))
    ids.assign(np.array([5, 6, 6, MISSING]))
    assert ids.sightings.num_keys == 0
    ids.keep()
    assert (ids.sightings.num_keys, ids.sightings.num_unknown, ids.num_ids, ids.is_full) == (3, 2, 1, True)


def test_days_are_looked_at_whenever_they_are_swept():
    ids = GrowingIds(Growing(max_rows=5, expire_after_days=30))
    ids.clock = 100
    ids.assign(np.array([1, 2]))
    ids.keep()
    ids.clock = 120
    assert ids.sweep() == 0
    ids.assign(np.array([2]))
    ids.keep()
    ids.clock = 131
    assert ids.sweep() == 1
    assert ids.find(np.array([1, 2])).tolist() == [0, 2]


STEPS, DAYS = {"expire_after_steps": 10}, {"expire_after_days": 10}


@pytest.mark.parametrize(
    "before, then, now", [(STEPS, DAYS, 20_400), ({}, DAYS, 20_400), (DAYS, STEPS, 5)], ids=["days", "new", "steps"]
)
def test_ids_of_a_clock_that_counts_otherwise_are_as_old_as_the_new_one(before, then, now):
    ids = GrowingIds(Growing(max_rows=5, admit_after=2, **before))
    ids.clock = 9000
    ids.assign(np.array([7, 7, 8]))
    ids.keep()
    ids.clock = 9009
    again = GrowingIds(Growing(max_rows=5, admit_after=2, **then))
    again.restore([ids.arrays()])
    assert again.is_of_other_clock
    again.restart(now)
    for age, num_ids in ((10, 1), (11, 0)):
        again.clock = now + age
        again.sweep()
        assert (again.num_ids, again.num_candidates) == (num_ids, num_ids), age
    assert not again.is_of_other_clock


def test_ids_keep_their_age_where_the_clock_counts_the_same():
    ids = GrowingIds(Growing(max_rows=5))
    ids.clock = 9000
    ids.assign(np.array([7]))
    ids.keep()
    ids.clock = 9008
    again = GrowingIds(Growing(max_rows=5, expire_after_steps=10))
    again.restore([ids.arrays()])
    again.clock = 9011
    assert not again.is_of_other_clock and again.sweep() == 1


def test_map_is_brought_back_to_a_larger_table_and_to_no_smaller_one():
    ids = GrowingIds(Growing(max_rows=5))
    ids.assign(np.arange(5))
    ids.keep()
    larger = GrowingIds(Growing(max_rows=6))
    larger.restore([ids.arrays()])
    assert larger.assign(np.array([4, 9, 10])).tolist() == [5, 6, 0]
    with pytest.raises(ValueError, match="5 rows were in use, and there are 4 now"):
        GrowingIds(Growing(max_rows=4)).restore([ids.arrays()])


@pytest.mark.parametrize("settings", [Growing(max_rows=20_000), Growing(max_rows=20_000, admit_after=9)], ids=str)
def test_the_memory_of_a_full_map_is_as_told(settings):
    ids = GrowingIds(settings)
    for begin in range(0, 70_000, 1000):
        ids.assign(np.repeat(np.arange(begin, begin + 1000), 9 if begin < 20_000 else 1))
        ids.keep()
    records = [ids._records, ids._candidates._records]
    parts = [array for one in records for part in (one._columns, vars(one), vars(one._map)) for array in part.values()]
    taken = sum(array.nbytes for array in parts if isinstance(array, np.ndarray))
    assert ids.is_full and taken <= bytes_of_ids(settings) <= 4 * taken
