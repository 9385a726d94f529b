"""FiBiNet: its two parts side by side, and the names of their weights."""

import numpy as np

from tests.formulas import relu
from tests.layers.named.building import make, refusal, values, vectors

INPUTS = vectors(4, 4, 4, 4)
TEXT = "senet { reduction_ratio: 3 num_squeeze_group: 1 } bilinear { type: 'all' num_output_units: 5 }"


def test_weighted_fields_stand_before_the_products():
    made = make("FiBiNet", TEXT, INPUTS)
    x = values(INPUTS)
    parts = []
    for name, text in (
        ("SENet", "reduction_ratio: 3 num_squeeze_group: 1"),
        ("BiLinear", "type: 'all' num_output_units: 5"),
    ):
        part = make(name, text, INPUTS)
        for parameter in part.build.parameters.values():
            own = parameter.name.removeprefix("backbone/b/")
            parameter.assign(made.weights[f"b/{name.lower()}/{own}"].astype(np.float32))
        parts.append(part(x))
    np.testing.assert_allclose(made(x), np.concatenate(parts, axis=1), rtol=1e-5, atol=1e-6)


def test_an_mlp_may_follow_and_names_are_those_of_checkpoints():
    made = make("FiBiNet", f"{TEXT} mlp {{ hidden_units: 6 use_final_bn: false }}", INPUTS)
    assert {name: value.shape for name, value in made.weights.items()} == {
        "b/senet/W1/kernel": (8, 2),
        "b/senet/W1/bias": (2,),
        "b/senet/W2/kernel": (2, 16),
        "b/senet/W2/bias": (16,),
        "b/senet/output_ln/gamma": (16,),
        "b/senet/output_ln/beta": (16,),
        "b/bilinear/all/kernel": (4, 4),
        "b/bilinear/all/bias": (4,),
        "b/bilinear/output/kernel": (6, 5),
        "b/bilinear/output/bias": (5,),
        "b/mlp/layer_0/dense/kernel": (21, 6),
    }
    x = values(INPUTS)
    bare = make("FiBiNet", TEXT, INPUTS)
    for parameter in bare.build.parameters.values():
        parameter.assign(made.weights[parameter.name.removeprefix("backbone/b/")].astype(np.float32))
    expected = relu(bare(x).numpy() @ made.weights["b/mlp/layer_0/dense/kernel"])
    np.testing.assert_allclose(made(x), expected, rtol=1e-4, atol=1e-5)
    assert [variable.shape for variable in made.build.regularized] == [(21, 6)]


def test_a_fault_says_which_part_has_it():
    assert refusal("FiBiNet", "", INPUTS).startswith("bilinear { } needs num_output_units")
    assert refusal("FiBiNet", f"{TEXT} mlp {{ }}", INPUTS).startswith("needs mlp.hidden_units")
