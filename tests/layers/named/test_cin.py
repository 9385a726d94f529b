"""CIN against its sum over pairs of maps."""

import numpy as np

from easymtl.layers.context import Build
from easymtl.layers.named import LAYERS
from easymtl.layers.shapes import Array, vector
from easymtl.protos.backbone_pb2 import CIN
from tests.formulas import relu
from tests.layers.named.building import make, refusal, values

INPUTS = Array((None, 3, 4))


def test_each_map_is_a_sum_over_all_pairs():
    made = make("CIN", "hidden_feature_sizes: [5, 2]", INPUTS)
    shapes = {name: value.shape for name, value in made.weights.items()}
    assert shapes == {
        "b/cin_kernel_0": (5, 3, 3),
        "b/cin_bias_0": (5,),
        "b/cin_kernel_1": (2, 5, 3),
        "b/cin_bias_1": (2,),
    }
    x = values(INPUTS)
    maps, sums = x, []
    for index, size in enumerate((5, 2)):
        new = np.zeros([len(x), size, 4])
        for h in range(size):
            for i in range(maps.shape[1]):
                for j in range(3):
                    new[:, h] += made.weights[f"b/cin_kernel_{index}"][h, i, j] * maps[:, i] * x[:, j]
            new[:, h] = relu(new[:, h] + made.weights[f"b/cin_bias_{index}"][h])
        maps = new
        sums.append(new.sum(2))
    np.testing.assert_allclose(made(x), np.concatenate(sums, axis=1), rtol=1e-5, atol=1e-5)


def test_blocks_of_one_name_in_two_packages_have_their_own_weights():
    build, config = Build(), CIN(hidden_feature_sizes=[2])
    for scope in ("backbone/cin", "backbone/package/cin"):
        LAYERS["CIN"].layer(build, scope, config, INPUTS)
    assert [name for name in build.parameters if "kernel" in name] == [
        "cin/cin_kernel_0",
        "backbone/package/cin/cin_kernel_0",
    ]


def test_what_cannot_be_built_is_refused():
    assert "needs hidden_feature_sizes above 0" in refusal("CIN", "", INPUTS)
    assert "needs hidden_feature_sizes above 0" in refusal("CIN", "hidden_feature_sizes: [4, 0]", INPUTS)
    assert "but is given [batch, 4]" in refusal("CIN", "hidden_feature_sizes: 4", vector(4))
