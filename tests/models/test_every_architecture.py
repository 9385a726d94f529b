"""What holds for every architecture: it trains all of itself, and is a function of its seed."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.models import MODELS
from tests.models.architectures import (
    EVALUATION,
    TRAINING,
    X,
    gradients_by_name,
    groups_of,
    logits,
    make_model,
    randomize,
)

DNN = "hidden_units: [6, 4] dropout_ratio: [0.3, 0.3]"
TOWERS = f"""
    task_towers {{ tower_name: "ctr" dnn {{ {DNN} }} }}
    task_towers {{ tower_name: "cvr" dnn {{ {DNN} }} }}
"""
RELATED = TOWERS.replace('"cvr"', f'"cvr" relation_tower_names: "ctr" relation_dnn {{ {DNN} }}')
EXTRACTION = f"""
    expert_num_per_task: 2 share_num: 1 task_expert_net {{ {DNN} }} share_expert_net {{ {DNN} }}
"""
UNEQUAL = EXTRACTION.replace(f"share_expert_net {{ {DNN} }}", "share_expert_net { hidden_units: [5, 4] }")
PLE_LEVELS = """
    extraction_networks { network_name: "low" %s } extraction_networks { network_name: "high" %s }
"""
WITH_GROUPS = TOWERS.replace('"ctr"', '"ctr" feature_group: "own"').replace('"cvr"', '"cvr" feature_group: "other"')
FUNNEL = f"""
    groups {{ input: "all" dnn {{ {DNN} }} }} groups {{ input: "own" dnn {{ {DNN} }} }} groups {{ input: "other" }}
    ctr_tower {{ tower_name: "ctr" dnn {{ {DNN} }} }} cvr_tower {{ tower_name: "cvr" dnn {{ {DNN} }} }}
