"""Rules of losses that look beyond one row, one line each."""

import pytest

TOWER = 'label_name: "order"'
MODEL = "  dbmtl {"
SOFT = 'soft_label_name: "price"'


def losses(text: str) -> tuple[str, str]:
    return TOWER, f"{TOWER} {text}"


def kd(text: str) -> tuple[str, str]:
    return MODEL, f"  kd {{ {text} }}\n{MODEL}"


WRONG = [
    (losses("loss_type: LISTWISE_RANK_LOSS"), "has LISTWISE_RANK_LOSS, which compares the rows of a session"),
    (
        losses("losses { loss_type: LISTWISE_DISTILL_LOSS listwise_distill_loss { } }"),
        "which compares the rows of a ses",
    ),
    (losses("num_class: 3 losses { loss_type: JRC_LOSS }"), "num_class is 3, but JRC_LOSS needs num_class: 2."),
    (losses('losses { loss_type: JRC_LOSS jrc_loss { session_name: "user" } }'), "needs num_class: 2."),
    (
        losses(
            'num_class: 2 losses { loss_type: JRC_LOSS jrc_loss { session_name: "user" loss_weight_strategy: "x" } }'
        ),
        'loss_weight_strategy "x" is none of "fixed"',
    ),
    (losses("losses { loss_type: ORDER_CALIBRATE_LOSS }"), "ORDER_CALIBRATE_LOSS alone, which learns from no label"),
    (
        losses("losses { loss_type: L2_LOSS } losses { loss_type: ORDER_CALIBRATE_LOSS }"),
        'compares probabilities of one event; "cvr" predict none',
    ),
    (losses("losses { loss_type: PAIRWISE_FOCAL_LOSS pairwise_focal_loss { ohem_ratio: 0 } }"), "outside of (0, 1]"),
    (kd(f'pred_name: "logits_ctr" {SOFT}'), "kd[0] has no loss_type"),
    (kd('pred_name: "logits_ctr" loss_type: L2_LOSS'), "kd[0] has no soft_label_name"),
    (kd('pred_name: "logits_ctr" soft_label_name: "user" loss_type: L2_LOSS'), '"user" is a STRING field'),
    (kd(f'pred_name: "logits_stay" {SOFT} loss_type: L2_LOSS'), '"logits_stay" is not in the predictions'),
    (kd(f'pred_name: "y_stay" {SOFT} loss_type: KL_DIVERGENCE_LOSS'), "cannot hold y_stay against"),
    (kd(f'pred_name: "logits_ctr" {SOFT} loss_type: JRC_LOSS'), "JRC_LOSS cannot hold logits_ctr"),
    (kd(f'pred_name: "probs_ctr" {SOFT} loss_type: BINARY_FOCAL_LOSS'), 'name "logits_ctr".'),
    (
        kd(f'pred_name: "logits_ctr" pred_is_logits: false {SOFT} loss_type: BINARY_CROSS_ENTROPY_LOSS'),
        'pred_is_logits has to be true: "logits_ctr" is a logit.',
    ),
    (
        kd(f'pred_name: "logits_ctr" {SOFT} loss_type: L2_LOSS task_space_indicator_name: "user"'),
        "needs both task_space_indicator_name and task_space_indicator_value",
    ),
    (kd(f'pred_name: "logits_ctr" {SOFT} loss_type: LISTWISE_RANK_LOSS'), "kd[0] has LISTWISE_RANK_LOSS, which comp"),
    (
        kd(f'pred_name: "logits_ctr" {SOFT} loss_type: PAIR_WISE_LOSS pairwise_loss {{ session_name: "x" }}'),
        'pairwise_loss.session_name "x" is not in data_config.input_fields',
    ),
    (
        kd(f'pred_name: "logits_ctr" {SOFT} loss_type: L2_LOSS pairwise_loss {{ }}'),
        "kd[0].pairwise_loss belongs to PAIR_WISE_LOSS, but loss_type is L2_LOSS.",
    ),
    (kd(f'pred_name: "logits_ctr" {SOFT} loss_type: L2_LOSS temperature: 0'), "temperature is 0, outside of (0, inf)."),
]


@pytest.mark.parametrize(("change", "expected"), WRONG, ids=[expected for _, expected in WRONG])
def test_a_wrong_loss_says_what_is_wrong(problems, change, expected):
    lines = problems(change)
    assert any(expected in line for line in lines), lines


