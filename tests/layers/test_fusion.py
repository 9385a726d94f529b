"""Fusion units: what the gate gives all experts, and what a unit adds to its own."""

import numpy as np
import pytest

from easymtl.layers.context import Build, Call
from easymtl.layers.fusion import FusionUnit

X = np.random.default_rng(1).normal(size=[16, 5]).astype(np.float32)


@pytest.mark.parametrize("own, added", [([0], 1.0), ([1, 2], 0.5), ([3], 1.0)])
def test_a_unit_adds_to_its_own_experts_alone(own, added):
    build = Build()
    unit = FusionUnit(build, "u", 5, 4, own)
    native = np.zeros(4)
    native[own] = added
    np.testing.assert_allclose(unit(X, Call()) - unit.gate(X, Call()), np.tile(native, [16, 1]), atol=1e-6)
    assert ("u/native" in build.parameters) == (len(own) > 1)


def test_native_weights_are_trained_as_they_are():
    build = Build()
    unit = FusionUnit(build, "u", 5, 4, [1, 2])
    build.parameters["u/native"].assign([-3.0, 7.0])
    difference = unit(X, Call()) - unit.gate(X, Call())
    np.testing.assert_allclose(difference, np.tile([0, -3, 7, 0], [16, 1]), atol=1e-5)
