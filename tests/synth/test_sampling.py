from collections import Counter

import numpy as np
import pytest

from easymtl.synth.sampling import Shares, TagLists, Zipf, joined, mix, padded, scatter, uniform_of


def test_zipf_frequencies_follow_the_law():
    zipf = Zipf(1_000, shift=5)
    ranks = zipf.ranks(np.random.default_rng(0).random(2_000_000))
    found = np.bincount(ranks, minlength=1_000) / len(ranks)
    expected = np.log((np.arange(1_000) + 6) / (np.arange(1_000) + 5)) / np.log(1_005 / 5)
    np.testing.assert_allclose(found, expected, atol=5 * np.sqrt(expected.max() / len(ranks)))
    assert ranks.max() == 999


def test_shares_are_kept_to_a_4096th():
    shares = Shares([70, 20, 10])
    drawn = shares.draw(np.random.default_rng(0), 1_000_000)
    np.testing.assert_allclose(np.bincount(drawn) / len(drawn), [0.7, 0.2, 0.1], atol=2e-3)


def test_hashes_are_uniform_and_salted():
    hashes = mix(np.arange(200_000), salt=3)
    assert len(np.unique(hashes)) == len(hashes)
    counts = np.bincount((uniform_of(hashes) * 10).astype(int))
    np.testing.assert_allclose(counts, 20_000, rtol=0.03)
    assert not (hashes == mix(np.arange(200_000), salt=4)).any()


@pytest.mark.parametrize("size", [1, 7, 12_977, 100_000])
def test_scatter_is_one_to_one(size):
    assert np.array_equal(np.sort(scatter(np.arange(size), size)), np.arange(size))


def test_lists_are_joined_and_padded():
    tags, counts = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), np.array([2, 0, 3])
    assert joined(tags, counts).to_pylist() == ["1|2", "", "7|8|9"]
    assert padded(tags, counts).tolist() == [[1, 2, -1], [-1, -1, -1], [7, 8, 9]]


def test_tag_lists_belong_to_the_id():
    keys = mix(np.array([1, 2, 1, 3] * 1_000), 0)
    tags, counts = TagLists(Zipf(50, shift=2), most=4).of(keys, keys)
    assert (tags[0] == tags[2]).all() and counts[0] == counts[2]
    many = mix(np.arange(40_000), 1)
    _, counts = TagLists(Zipf(50, shift=2), most=4).of(many, many)
    assert set(Counter(counts.tolist())) == {1, 2, 3, 4}
