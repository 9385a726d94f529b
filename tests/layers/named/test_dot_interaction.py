"""Dot products of pairs, in the order that checkpoints of the next layer rely on."""

import numpy as np
import pytest

from tests.layers.named.building import make, refusal, values, vectors

INPUTS = vectors(4, 4, 4)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", [(1, 0), (2, 0), (2, 1)]),
        ("self_interaction: true", [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]),
    ],
)
def test_products_stand_row_by_row(text, pairs):
    x = values(INPUTS)
    expected = np.stack([(x[i] * x[j]).sum(1) for i, j in pairs], axis=1)
    np.testing.assert_allclose(make("DotInteraction", text, INPUTS)(x), expected, rtol=1e-5, atol=1e-6)
    square = np.zeros([len(expected), 3, 3])
    for place, (i, j) in enumerate(pairs):
        square[:, i, j] = expected[:, place]
    skipped = make("DotInteraction", f"{text} skip_gather: true", INPUTS)(x)
    np.testing.assert_allclose(skipped, square.reshape([-1, 9]), rtol=1e-5, atol=1e-6)


def test_fields_of_different_widths_are_refused():
    assert refusal("DotInteraction", "", vectors(4, 3)) == "takes fields of one width, but is given widths 4, 3"
