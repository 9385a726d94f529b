"""Text operations of the transforms, by themselves."""

import pytest
import tensorflow as tf

from easymtl.features.text import as_numbers, counts_by_row, rows_and_places, split


def test_pieces_know_their_text_and_their_place_in_it():
    found = split(tf.constant(["a|b", "", "|c|", "d,e"]), "|,")
    assert found.pieces.texts().numpy().tolist() == [b"a", b"b", b"c", b"d", b"e"]
    assert found.rows.numpy().tolist() == [0, 0, 2, 3, 3]
    assert found.lengths.numpy().tolist() == [2, 0, 1, 2]
    # Empty pieces are kept when they are asked for; a text without anything has none even then.
    found = split(tf.constant(["a||b", "", "|c"]), "|", keep_empty=True)
    assert found.pieces.texts().numpy().tolist() == [b"a", b"", b"b", b"", b"c"]
    assert found.rows.numpy().tolist() == [0, 0, 0, 2, 2]
    assert found.positions.numpy().tolist() == [0, 1, 2, 0, 1]
    assert found.lengths.numpy().tolist() == [3, 0, 2]


def test_sums_of_rows_have_a_0_for_rows_without_entry():
    rows = tf.constant([0, 0, 3], tf.int64)
    assert counts_by_row(tf.constant([1, 2, 4], tf.int64), rows, tf.constant(5, tf.int64)).numpy().tolist() == [
        3,
        0,
        0,
        4,
        0,
    ]


@pytest.mark.parametrize("lengths", [[2, 0, 3, 1], [0, 0], [], [0, 1]])
def test_rows_and_places_of_entries(lengths):
    rows, places = rows_and_places(tf.constant(lengths, tf.int64))
    assert rows.numpy().tolist() == [row for row, length in enumerate(lengths) for _ in range(length)]
    assert places.numpy().tolist() == [place for length in lengths for place in range(length)]


def test_an_empty_text_is_0_unless_it_is_told_what_else():
    text = tf.constant(["", "2.5", ""])
    assert as_numbers(text, tf.float32).numpy().tolist() == [0.0, 2.5, 0.0]
    assert as_numbers(text, tf.float32, "1").numpy().tolist() == [1.0, 2.5, 1.0]
