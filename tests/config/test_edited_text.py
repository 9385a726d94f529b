"""Texts of configs with other values: what was written around them stays."""

import difflib

import pytest

from easymtl.config import parse_config
from easymtl.config.edited_text import edited_text
from tests.api.shop import CONFIG

CLICK = 'task_towers { tower_name: "click" label_name: "click" dnn { hidden_units: 4 } metrics_set { auc {} } }'
RATE = "train_config.optimizer_config[0].adam_optimizer.learning_rate.constant_learning_rate.learning_rate"


def changes(overrides: list[str], text: str = CONFIG) -> list[str]:
    """Returns the lines that are new, once it is sure that the text means what the overrides ask for."""
    edited = edited_text(text, overrides)
    assert parse_config(edited, "x").pipeline == parse_config(text, "x", overrides).pipeline
    lines = difflib.ndiff(text.splitlines(), edited.splitlines())
    return [line[2:].strip() for line in lines if line.startswith("+ ")]


@pytest.mark.parametrize(
    ("overrides", "new"),
    [
        (["model_config.mmoe.num_expert=7"], ["num_expert: 7"]),
        (["model_config.mmoe.expert_dnn.hidden_units=[9]"], ["expert_dnn { hidden_units: [9] }"]),
        (["model_config.mmoe.expert_dnn.hidden_units[1]=9"], ["expert_dnn { hidden_units: [8, 9] }"]),
        (
            ["model_config.mmoe.task_towers[0].dnn.hidden_units=[3, 2]"],
            [CLICK.replace("hidden_units: 4", "hidden_units: [3, 2]")],
        ),
        (
            ["model_config.mmoe.task_towers[0].weight=0.25"],
            [CLICK.replace("metrics_set { auc {} }", "metrics_set { auc {} } weight: 0.25")],
        ),
        (["model_config.embedding_regularization=1e-5"], ["embedding_regularization: 1e-05"]),
        (["eval_config.num_examples=4"], ["eval_config { num_examples: 4 }"]),
        (
            [f"{RATE}=0.003", "train_config.optimizer_config[0].adam_optimizer.beta1=0.8"],
            [
                "optimizer_config { adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.003 } } "
                "beta1: 0.8 } }"
            ],
        ),
        (["train_config.sync_replicas=false", "train_config.seed=9"], ["seed: 9"]),
        (['train_input_path="a b.parquet"'], ['train_input_path: "a b.parquet"']),
        (["data_config.input_fields[0].input_type=INT64"], ['input_fields { input_name: "click" input_type: INT64 }']),
    ],
)
def test_a_field_is_changed_or_put_in_where_it_belongs(overrides, new):
    found = changes(overrides)
    assert new == [line for line in found if line != "sync_replicas: false"]


def test_a_field_of_all_items_is_changed_in_each():
    assert len(changes(["feature_configs[:].embedding_dim=8"])) == 5


def test_two_new_fields_of_one_message_come_both():
    found = changes(["model_config.mmoe.l2_regularization=1e-4", "model_config.mmoe.expert_dnn.use_bn=false"])
    assert "l2_regularization: 0.0001" in found


def test_two_fields_of_a_message_that_is_not_there_yet_come_into_one():
    found = changes(["eval_config.num_examples=4", "eval_config.eval_online=true"])
    assert found == ["eval_config { num_examples: 4 eval_online: true }"]


def test_items_are_chosen_by_a_condition():
    (line,) = changes(["feature_config.features[input_names[0]=age].embedding_dim=8"])
    assert '"age"' in line and line.endswith("embedding_dim: 8 }")


def test_a_value_of_several_tokens_is_replaced_as_a_whole():
    text = CONFIG.replace('train_input_path: "train.parquet"', "train_input_path: \"train\" # of May\n  '.parquet'")
    assert edited_text(text, ["train_input_path=june.parquet"]).startswith('\ntrain_input_path: "june.parquet"\neval')
    text = CONFIG.replace("feature_type: RawFeature", "feature_type: RawFeature min_val: - 1.5 max_val: 3")
    (line,) = changes(["feature_config.features[4].min_val=-2.5"], text)
    assert line.endswith("min_val: -2.5 max_val: 3 }")


def test_comments_and_forms_of_writing_stay():
    text = CONFIG.replace("num_expert: 2", "# many\n    num_expert : 2 ; # so far").replace("seed: 5", "seed: 5 # why")
    edited = edited_text(text, ["model_config.mmoe.num_expert=3", "train_config.seed=6"])
    assert "# many\n    num_expert: 3 ; # so far" in edited and "seed: 6 # with 5: why" in edited


def test_a_comment_behind_a_value_is_of_the_value_that_it_was_written_for():
    text = CONFIG.replace("seed: 5", "seed: 5  # 8 passes over 5,399 rows")
    edited = edited_text(text, ["train_config.seed=6"])
    assert "seed: 6  # with 5: 8 passes over 5,399 rows\n" in edited
    text = CONFIG.replace("num_expert: 2", "num_expert: 2\n    # below")
    assert "num_expert: 3\n    # below" in edited_text(text, ["model_config.mmoe.num_expert=3"])


def test_a_field_that_has_the_value_already_stays_as_it_is_written():
    text = CONFIG.replace(
        "constant_learning_rate { learning_rate: 0.01 }", "constant_learning_rate { learning_rate: 1e-2 }"
    )
    assert edited_text(text, [f"{RATE}=0.01", "model_config.mmoe.num_expert=2"]) == text


def test_a_text_without_a_line_end_gets_a_new_field_behind_it():
    assert edited_text(CONFIG.rstrip(), ["eval_config.num_examples=4"]).endswith("}\neval_config { num_examples: 4 }\n")


def test_a_field_that_replaces_another_one_is_written_as_the_whole_config_that_says_so():
    rate = "train_config.optimizer_config[0].adagrad_optimizer.learning_rate.constant_learning_rate.learning_rate=0.1"
    edited = edited_text(CONFIG, [rate])
    assert edited.startswith("# This is the whole config") and "adam_optimizer" not in edited
    assert parse_config(edited, "x").pipeline == parse_config(CONFIG, "x", [rate]).pipeline
