"""ESCM²: the network of ESMM, with DR a tower that is no task."""

import numpy as np

from tests.models.architectures import logits, make_model
from tests.models.test_esmm import GROUPS, TOWERS


def test_with_ips_it_is_the_network_of_esmm():
    esmm, first = make_model(f"esmm {{ {GROUPS} {TOWERS} }}")
    escm2, second = make_model(f"escm2 {{ {GROUPS} {TOWERS} }}")
    assert list(first.parameters) == list(second.parameters)
    for name, value in logits(esmm).items():
        np.testing.assert_array_equal(logits(escm2)[name], value)


def test_dr_adds_a_tower_that_is_no_task():
    model, build = make_model(f"escm2 {{ {GROUPS} {TOWERS} counterfactual: DR }}")
    assert set(logits(model)) == {"ctr", "cvr", "cvr_imputation"}
    assert build.parameters["cvr_imputation/dnn_0/kernel"].shape[1] == 3
    assert logits(model)["cvr_imputation"].shape == (32, 1)
    assert not np.allclose(logits(model)["cvr_imputation"], logits(model)["cvr"])


def test_the_imputation_tower_may_have_layers_of_its_own():
    text = f"escm2 {{ {TOWERS} counterfactual: DR imputation_dnn {{ hidden_units: [7] }} }}"
    _, build = make_model(text)
    assert build.parameters["cvr_imputation/dnn_0/kernel"].shape == (6, 7)