"""
TEXTS = {
    "simple_multi_task": f"simple_multi_task {{ {TOWERS} }}",
    "shared_bottom": f"shared_bottom {{ bottom_dnn {{ {DNN} }} {TOWERS} }}",
    "mmoe": f"mmoe {{ expert_dnn {{ {DNN} }} num_expert: 3 gate_dnn {{ {DNN} }} {TOWERS} }}",
    "mmoe_listed": f"mmoe {{ experts {{ dnn {{ {DNN} }} }} experts {{ dnn {{ hidden_units: 4 }} }} {TOWERS} }}",
    "omoe": f"omoe {{ expert_dnn {{ {DNN} }} num_expert: 3 gate_dnn {{ {DNN} }} {TOWERS} }}",
    "cgc": f"cgc {{ {EXTRACTION} gate_dnn {{ {DNN} }} {TOWERS} }}",
    "cgc_unequal": f"cgc {{ {UNEQUAL} {TOWERS} }}",
    "ple": f"ple {{ {PLE_LEVELS % (EXTRACTION, EXTRACTION)} gate_dnn {{ {DNN} }} {TOWERS} }}",
    "ple_unequal": f"ple {{ {PLE_LEVELS % (UNEQUAL, EXTRACTION)} {TOWERS} }}",
    "dbmtl": f"dbmtl {{ bottom_dnn {{ {DNN} }} {RELATED} }}",
    "adatt": f"""adatt {{
        fusion_levels {{ expert_num_per_task: 2 share_num: 1 expert_net {{ {DNN} }} }}
        fusion_levels {{ share_num: 1 expert_net {{ {DNN} }} }}
        gate_dnn {{ {DNN} }} {RELATED} }}""",
    "stem": f"""stem {{
        expert_num_per_task: 2 task_expert_net {{ {DNN} }} share_num: 2 share_expert_net {{ hidden_units: 4 }}
        gate_dnn {{ {DNN} }} {WITH_GROUPS} }}""",
    "home": f"""home {{
        task_groups {{ group_name: "a" tower_names: "ctr" }} task_groups {{ group_name: "b" tower_names: "cvr" }}
        expert_dnn {{ {DNN} }} share_num: 2 expert_num_per_group: 2 feature_gate_rank: 3 feature_gate_pairs: 2
        gate_dnn {{ {DNN} }} {RELATED} }}""",
    "pepnet": f"""pepnet {{ domain_group: "own" personal_group: "other" gate_hidden_units: 5 {RELATED} }}""",
    "pepnet_towers": f"""pepnet {{ personal_group: "all" {WITH_GROUPS} }}""",
    "pepnet_embeddings": f"""pepnet {{ domain_group: "own" {WITH_GROUPS} }}""",
    "esmm": f"esmm {{ {FUNNEL} }}",
    "escm2_ips": f"escm2 {{ {FUNNEL} }}",
    "escm2_dr": f"escm2 {{ {FUNNEL} counterfactual: DR }}",
    "model_params": f"model_params {{ {RELATED} }}",
    "aitm": f"aitm {{ bottom_dnn {{ {DNN} }} transfer_dnn {{ {DNN} }} {TOWERS} }}",
    "aitm_linear": f"aitm {{ {TOWERS} }}",
    "dbmtl_experts": f"dbmtl {{ bottom_dnn {{ {DNN} }} expert_dnn {{ {DNN} }} num_expert: 2 {RELATED} }}",
}


class Made:
    """A model with its initial weights, which it can have back: to make it anew takes longer than most tests."""

    def __init__(self, name: str):
        self.name = name
        self.model, self.build = make_model(TEXTS[name])
        variables = {parameter.variable.ref(): parameter.variable for parameter in self.build.parameters.values()}
        self._initial = [(variable, variable.numpy()) for variable in variables.values()]

    def reset(self) -> None:
        for variable, value in self._initial:
            variable.assign(value)


@pytest.fixture(scope="module", params=TEXTS)
def made(request):
    return Made(request.param)


@pytest.fixture
def new(made):
    """Returns a model and its build as they are made."""
    made.reset()
    return made.model, made.build


@pytest.fixture
def random(new):
    """Returns a model with random weights, and its build."""
    randomize(new[1])
    return new


def kernels_of(build):
    return {name: p.read().numpy().tobytes() for name, p in build.parameters.items() if name.endswith("kernel")}


def test_the_norms_of_every_sub_block_move_in_training_and_only_there(new):
    model, build = new
    counts = [parameter for name, parameter in build.parameters.items() if name.endswith("bn/count")]
    assert counts
    model(groups_of(), EVALUATION)
    assert all(np.all(count.read().numpy() == 0) for count in counts)
    model(groups_of(), TRAINING)
    assert all(np.all(count.read().numpy() == 1) for count in counts)
    means = [parameter for name, parameter in build.parameters.items() if name.endswith("moving_mean")]
    assert all(np.any(mean.read().numpy() != 0) for mean in means)


def test_every_weight_gets_a_gradient(random):
    model, build = random
    found = gradients_by_name(model, build, list(model(groups_of(), EVALUATION)))
    without = {name for name, gradient in found.items() if not np.any(gradient)}
    # A bias in front of a norm cancels out; rounding may leave exactly nothing.
    assert {name for name in without if not name.endswith("/bias")} == set()


def test_dropout_is_a_function_of_the_step(random):
    model, _ = random
    steps = [Call(training=True, seed=tf.constant([0, step], tf.int64)) for step in (3, 3, 4)]
    first, again, other = (logits(model, step)["cvr"] for step in steps)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_initial_weights_are_a_function_of_the_seed_and_of_the_name(made, new):
    text = TEXTS[made.name]
    first, again, other = kernels_of(new[1]), *(kernels_of(make_model(text, seed=seed)[1]) for seed in (1, 2))
    assert first == again
    assert not first.items() & other.items()
    assert len(set(first.values())) == len(first), "two kernels start alike"


def test_regularization_covers_every_kernel_once_and_nothing_else(made):
    build = made.build
    references = [variable.ref() for variable in build.regularized]
    kernels = {p.variable.ref() for name, p in build.parameters.items() if name.endswith("/kernel")}
    assert len(references) == len(set(references))
    assert set(references) == kernels


def test_a_row_does_not_depend_on_the_rest_of_its_batch_in_evaluation(random):
    model, _ = random
    model(groups_of(), TRAINING)
    whole, part = logits(model), logits(model, x=X[5:6])
    for task, value in part.items():
        np.testing.assert_allclose(value, whole[task][5:6], rtol=1e-4, atol=1e-5)


def test_a_batch_of_one_row_trains(new):
    model, _ = new
    assert all(np.all(np.isfinite(value)) for value in logits(model, TRAINING, X[:1]).values())


def test_bfloat16_is_close_to_float32_and_its_logits_are_float32(new):
    model, _ = new
    low, high = logits(model, Call(dtype=tf.bfloat16)), logits(model)
    for task, value in high.items():
        np.testing.assert_allclose(low[task], value, atol=0.05 * np.abs(value).max())
        assert low[task].dtype == np.float32
        assert np.any(low[task] != tf.cast(tf.cast(low[task], tf.bfloat16), tf.float32).numpy())


def test_every_architecture_is_in_this_list():
    assert {text.split()[0] for text in TEXTS.values()} == set(MODELS)
