"""Shared bottom: one network, then a tower per task."""

import numpy as np
import pytest

from tests.models.architectures import (
    X,
    copy_weights,
    gradients_by_name,
    logits,
    make_model,
    randomize,
)

BOTTOM = "hidden_units: [7, 4] use_bn: %s"
TOWERS = """
    task_towers { tower_name: "ctr" dnn { hidden_units: 5 } }
    task_towers { tower_name: "cvr" dnn { hidden_units: [6, 3] use_bn: false } }
    task_towers { tower_name: "plain" }
"""


def shared_bottom(use_bn: str = "true") -> str:
    return f"shared_bottom {{ bottom_dnn {{ {BOTTOM % use_bn} }} {TOWERS} }}"


def test_every_tower_reads_the_same_bottom():
    model, build = make_model(shared_bottom("false"))
    randomize(build)
    value = {name: parameter.read().numpy() for name, parameter in build.parameters.items()}
    x = X
    for layer in ("bottom_dnn/dnn_0", "bottom_dnn/dnn_1"):
        x = np.maximum(x @ value[f"{layer}/kernel"] + value[f"{layer}/bias"], 0)
    found = logits(model)
    np.testing.assert_allclose(
        found["plain"], x @ value["dnn_output_2/kernel"] + value["dnn_output_2/bias"], rtol=1e-4, atol=1e-5
    )
    for layer in ("cvr/dnn_0", "cvr/dnn_1"):
        x = np.maximum(x @ value[f"{layer}/kernel"] + value[f"{layer}/bias"], 0)
    expected = x @ value["dnn_output_1/kernel"] + value["dnn_output_1/bias"]
    np.testing.assert_allclose(found["cvr"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("use_bn", ["true", "false"])
def test_mmoe_with_one_expert_is_a_shared_bottom(use_bn):
    bottom, build = make_model(shared_bottom(use_bn))
    mmoe, same = make_model(f"mmoe {{ expert_dnn {{ {BOTTOM % use_bn} }} num_expert: 1 {TOWERS} }}")
    randomize(same)
    names = {name: name.replace("bottom_dnn", "mmoe/expert_0") for name in build.parameters}
    copy_weights(same, build, names)
    expected = logits(mmoe)
    for task, value in logits(bottom).items():
        np.testing.assert_allclose(value, expected[task], rtol=1e-6, atol=1e-6 * np.abs(expected[task]).max())


def test_every_task_trains_the_bottom_and_no_other_tower():
    model, build = make_model(shared_bottom())
    for task, others in {"ctr": ("cvr", "dnn_output_1"), "cvr": ("ctr", "dnn_output_0")}.items():
        found = gradients_by_name(model, build, [task])
        assert np.any(found["bottom_dnn/dnn_0/kernel"])
        assert not any(np.any(value) for name, value in found.items() if name.startswith(others))
