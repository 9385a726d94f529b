"""Towers that share nothing but the features."""

import numpy as np

from tests.models.architectures import EVALUATION, X, gradients_by_name, logits, make_model, randomize

TEXT = """simple_multi_task {
    task_towers { tower_name: "ctr" dnn { hidden_units: [5, 4] } }
    task_towers { tower_name: "kind" dnn { hidden_units: 4 } num_class: 3 }
    task_towers { tower_name: "linear" }
}"""


def test_each_task_is_a_dnn_and_an_output_layer():
    model, build = make_model(TEXT, {"kind": 3})
    randomize(build)
    hidden = model.towers.dnns["kind"](X, EVALUATION).numpy()
    kernel, bias = (build.parameters[f"dnn_output_1/{kind}"].read().numpy() for kind in ("kernel", "bias"))
    np.testing.assert_allclose(logits(model)["kind"], hidden @ kernel + bias, rtol=1e-5)
    assert {name: value.shape for name, value in logits(model).items()} == {
        "ctr": (32, 1),
        "kind": (32, 3),
        "linear": (32, 1),
    }


def test_a_tower_without_layers_is_a_linear_model():
    model, build = make_model(TEXT, {"kind": 3})
    kernel = build.parameters["dnn_output_2/kernel"].read().numpy()
    np.testing.assert_allclose(logits(model)["linear"], X @ kernel, rtol=1e-4, atol=1e-6)


def test_tasks_share_no_weight():
    model, build = make_model(TEXT, {"kind": 3})
    found = gradients_by_name(model, build, ["ctr"])
    moved = {name.split("/")[0] for name, gradient in found.items() if np.any(gradient)}
    assert moved == {"ctr", "dnn_output_0"}
