"""FM against the sum over pairs."""

from itertools import combinations

import numpy as np
import pytest

from easymtl.layers.shapes import Array
from tests.layers.named.building import make, refusal, values, vectors


@pytest.mark.parametrize("inputs", [vectors(4, 4, 4), Array((None, 3, 4))])
def test_all_pairs_are_multiplied(inputs):
    x = values(inputs)
    fields = x if isinstance(x, list) else list(np.moveaxis(x, 1, 0))
    pairs = sum(a * b for a, b in combinations(fields, 2))
    np.testing.assert_allclose(make("FM", "use_variant: true", inputs)(x), pairs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(make("FM", "", inputs)(x)[:, 0], pairs.sum(1), rtol=1e-5, atol=1e-6)


def test_what_has_no_pairs_is_refused():
    text = "takes a list of 2 or more tensors [batch, width] or one [batch, fields, width], but is given"
    assert refusal("FM", "", vectors(4)[0]) == f"{text} [batch, 4]"
    assert refusal("FM", "", vectors(4)) == f"{text} a list ([batch, 4])"
    assert refusal("FM", "", vectors(4, 3)) == "takes fields of one width, but is given widths 4, 3"
