"""Values as 64-bit keys: whole numbers as themselves, other texts as 64 bits of them."""

import tensorflow as tf

from easymtl.features.growing.key_map import MISSING


def keys_of_numbers(numbers: tf.Tensor) -> tf.Tensor:
    """Returns integers `[n]` as keys int64 `[n]`; the least of all int64, which is no id, is MISSING."""
    return tf.cast(numbers, tf.int64)


def keys_of_texts(texts: tf.Tensor) -> tf.Tensor:
    """Returns the keys of texts `[n]`, int64 `[n]`; of '' it is MISSING.

    A text that is a whole number as a number is written ("12", "-7", not "007" or "+7") has the key of the number, so
    that a column of numbers and a history of texts can share a table. Another one has its Fingerprint64 (FarmHash): two
    of n texts share a key with a probability of n^2 / 2^65, which is 3e-6 for 10 million, and one of n texts that of
    one of m numbers with n m / 2^64.
    """
    fingerprints = tf.bitcast(tf.fingerprint(texts[:, tf.newaxis]), tf.int64)
    # A text is not missing because its bits are those of what is.
    least = tf.constant(MISSING, tf.int64)
    fingerprints = tf.where(tf.equal(fingerprints, least), least + 1, fingerprints)
    is_number = tf.strings.regex_full_match(texts, _WHOLE_NUMBER)
    numbers = tf.strings.to_number(tf.where(is_number, texts, "0"), tf.int64)
    return tf.where(tf.equal(texts, ""), least, tf.where(is_number, numbers, fingerprints))


def _up_to(largest: str) -> str:
    """Returns the pattern of positive whole numbers that have as many digits as the largest one, and are not above."""
    rest = [f"[0-9]{{{len(largest) - place - 1}}}" for place in range(len(largest))]
    below = [
        f"{largest[:place]}[{1 if place == 0 else 0}-{int(digit) - 1}]{rest[place]}"
        for place, digit in enumerate(largest)
        if int(digit) > (1 if place == 0 else 0)
    ]
    return "|".join([*below, largest])


_LARGEST = str(2**63 - 1)
_WHOLE_NUMBER = f"0|-?(?:[1-9][0-9]{{0,{len(_LARGEST) - 2}}}|{_up_to(_LARGEST)})"
