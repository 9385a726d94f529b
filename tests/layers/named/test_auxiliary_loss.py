"""Losses of block graphs against their formulas, and the names under which they are reported."""

import numpy as np
import pytest

from easymtl.layers.shapes import Array, vector
from tests.formulas import softmax
from tests.layers.named.building import evaluation, make, refusal, training, values, vectors

INPUTS = vectors(4, 4)


def l2(a, b, _):
    return ((a - b) ** 2).sum(1).mean()


def info_nce(a, b, temperature):
    return -np.log(np.diag(softmax(a @ b.T / temperature))).mean()


def nce(a, b, temperature):
    views = np.concatenate([a, b])
    logits = views @ views.T / temperature
    np.fill_diagonal(logits, -np.inf)
    twins = np.roll(np.arange(len(views)), len(a))
    return -np.log(softmax(logits)[np.arange(len(views)), twins]).mean()


@pytest.mark.parametrize(
    ("text", "name", "formula", "temperature"),
    [
        ("loss_type: 'l2_loss'", "b_l2_loss", l2, None),
        ("loss_type: 'info_nce'", "b_info_nce_loss", info_nce, 0.1),
        ("loss_type: 'info_nce' temperature: 0.7", "b_info_nce_loss", info_nce, 0.7),
        ("loss_type: 'nce_loss' temperature: 0.7", "b_nce_loss", nce, 0.7),
    ],
)
@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_losses_follow_their_formulas_while_training_and_in_evaluation(text, name, formula, temperature, weight):
    made = make("AuxiliaryLoss", f"{text} loss_weight: {weight}", INPUTS)
    a, b = values(INPUTS)
    call = training()
    result = made([a, b], call)
    np.testing.assert_allclose(result, weight * formula(a, b, temperature), rtol=1e-5)
    assert {loss: float(value) for loss, value in call.losses.items()} == {name: float(result)}
    np.testing.assert_array_equal(made([a, b], evaluation()), result)
    assert made.shape == Array(()) and result.shape == ()


def test_a_single_row_has_nothing_to_be_told_from():
    a, b = values(INPUTS, rows=1)
    for kind in ("info_nce", "nce_loss"):
        assert float(make("AuxiliaryLoss", f"loss_type: '{kind}'", INPUTS)([a, b])) == 0.0


def test_losses_that_compare_rows_say_so():
    kinds = ("l2_loss", "info_nce", "nce_loss")
    between = [make("AuxiliaryLoss", f"loss_type: '{kind}'", INPUTS).layer.losses_between_rows for kind in kinds]
    assert between == [(), ("b_info_nce_loss",), ("b_nce_loss",)]


def test_two_calls_of_one_package_add_two_losses():
    made = make("AuxiliaryLoss", "loss_type: 'l2_loss'", INPUTS)
    a, b = values(INPUTS)
    call = training()
    made([a, b], call)
    made([a, 2 * b], call)
    assert list(call.losses) == ["b_l2_loss", "b_l2_loss_1"]
    np.testing.assert_allclose(call.losses["b_l2_loss_1"], l2(a, 2 * b, None), rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        ("", INPUTS, 'needs loss_type, one of "l2_loss", "info_nce", "nce_loss".'),
        (
            "loss_type: 'l2'",
            INPUTS,
            'has loss_type "l2", which is none of "l2_loss", "info_nce", "nce_loss".',
        ),
        ("loss_type: 'info_nce' temperature: 0", INPUTS, "has temperature 0; it divides, so it must be above 0"),
        ("loss_type: 'l2_loss' temperature: 1", INPUTS, "has temperature, which l2_loss does not use; leave it out"),
        ("loss_type: 'l2_loss'", vectors(4, 5), "compares two tensors of one width, but is given widths 4 and 5"),
        ("loss_type: 'l2_loss'", vector(4), "takes a list of two tensors [batch, width], but is given [batch, 4]"),
    ],
)
def test_what_cannot_be_built_is_refused(text, inputs, message):
    assert refusal("AuxiliaryLoss", text, inputs) == message
