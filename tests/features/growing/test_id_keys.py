"""Keys of values: numbers are themselves however they are written down, other texts are told by 64 bits."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.growing.id_keys import keys_of_numbers, keys_of_texts
from easymtl.features.growing.key_map import MISSING

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    "number", [0, 7, -7, 10**18, 7 * 10**18 + 3, LARGEST, -LARGEST, LARGEST - 1, 9 * 10**18 + 10**17]
)
def test_a_whole_number_is_its_own_key_as_a_number_and_as_a_text(number):
    assert keys_of_texts(tf.constant([str(number)])).numpy().tolist() == [number]
    assert keys_of_numbers(tf.constant([number], tf.int64)).numpy().tolist() == [number]


def test_all_numbers_of_nineteen_digits_are_told_from_those_that_are_too_large():
    random = np.random.default_rng(1)
    numbers = [int(one) for one in random.integers(10**18, LARGEST, 2000, endpoint=True)]
    numbers += [LARGEST - one for one in range(200)] + [10**place for place in range(19)]
    texts = [str(number) for number in numbers]
    assert keys_of_texts(tf.constant(texts)).numpy().tolist() == numbers
    beyond = [str(LARGEST + 1 + one) for one in range(200)] + [str(10**19), str(-(2**63))]
    assert len({*keys_of_texts(tf.constant(beyond)).numpy().tolist()}) == len(beyond)


def test_other_ways_to_write_a_number_are_other_texts():
    texts = ["7", "07", "+7", "7.0", " 7", "7 ", "7\n", "-0", "--7", "7e0", "٧"]
    keys = keys_of_texts(tf.constant(texts)).numpy()
    assert keys[0] == 7 and len({*keys.tolist()}) == len(texts)


def test_a_text_has_its_fingerprint_and_an_empty_one_is_missing():
    keys = keys_of_texts(tf.constant(["", "abc", b"\xff\xfe"])).numpy()
    fingerprint = tf.bitcast(tf.fingerprint([["abc"]]), tf.int64).numpy()[0]
    assert keys[0] == MISSING and keys[1] == fingerprint and keys[2] not in (MISSING, fingerprint)
    # The unsigned remainder of the same number is what a hash table takes.
    assert (
        np.uint64(keys[1].view(np.uint64) % np.uint64(1000)) == tf.strings.to_hash_bucket_fast(["abc"], 1000).numpy()[0]
    )


def test_the_least_integer_is_missing():
    assert keys_of_numbers(tf.constant([-(2**63), 3], tf.int64)).numpy().tolist() == [MISSING, 3]
