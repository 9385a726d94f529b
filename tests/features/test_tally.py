"""What is told of rows goes where they go: whatever is done to them, each is counted as often as it is used."""

import numpy as np

from easymtl.data.rows import Rows
from easymtl.features.tally import ODDITIES, Codes, Found, Tally, pack_oddities
from tests.features.feature_cases import Case

NUM_ROWS = 200


def odd_rows(random, codes: Codes, most: int) -> tuple[Rows, np.ndarray]:
    """Returns rows, and how often each of three kinds is in each, `[n, 3]`."""
    numbers = random.integers(0, most + 1, [NUM_ROWS, 3]) * (random.random([NUM_ROWS, 3]) < 0.3)
    found = [Found(codes.of("f", kind), numbers[:, place]) for place, kind in enumerate("abc")]
    return Rows({"i": np.arange(NUM_ROWS), ODDITIES: pack_oddities(found, NUM_ROWS)}), numbers


def counts_of(codes: Codes, *parts: Rows) -> list[int]:
    tally = Tally(codes)
    for part in parts:
        tally.add(part)
    return [tally.counts["f"][kind] for kind in "abc"]


def test_rows_are_counted_wherever_they_go():
    random, codes = np.random.default_rng(1), Codes()
    plain, plain_numbers = odd_rows(random, codes, most=1)
    heavy, heavy_numbers = odd_rows(random, codes, most=900)
    order = random.permutation(2 * NUM_ROWS)
    both, numbers = Rows.concat([plain, heavy]), np.concatenate([plain_numbers, heavy_numbers])
    assert plain[ODDITIES].weights is None and heavy[ODDITIES].weights is not None
    assert counts_of(codes, plain.slice(7, 50)) == plain_numbers[7:57].sum(axis=0).tolist()
    assert counts_of(codes, both.take(order[:33])) == numbers[order[:33]].sum(axis=0).tolist()
    assert counts_of(codes, both, heavy) == (numbers.sum(axis=0) + heavy_numbers.sum(axis=0)).tolist()


def test_a_kind_that_comes_later_is_counted():
    codes = Codes()
    tally = Tally(codes)
    for kind in ("a", "b"):
        found = [Found(codes.of("f", kind), np.array([1, 0, 1]))]
        tally.add(Rows({ODDITIES: pack_oddities(found, 3)}))
    assert tally.counts == {"f": {"a": 2, "b": 2}}


def test_rows_without_anything_odd_hold_no_codes():
    packed = pack_oddities([Found(0, np.zeros(5, int))], 5)
    assert len(packed.values) == 0 and len(packed) == 5
    assert len(pack_oddities([], 0)) == 0


def test_what_is_told_does_not_close_windows():
    rows = Rows({"i": np.arange(4)})
    told = Rows({**rows.columns, ODDITIES: pack_oddities([Found(0, np.ones(4))], 4)})
    assert told.nbytes == rows.nbytes


def test_each_row_tells_its_own_of_several_features():
    features = [
        'input_names: "x" embedding_dim: 4 num_buckets: 5',
        'input_names: "y" feature_type: TagFeature embedding_dim: 4 vocab_list: ["a", "b"]',
        'input_names: "z" feature_type: RawFeature',
    ]
    columns = {
        "x": ["1", "9", "", "1", "9"],
        "y": ["a|b", "z|z|a", "", "z", ""],
        "z": [1.0, None, float("nan"), 2.0, None],
    }
    case = Case({"x": "STRING", "y": "STRING", "z": "FLOAT"}, features, columns)
    kinds = {"x": ("missing", "out_of_range"), "y": ("missing", "unknown"), "z": ("missing",)}
    found = []
    for row in range(5):
        tally = Tally(case.encoder.codes)
        tally.add(case.rows.slice(row, 1))
        found.append([tally.counts[name][kind] for name in kinds for kind in kinds[name]])
    assert found == [[0, 0, 0, 0, 0], [0, 1, 0, 2, 1], [1, 0, 1, 0, 1], [0, 0, 0, 1, 0], [0, 1, 1, 0, 1]]