RIGHT = [
    losses('num_class: 2 losses { loss_type: JRC_LOSS jrc_loss { session_name: "user" } }'),
    losses(
        "num_class: 2 losses { loss_type: CLASSIFICATION } "
        'losses { loss_type: JRC_LOSS jrc_loss { session_name: "user" } }'
    ),
    losses("losses { loss_type: CLASSIFICATION } losses { loss_type: ORDER_CALIBRATE_LOSS }"),
    losses("losses { loss_type: PAIR_WISE_LOSS pairwise_loss { margin: 1 } }"),
    losses(
        'losses { loss_type: LISTWISE_RANK_LOSS listwise_rank_loss { session_name: "user" transform_fn: "tf.log1p" } }'
    ),
    losses(
        'losses { loss_type: LISTWISE_RANK_LOSS listwise_rank_loss { session_name: "user" '
        'transform_fn: "lambda x: tf.math.log1p(x) * 2" } }'
    ),
    losses('sample_weights { class_weights { positive: 5 } } sample_weights { label: "seconds" }'),
    kd(f'pred_name: "logits_ctr" {SOFT} label_is_logits: false loss_type: BINARY_CROSS_ENTROPY_LOSS temperature: 2'),
    kd(f'pred_name: "probs_ctr" pred_is_logits: false {SOFT} loss_type: KL_DIVERGENCE_LOSS'),
    kd(f'pred_name: "y_stay" {SOFT} loss_type: L2_LOSS'),
]


@pytest.mark.parametrize("change", RIGHT, ids=[new for _, new in RIGHT])
def test_right_losses_have_no_problem(problems, change):
    assert problems(change) == []


def test_the_reading_of_a_probability_as_its_log_is_noted(load):
    notes = load(kd(f'pred_name: "logits_ctr" {SOFT} label_is_logits: false loss_type: CROSS_ENTROPY_LOSS')).notes
    assert len([note for note in notes if "BINARY_CROSS_ENTROPY_LOSS teaches 0.5" in note]) == 1


def test_an_order_without_towers_that_come_first_is_noted(load):
    change = losses("losses { loss_type: CLASSIFICATION } losses { loss_type: ORDER_CALIBRATE_LOSS }")
    kept, dropped = ('relation_tower_names: "ctr"', 'relation_tower_names: "ctr"'), ('relation_tower_names: "ctr"', "")
    notes = [[note for note in load(change, relations).notes if "no effect" in note] for relations in (kept, dropped)]
    assert notes[0] == []
    assert "task_towers[1] has ORDER_CALIBRATE_LOSS, which has no effect without relation_tower_names" in notes[1][0]


def test_a_soft_label_is_a_label_that_is_used(load):
    entry = 'pred_name: "logits_ctr" soft_label_name: "seconds" loss_type: L2_LOSS'
    assert load(kd(entry), ('label_name: "seconds"', 'label_name: "order"')).notes == []


def test_a_second_loss_of_one_name_and_a_tower_that_ends_in_2_are_told_apart(problems):
    twice = losses("losses { loss_type: L2_LOSS } losses { loss_type: L2_LOSS }")
    lines = problems(twice, ('tower_name: "stay"', 'tower_name: "cvr_2"'))
    assert any('has a loss named "L2_LOSS_cvr_2"' in line and "Give it a loss_name" in line for line in lines), lines
    renamed = losses('losses { loss_type: L2_LOSS } losses { loss_type: L2_LOSS loss_name: "mine" }')
    assert not any("a loss named" in line for line in problems(renamed, ('tower_name: "stay"', 'tower_name: "cvr_2"')))


def test_two_distillations_of_one_prediction_and_column_have_a_name_each(problems):
    first = f'pred_name: "logits_ctr" {SOFT} loss_type: L2_LOSS'
    second = f'pred_name: "logits_ctr" {SOFT} loss_type: BINARY_CROSS_ENTROPY_LOSS'
    lines = problems(kd(f"{first} }} kd {{ {second}"))
    assert any("kd[1] has a loss named" in line and "Give it a loss_name of its own" in line for line in lines), lines
    assert problems(kd(f'{first} }} kd {{ {second} loss_name: "kd_cross_entropy"')) == []
