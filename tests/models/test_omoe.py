"""OMoE: one mixture for all towers."""

import numpy as np

from tests.models.architectures import EVALUATION, X, copy_weights, gradients_by_name, logits, make_model, randomize

TOWERS = """
    task_towers { tower_name: "ctr" dnn { hidden_units: 4 } }
    task_towers { tower_name: "cvr" dnn { hidden_units: [5, 3] } }
"""
EXPERTS = "expert_dnn { hidden_units: [8, 4] } num_expert: 3"
OMOE = f"omoe {{ {EXPERTS} {TOWERS} }}"


def test_it_is_an_mmoe_whose_gates_are_equal():
    omoe, build = make_model(OMOE)
    mmoe, other = make_model(f"mmoe {{ {EXPERTS} {TOWERS} }}")
    randomize(build)
    names = {name: name.replace("mmoe/", "omoe/") for name in other.parameters}
    names |= {
        f"mmoe/gate_{task}/dnn/{kind}": f"omoe/gate/dnn/{kind}" for task in range(2) for kind in ("kernel", "bias")
    }
    copy_weights(build, other, names)
    expected = logits(mmoe)
    for task, value in logits(omoe).items():
        np.testing.assert_allclose(value, expected[task], rtol=1e-6, atol=1e-6)


def test_the_gate_weighs_the_experts():
    model, build = make_model(OMOE.replace("ctr", "plain").replace("dnn { hidden_units: 4 } }", "}", 1))
    randomize(build)
    scores = X @ build.parameters["omoe/gate/dnn/kernel"].read() + build.parameters["omoe/gate/dnn/bias"].read()
    weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    mixture = np.einsum("bk,bkw->bw", weights, model.experts(X, EVALUATION))
    expected = mixture @ build.parameters["dnn_output_0/kernel"].read() + build.parameters["dnn_output_0/bias"].read()
    np.testing.assert_allclose(logits(model)["plain"], expected, rtol=1e-4, atol=1e-5)


def test_every_task_trains_the_gate_and_every_expert():
    model, build = make_model(OMOE)
    for task, others in {"ctr": ("cvr", "dnn_output_1"), "cvr": ("ctr", "dnn_output_0")}.items():
        found = gradients_by_name(model, build, [task])
        shared = ["omoe/gate/dnn/kernel", *(f"omoe/expert_{index}/dnn_0/kernel" for index in range(3))]
        assert all(np.any(found[name]) for name in shared)
        assert not any(np.any(value) for name, value in found.items() if name.startswith(others))


def test_a_gate_may_have_hidden_layers():
    _, build = make_model(OMOE.replace("num_expert: 3", "num_expert: 3 gate_dnn { hidden_units: 5 }"))
    assert build.parameters["omoe/gate/dnn/kernel"].shape == (5, 3)
