"""Fields that EasyRec had for a time are told from mistyped ones."""

import pytest

TOWER = 'label_name: "order"'
GROUP = 'group_name: "all"'
HISTORY = 'input_names: "tags" feature_type: SequenceFeature embedding_dim: 4 sequence_combiner { attention { } }'
FORMER = [
    (("  dbmtl {", "  use_embedding_variable: false dbmtl {"), "growing { max_rows: 1000000 }, in place of"),
    (("  dbmtl {", "  grad_norm: true dbmtl {"), "task_balancing { gradnorm { } }"),
    ((TOWER, f"{TOWER} use_ait_module: true"), "aitm { }"),
    ((TOWER, f"{TOWER} ait_project_dim: 8"), "AITMTower"),
]
OF_HISTORIES = [("only_sequence_feature: true", "need_key_feature: false"), ('seq_model: "x"', "MultiHeadAttention")]


@pytest.mark.parametrize("change, instead", FORMER, ids=[instead for _, instead in FORMER])
def test_a_former_field_says_what_to_write_instead(problems, change, instead):
    (line,) = problems(change)
    assert "has no field" in line and instead in line


@pytest.mark.parametrize("field, instead", OF_HISTORIES, ids=[field for field, _ in OF_HISTORIES])
def test_a_former_field_of_a_history_says_what_to_write_instead(problems, field, instead):
    lines = problems((GROUP, f'{GROUP} sequence_features {{ group_name: "h" {field} }}'))
    assert any("has no field" in line and instead in line for line in lines), lines


def test_the_former_type_of_steps_is_one_problem(problems, base):
    feature = next(line for line in base.splitlines() if 'input_names: "tags"' in line)
    (line,) = problems((feature, f"  features {{ {HISTORY} }}"))
    assert "Steps that are numbers have sub_feature_type: RawFeature." in line
    (line,) = problems((feature, f"  features {{ {HISTORY} sub_value_type: FLOAT }}"))
    assert 'has no field "sub_value_type". Steps that are numbers have sub_feature_type: RawFeature now' in line


def test_attention_beside_the_groups_is_noted_and_not_read(load):
    text = 'seq_att_groups { group_name: "h" seq_att_map { key: "user" hist_seq: "tags" } }'
    config = load(("  dbmtl {", f"  {text} dbmtl {{"))
    assert any("seq_att_groups is ignored" in note and "sequence_features" in note for note in config.notes)
