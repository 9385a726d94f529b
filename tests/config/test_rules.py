"""The rules of a config, one line each: a change to a right config, and the sentence it ends in."""

from pathlib import Path

import pytest
from google.protobuf import text_format

from easymtl.config.problems import Findings, Places
from easymtl.config.validate import validate
from easymtl.protos.pipeline_pb2 import Pipeline

OPTIMIZER = """  optimizer_config {
    adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } }
  }
"""
RATE = "constant_learning_rate { learning_rate: 0.01 }"
PRICE = 'input_names: "price" feature_type: RawFeature'
USER = 'input_names: "user" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4'
TAGS = 'input_names: "tags" feature_type: TagFeature hash_bucket_size: 20 embedding_dim: 4'
FIRST_METRIC = "metrics_set { auc { } }"
BOTTOM = "bottom_dnn { hidden_units: [8, 6] }"


def test_the_base_is_right(load):
    config = load()
    assert config.notes == []


RULES = {
    "values": [
        ("batch_size: 64", "batch_size: 0", "x.config:11: data_config.batch_size is 0, outside of (0, inf)."),
        ("[8, 6]", "[8, 0]", "bottom_dnn.hidden_units[1] is 0, outside of (0, inf)."),
        ("[8, 6] }", "[8, 6] dropout_ratio: [0.1, 1] }", "bottom_dnn.dropout_ratio[1] is 1, outside of [0, 1)."),
        ("[8, 6] }", "[8, 6] dropout_ratio: [0.1, nan] }", "bottom_dnn.dropout_ratio[1] is nan, outside of [0, 1)."),
        ("learning_rate: 0.01", "learning_rate: inf", "constant_learning_rate.learning_rate is inf, outside of "),
        ("RawFeature", "RawFeature min_val: nan", "features[2].min_val is nan, which is no finite number."),
        ("20 embedding_dim: 4", '20 embedding_dim: 4 combiner: "avg"', 'features[1].combiner "avg" is none of "'),
        ('label_name: "order"', 'label_name: "order" weight: -1', "task_towers[1].weight is -1, outside of [0, inf)."),
    ],
    "inputs": [
        ('train_input_path: "train.csv"\n', "", "x.config: train_input_path is missing, for example "),
        ('model_dir: "model"\n', "", "x.config: model_dir is missing: name a folder"),
    ],
    "input fields": [
        ('input_name: "price" ', "", "x.config:20: data_config.input_fields[6] has no input_name."),
        (
            'input_name: "tags"',
            'input_name: "user"',
            'x.config:19: input_fields[5].input_name "user" is taken: x.config:18 has it too. Rename one of them.',
        ),
        ("INT32 }", 'INT32 default_val: "no" }', 'x.config:14: input_fields[0].default_val "no" is no INT32.'),
        ("INT32 }", 'INT32 default_val: "3000000000" }', 'input_fields[0].default_val "3000000000" is no INT32.'),
        ("INT32 }", 'FLOAT default_val: "nan" }', 'input_fields[0].default_val "nan" is no number that can stand for'),
        (
            "INT32 }",
            'FLOAT default_val: "1e39" }',
            'input_fields[0].default_val "1e39" is no number that can stand for',
        ),
        ("FLOAT }", 'FLOAT default_val: "1_0" }', 'input_fields[2].default_val "1_0" is no FLOAT.'),
        ("INT32 }", 'BOOL default_val: "yes" }', 'input_fields[0].default_val "yes" is no BOOL.'),
    ],
    "labels": [
        ('label_fields: ["click", "order", "seconds"]', "", "x.config:10: data_config has no label_fields"),
        (
            '"order", "seconds"]',
            '"ordr", "seconds"]',
            'x.config:12: data_config.label_fields[1] "ordr" is not in data_config.input_fields ("click", "order", '
            '"seconds", "weight", "user", "tags", "price"). Did you mean "order"?',
        ),
        ('sample_weight: "weight"', 'sample_weight: "wieght"', 'data_config.sample_weight "wieght" is not in '),
        ('sample_weight: "weight"', 'sample_weight: "user"', 'data_config.sample_weight "user" is a STRING field'),
    ],
    "separator": [
        ("batch_size: 64", 'separator: "||"', "data_config.separator is '||'; it needs one ASCII character"),
        ("batch_size: 64", 'separator: "，"', "data_config.separator is '，'; it needs one ASCII character"),
        ("batch_size: 64", 'separator: ""', "data_config.separator is ''; it needs one ASCII character"),
    ],
    "features": [
        (
            'input_names: "user"',
            'input_names: "usr"',
            'x.config:23: features[0].input_names[0] "usr" is not in data_config.input_fields ("click", "order", '
            '"seconds", "weight", "user", "tags", "price"). Did you mean "user"?',
        ),
        ('input_names: "user" ', "", "feature_config.features[0] has no input_names."),
        ('input_names: "user"', 'input_names: ["user", "tags"]', "has 2 input_names; IdFeature takes 1."),
        ('input_names: "tags"', 'input_names: ["tags", "user", "price"]', "3 input_names; TagFeature takes 1 to 2."),
        (
            'input_names: "tags"',
            'feature_name: "user" input_names: "tags"',
            'x.config:24: feature_config.features[1] "user" is taken: x.config:23 has it too.',
        ),
        (
            "hash_bucket_size: 50 ",
            "growing { max_rows: 9 } hash_bucket_size: 50 ",
            "growing and hash_bucket_size exclude each other: a row is an id's own",
        ),
        ("hash_bucket_size: 50 ", "growing { } ", "growing needs max_rows, the most ids that have rows"),
        (
            "hash_bucket_size: 50 ",
            "growing { max_rows: 9 expire_after_steps: 9 expire_after_days: 9 } ",
            'growing has "expire_after_steps", "expire_after_days"; keep one of them.',
        ),
        ("hash_bucket_size: 50 ", "growing { max_rows: 9 } ev_params { } ", "ev_params and growing say the same"),
        ("hash_bucket_size: 50 ", "growing { max_rows: 9 } ", None),
        (
            "feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }",
            "feature_type: IdFeature growing { max_rows: 9 } embedding_dim: 4 } "
            'features { feature_name: "u2" input_names: "user" embedding_name: "user" embedding_dim: 4 '
            "growing { max_rows: 9 } }",
            'growing the ids of "user" and those of the embedding_name "user" would have one name',
        ),
        (
            "hash_bucket_size: 50 ",
            "growing { max_rows: 3000000000 } ",
            "growing.max_rows is 3e+09, outside of [0, 2147483646]",
        ),
        (
            'input_names: "tags" feature_type: TagFeature hash_bucket_size: 20 embedding_dim: 4',
            'input_names: "tags" feature_type: RawFeature growing { max_rows: 9 }',
            "growing is for tables of ids, and this is a RawFeature; IdFeature, TagFeature, ComboFeature and",
        ),
        (
            "hash_bucket_size: 50 ",
            "",
            "features[0] needs one of growing, hash_bucket_size, vocab_list, vocab_file, num_buckets",
        ),
        ("50 embedding_dim: 4", "50", "features[0] needs embedding_dim, for example embedding_dim: 16."),
        ("hash_bucket_size: 50", 'vocab_list: ["a", "b", "a"]', 'features[0].vocab_list holds "a" twice'),
        ("hash_bucket_size: 50", 'vocab_file: "words.txt"', 'features[0].vocab_file "words.txt" is no file (relative'),
        (PRICE, PRICE + " boundaries: [1, 1] embedding_dim: 4", "boundaries [1.0, 1.0] must ascend, each larger"),
        (PRICE, PRICE + " boundaries: [1, 2]", "features[2] has buckets, so it needs embedding_dim"),
        (PRICE, PRICE + " min_val: 2 max_val: 1", "features[2].max_val 1 is less than min_val 2."),
        (PRICE, PRICE + " raw_input_dim: 3", "features[2].raw_input_dim 3 needs a STRING field of numbers"),
        (PRICE, PRICE + ' normalizer_fn: "tf.math.log1"', '"tf.math.log1" is no lambda and none of "abs", "atan"'),
        (
            PRICE,
            PRICE + ' normalizer_fn: "lambda x: open(x)"',
            '"open" is no function of expressions. There are ',
        ),
        (PRICE, PRICE + ' normalizer_fn: "lambda x: 1"', '"lambda x: 1" does not name its parameter, so it is the sa'),
        (
            TAGS,
            'input_names: ["tags", "user"] feature_type: ComboFeature',
            "needs hash_bucket_size or growing: a ComboFeature",
        ),
        (
            TAGS,
            'input_names: ["tags", "user"] feature_type: ComboFeature hash_bucket_size: 9 embedding_dim: 4 '
            'combo_input_seps: ","',
            "features[1].combo_input_seps has 1 entries for 2 input_names; give one each,",
        ),
        (
            "model_config {",
            "feature_configs { " + PRICE + " }\nmodel_config {",
            "move all features into feature_config",
        ),
    ],
    "shared tables": [
        (
            "20 embedding_dim: 4 }\n",
            '20 embedding_dim: 4 embedding_name: "e" }\n  features { input_names: "user" feature_name: "v" '
            'hash_bucket_size: 30 embedding_dim: 4 embedding_name: "e" }\n',
            'x.config:25: features[2].embedding_name "e" is shared with tags (x.config:24), '
            "but the number of rows differs: 30 here, 20 there.",
        ),
        (
            "20 embedding_dim: 4 }\n",
            '20 embedding_dim: 4 embedding_name: "e" }\n  features { input_names: "user" feature_name: "v" '
            'hash_bucket_size: 20 embedding_dim: 8 embedding_name: "e" }\n',
            "but embedding_dim differs: 8 here, 4 there.",
        ),
    ],
    "groups": [
        (
            '["user", "tags", "price"] }\n',
            '["usr", "tags", "price"] }\n',
            'feature_names[0] "usr" is not in the features',
        ),
        ('["user", "tags", "price"]', '["user", "user"]', 'feature_names[1] "user" is in this group already.'),
        ('["user", "tags", "price"]', '["user", "tag[3-1]"]', '"tag[3-1]" is a range of -1 names; 1 to 100000'),
        ('["user", "tags", "price"]', '["tag[1-999999999]"]', "is a range of 999999999 names; 1 to 100000"),
        ('feature_names: ["user", "tags", "price"]', "", "feature_groups[0] has no feature_names."),
        ('group_name: "all" ', "", "feature_groups[0] has no group_name."),
        (
            'group_name: "all"',
            'group_name: "al"',
            'x.config:28: model_config.feature_groups lacks the group "all", which dbmtl reads; its groups are "al".',
        ),
        (
            "  dbmtl {",
            '  feature_groups { group_name: "all" feature_names: "user" }\n  dbmtl {',
            'feature_groups[1].group_name "all" is taken: x.config:28 has it too.',
        ),
    ],
    "model": [
        (
            "  dbmtl {",
            '  model_class: "MMoE"\n  dbmtl {',
            'model_class is "MMoE", but the model is dbmtl, whose class is',
        ),
        (
            BOTTOM,
            "expert_dnn { hidden_units: 4 }",
            "x.config:29: model_config.dbmtl has expert_dnn; it needs num_expert",
        ),
        (BOTTOM, "num_expert: 4", "dbmtl.num_expert needs expert_dnn { hidden_units: ... }"),
        ('tower_name: "ctr"', "", "x.config:31: dbmtl.task_towers[0] has no tower_name."),
        (
            'tower_name: "stay"',
            'tower_name: "cvr"',
            'task_towers[2].tower_name "cvr" is taken: x.config:38 has it too.',
        ),
        (
            'tower_name: "stay"',
            'tower_name: "stay-2"',
            'tower_name "stay-2" names outputs, so it may hold ASCII letters',
        ),
    ],
    "networks": [
        ("[8, 6]", "[]", "x.config:30: dbmtl.bottom_dnn needs hidden_units, for example hidden_units: [128, 64]."),
        ("[8, 6] }", "[8, 6] dropout_ratio: 0.1 }", "bottom_dnn.dropout_ratio has 1 value for 2 hidden_units"),
        ("[8, 6] }", '[8, 6] activation: "rleu" }', 'bottom_dnn.activation "rleu" is none of "relu", "gelu", '),
        ("[8, 6] }", '[8, 6] activation: "tf.nn.rleu" }', 'Did you mean "relu"?'),
    ],
    "tower labels": [
        (
            'label_name: "order"',
            'label_name: "ordr"',
            'x.config:39: task_towers[1].label_name "ordr" is not in data_config.label_fields '
            '("click", "order", "seconds"). Did you mean "order"?',
        ),
        (
            'task_towers {\n      tower_name: "ctr"',
            'task_towers { tower_name: "a" label_name: "click" }\n    task_towers {\n      tower_name: "ctr"',
            None,
        ),
        (
            "    task_towers {\n",
            '    task_towers { tower_name: "a" label_name: "click" }\n' * 3 + '    task_towers { tower_name: "b" }\n'
            "    task_towers {\n",
            "dbmtl.task_towers[3] has no label_name, and data_config.label_fields has no label for place 3",
        ),
    ],
    "losses": [
        ("loss_type: L2_LOSS", "loss_type: L2_LOSS num_class: 2", "num_class is 2, but L2_LOSS needs num_class: 1."),
        ("loss_type: L2_LOSS", "num_class: 0", "task_towers[2].num_class is 0, outside of (0, inf)."),
        (
            "loss_type: L2_LOSS",
            "losses { loss_type: L2_LOSS } losses { loss_type: CLASSIFICATION }",
            "task_towers[2].losses disagree on what the tower predicts (probability, value)",
        ),
        ("loss_type: L2_LOSS", "losses { weight: 2 }", "task_towers[2].losses[0] has no loss_type."),
    ],
    "spaces": [
        ('label_name: "order"', 'task_space_indicator_label: "clk"', 'task_space_indicator_label "clk" is not in '),
        ('label_name: "order"', 'task_space_indicator_label: "user"', '"user" is a STRING field; it needs a number'),
        (
            'label_name: "order"',
            'task_space_indicator_name: "usr" task_space_indicator_value: "1"',
            'task_space_indicator_name "usr" is not in the features or data_config.input_fields ("user", "tags", ',
        ),
        ('label_name: "order"', 'task_space_indicator_name: "user"', "it needs task_space_indicator_value too."),
        ('label_name: "order"', 'task_space_indicator_value: "1"', "it needs task_space_indicator_name too."),
    ],
    "relations": [
        (
            'relation_tower_names: "ctr"',
            'relation_tower_names: "ctrr"',
            'task_towers[1].relation_tower_names[0] "ctrr" is not in the towers ("ctr", "cvr", "stay"). '
            'Did you mean "ctr"?',
        ),
        (
            'label_name: "click"',
            'label_name: "click" relation_tower_names: "cvr"',
            "x.config:33: task_towers[0].relation_tower_names make a circle: ctr needs cvr needs ctr. Remove",
        ),
        (
            'label_name: "click"',
            'label_name: "click" relation_tower_names: "ctr"',
            "x.config:33: task_towers[0].relation_tower_names make a circle: ctr needs ctr.",
        ),
    ],
    "metrics": [
        (
            "metrics_set { mean_squared_error { } }",
            FIRST_METRIC,
            'task_towers[2].metrics_set[0] auc does not fit the tower "stay", which predicts a number; '
            "for such towers there are mean_absolute_error, ",
        ),
        (FIRST_METRIC, "metrics_set { xauc { } }", 'xauc does not fit the tower "ctr", which predicts a probability'),
        (FIRST_METRIC, FIRST_METRIC + "num_class: 3", "auc does not fit the tower"),
        (FIRST_METRIC, "metrics_set { }", "task_towers[0].metrics_set[0] names no metric"),
        (FIRST_METRIC, FIRST_METRIC * 2, "metrics_set[1] auc is in this tower's metrics already."),
        (FIRST_METRIC, "metrics_set { gauc { } }", "metrics_set[0].gauc needs uid_field, the column to group by"),
        (FIRST_METRIC, 'metrics_set { gauc { uid_field: "usr" } }', 'gauc.uid_field "usr" is not in data_config.input'),
        (FIRST_METRIC, 'metrics_set { session_auc { session_id_field: "s" } }', 'session_id_field "s" is not in '),
        (FIRST_METRIC, 'metrics_set { gauc { uid_field: "user" reduction: "max" } }', '"max" is none of "mean", '),
    ],
    "best export": [
        (
            "data_config {",
            'export_config { exporter_type: "best" best_exporter_metric: "auc_ctrr" }\ndata_config {',
            'export_config.best_exporter_metric "auc_ctrr" is not in the metrics of the towers ("auc_ctr", "auc_cvr", '
            '"mean_squared_error_stay", "loss"). Did you mean "auc_ctr"?',
        ),
        ("data_config {", 'export_config { exporter_type: "bst" }\ndata_config {', 'Did you mean "best"?'),
    ],
    "feature dropout": [
        (
            "  feature_groups {",
            "  variational_dropout { }\n  feature_groups { feature_dropout_rate: 0.1",
            "feature_dropout_rate and model_config.variational_dropout, which learns such rates. Remove one of them.",
        ),
        (
            "  feature_groups {",
            "  feature_groups { feature_dropout_rate: 1",
            "feature_groups[0].feature_dropout_rate is 1, outside of [0, 1).",
        ),
    ],
    "calibration after training": [
        (
            "loss_type: L2_LOSS",
            "loss_type: L2_LOSS post_calibration { }",
            'post_calibration is of a probability of one event, and the tower "stay" predicts none. Remove it.',
        ),
        (
            'label_name: "click"',
            'label_name: "click" post_calibration { method: PLAT }',
            'Did you mean "PLATT"?',
        ),
    ],
    "shares of negatives": [
        (
            "loss_type: L2_LOSS",
            "loss_type: L2_LOSS negative_sampling_rate: 0.1",
            'negative_sampling_rate is of negatives, and the tower "stay" predicts no probability of one event',
        ),
        (
            "loss_type: L2_LOSS",
            "loss_type: L2_LOSS eval_negative_sampling_rate: 0.1",
            "eval_negative_sampling_rate is of negatives",
        ),
        ('label_name: "click"', 'label_name: "click" negative_sampling_rate: 0', "is 0, outside of (0, 1]."),
    ],
    "training": [
        ("num_steps: 5", "", "x.config:4: train_config sets neither num_steps nor data_config.num_epochs"),
        (OPTIMIZER, "", "x.config:4: train_config has no optimizer; add optimizer_config { adam_optimizer {"),
        (OPTIMIZER, OPTIMIZER * 3, "optimizer_config is given 3 times; one serves all, two are embeddings first"),
        (OPTIMIZER, "  optimizer_config { }\n", "optimizer_config[0] names no optimizer, for example adam_optimizer"),
        (RATE, "", "optimizer_config[0].adam_optimizer has no learning rate, for example learning_rate {"),
        (RATE, "manual_step_learning_rate { }", "manual_step_learning_rate has no schedule { step: ..."),
        (
            RATE,
            "manual_step_learning_rate { schedule { step: 5 } schedule { step: 5 } }",
            "manual_step_learning_rate.schedule has the steps [5, 5]; they must ascend.",
        ),
        (
            RATE,
            "cosine_decay_learning_rate { total_steps: 10 }",
            "total_steps is 10; it must be more than warmup_steps",
        ),
        (RATE, "poly_decay_learning_rate { power: 1 }", "poly_decay_learning_rate needs learning_rate_base."),
        (RATE, "transformer_learning_rate { warmup_steps: 1 }", "transformer_learning_rate needs hidden_size."),
        ("num_steps: 5", 'num_steps: 5 freeze_gradient: "("', 'freeze_gradient[0] "(" is no regular expression: '),
        ("num_steps: 5", 'num_steps: 5 dead_line: "2026"', 'dead_line "2026" is no time such as "20261231 23:59:59".'),
    ],
}
CASES = [pytest.param(old, new, text, id=f"{topic}: {text}"[:90]) for topic in RULES for old, new, text in RULES[topic]]


@pytest.mark.parametrize("old, new, expected", CASES)
def test_a_wrong_config_says_what_is_wrong(problems, old, new, expected):
    lines = problems((old, new))
    if expected is None:
        assert lines == []
    else:
        assert any(expected in line for line in lines), lines


LEVEL = """expert_num_per_task: 1 share_num: 2
    task_expert_net { hidden_units: 4 } share_expert_net { hidden_units: 4 }"""
MODELS = {
    "no experts": (
        "mmoe { %s }",
        "model_config.mmoe has no experts: set expert_dnn { hidden_units: ... } and num_expert",
    ),
    "a count without experts": ("mmoe { num_expert: 2 %s }", "mmoe.num_expert needs expert_dnn"),
    "both forms": (
        'mmoe { num_expert: 2 expert_dnn { hidden_units: 4 } experts { expert_name: "a" dnn { hidden_units: 4 } } %s }',
        "model_config.mmoe has experts { } and expert_dnn or num_expert; keep one form.",
    ),
    "experts of different widths": (
        "mmoe { experts { dnn { hidden_units: 4 } } experts { dnn { hidden_units: 6 } } %s }",
        "mmoe.experts end in layers of different widths [4, 6]",
    ),
    "an expert without layers": (
        "mmoe { experts { } %s }",
        "mmoe.experts[0] needs dnn { hidden",
    ),
    "right experts": ("mmoe { num_expert: 2 expert_dnn { hidden_units: 4 } %s }", None),
    "shared bottom without one": ("shared_bottom { %s }", "model_config.shared_bottom needs bottom_dnn"),
    "omoe without experts": ("omoe { %s }", "omoe has no experts: set expert_dnn { hidden_units: ... } and num_expert"),
    "omoe without a count": ("omoe { expert_dnn { hidden_units: 4 } %s }", "omoe has expert_dnn; it needs num_expert"),
    "right omoe": ("omoe { expert_dnn { hidden_units: 4 } num_expert: 2 %s }", None),
    "cgc without shared experts": (
        "cgc { expert_num_per_task: 1 task_expert_net { hidden_units: 4 } %s }",
        "model_config.cgc needs share_num, for example share_num: 1.",
    ),
    "cgc of two widths": (
        f"cgc {{ {LEVEL.replace('units: 4 }', 'units: [4, 8] }', 1)} %s }}",
        "share_expert_net.hidden_units ends in a layer of width 4, task_expert_net in one of 8; a gate adds them up",
    ),
    "cgc without experts of its tasks": (
        f"cgc {{ {LEVEL.replace('task: 1', 'task: 0')} %s }}",
        "cgc.expert_num_per_task is 0, outside of [1, 1000].",
    ),
    "right cgc": (f"cgc {{ {LEVEL} %s }}", None),
    "ple without levels": ("ple { %s }", "model_config.ple has no extraction_networks { expert_num_per_task"),
    "ple level": (
        "ple { extraction_networks { share_num: 1 } %s }",
        "[0] needs task_expert_net { hidden",
    ),
    "ple level without a name": (
        f"ple {{ extraction_networks {{ {LEVEL} }} %s }}",
        'extraction_networks[0] needs network_name, for example "level_1"',
    ),
    "ple levels of one name": (
        f'ple {{ {2 * f"""extraction_networks {{ network_name: "a" {LEVEL} }} """} %s }}',
        'extraction_networks[1].network_name "a" is taken',
    ),
    "ple level of two widths": (
        f"""ple {{ extraction_networks {{ network_name: "a" {LEVEL.replace("units: 4 }", "units: 6 }", 1)} }} %s }}""",
        "share_expert_net.hidden_units ends in a layer of width 4, task_expert_net in one of 6",
    ),
    "right ple": (
        f'ple {{ extraction_networks {{ network_name: "a" {LEVEL} }} '
        f'extraction_networks {{ network_name: "b" {LEVEL.replace("units: 4", "units: 7")} }} %s }}',
        None,
    ),
    "no towers": ("simple_multi_task { }", "model_config.simple_multi_task has no task_towers."),
    "no model": ("", "model_config names no model; add one of mmoe, "),
}


@pytest.mark.parametrize("body, expected", MODELS.values(), ids=MODELS)
def test_models_have_what_they_are_made_of(base, problems, body, expected):
    tower = 'task_towers { tower_name: "ctr" label_name: "click" }'
    text = base.partition("  dbmtl {")[0] + "  " + body.replace("%s", tower) + "\n}\n"
    lines = problems(text=text)
    assert lines == [] if expected is None else any(expected in line for line in lines), lines


LATER = {
    "sample weight column": (
        "task_towers[1]",
        'sample_weights { column: "w" }',
        'sample_weights[0].column "w" is not in data_config.input_fields',
    ),
    "sample weight label": (
        "task_towers[1]",
        'sample_weights { label: "user" }',
        'sample_weights[0].label "user" is not in data_config.label_fields ("click", ',
    ),
    "no class counts": (
        "task_towers[1]",
        "sample_weights { class_weights { negative: 0 positive: 0 } }",
        "class_weights gives both classes the factor 0, so no row would count; leave one above 0.",
    ),
    "no sample weight": ("task_towers[1]", "sample_weights { }", "sample_weights[0] needs column, label or class_"),
    "jrc": ("task_towers[1]", "losses { loss_type: JRC_LOSS }", "num_class is 1, but JRC_LOSS needs num_class: 2."),
    "ziln": ("task_towers[2]", "losses { loss_type: ZILN_LOSS }", "num_class is 1, but ZILN_LOSS needs num_class: 3."),
    "loss parameters": (
        "task_towers[0]",
        "losses { loss_type: CLASSIFICATION jrc_loss { } }",
        "losses[0].jrc_loss belongs to JRC_LOSS, but loss_type is CLASSIFICATION.",
    ),
    "tower group": (
        "task_towers[0]",
        'feature_group: "own"',
        'feature_group "own" is not in the feature groups ("all")',
    ),
    "metric of classes": ("task_towers[0]", "metrics_set { recall_at_topk { } }", "recall_at_topk does not fit"),
}


@pytest.mark.parametrize("tower, text, expected", LATER.values(), ids=LATER)
def test_rules_of_what_is_still_to_come(base, tower, text, expected):
    pipeline = text_format.Parse(base, Pipeline())
    index = int(tower[-2])
    text_format.Parse(text, pipeline.model_config.dbmtl.task_towers[index])
    assert any(expected in str(problem) for problem in validate(pipeline, Findings(Places("x.config"))).problems)


def test_a_long_range_of_fields_is_not_expanded(base):
    pipeline = text_format.Parse(base, Pipeline())
    pipeline.data_config.auto_expand_input_fields = True
    pipeline.data_config.input_fields[0].input_name = "a[1-99999999999]"
    found = [problem.text for problem in validate(pipeline, Findings(Places("x.config"))).problems]
    expected = '"a[1-99999999999]" is a range of 99999999999 names; 1 to 100000 are allowed.'
    assert any(expected in text for text in found)


LATER_MODELS = {
    "esmm": ('esmm { ctr_tower { tower_name: "ctr" label_name: "click" } }', "model_config.esmm needs cvr_tower."),
    "esmm label": ('esmm { cvr_tower { tower_name: "c" label_name: "x" } }', 'esmm.cvr_tower.label_name "x" is not in'),
    "esmm group": ('esmm { groups { input: "user" } }', 'groups[0].input "user" is not in the feature groups ("all").'),
    "no backbone": ("model_params { %s }", "model_config has model_params and no backbone { } that feeds them."),
    "backbone group": (
        'backbone { blocks { name: "a" inputs { feature_group_name: "al" } } } model_params { %s }',
        'inputs[0].feature_group_name "al" is not in the feature groups or blocks ("all", "a"). Did you mean "all"?',
    ),
}


@pytest.mark.parametrize("body, expected", LATER_MODELS.values(), ids=LATER_MODELS)
def test_rules_of_models_still_to_come(base, body, expected):
    tower = 'task_towers { tower_name: "ctr" label_name: "click" }'
    text = base.partition("  dbmtl {")[0] + "  " + body.replace("%s", tower) + "\n}\n"
    pipeline = text_format.Parse(text, Pipeline())
    found = [str(problem) for problem in validate(pipeline, Findings(Places("x.config"))).problems]
    assert any(expected.removeprefix("esmm.") in line for line in found), found


NOTES = [
    ('eval_input_path: "eval.csv"\n', "", "x.config: eval_input_path is not set: the model is not evaluated"),
    (
        '"tags", "price"] }\n',
        '"price"] }\n',
        'feature_config.features[1] "tags" is in no feature group: it is not read.',
    ),
    (
        "hash_bucket_size: 50",
        "hash_bucket_size: 50 num_buckets: 3",
        "takes hash_bucket_size; num_buckets has no effect",
    ),
    (PRICE, PRICE + " num_buckets: 3", "features[2].num_buckets has no effect without min_val and max_val."),
    (
        RATE,
        "cosine_decay_learning_rate { warmup_steps: 0 total_steps: 10 }",
        "total_steps is 10, and training ends at num_steps: 5, before the rate has come down. Mostly both are one",
    ),
    (
        RATE,
        "poly_decay_learning_rate { learning_rate_base: 0.1 power: 1 total_steps: 4 }",
        "total_steps is 4, and training goes on to num_steps: 5 with the rate of the end.",
    ),
    (
        "data_config {",
        'eval_config { calibration_input_path: "x.csv" }\ndata_config {',
        "calibration_input_path has no effect without post_calibration in a task tower.",
    ),
    (PRICE, PRICE + " hash_bucket_size: 3", "hash_bucket_size has no effect: a RawFeature holds numbers."),
    (
        PRICE,
        PRICE + " vocab_list: 'a'",
        "vocab_list has no effect in a RawFeature: read by IdFeature, TagFeature, Combo",
    ),
    (PRICE, PRICE + ' expression: "price > 1"', "expression has no effect in a RawFeature: read by ExprFeature."),
    (PRICE, PRICE + ' seq_multi_sep: "|"', "seq_multi_sep has no effect without combiner, which makes one number of"),
    (
        "hash_bucket_size: 50",
        "hash_bucket_size: 50 max_seq_len: 7 min_val: 0 raw_input_dim: 1",
        "max_seq_len has no effect in an IdFeature: read by SequenceFeature.",
    ),
    (
        "  dbmtl {",
        '  feature_groups { group_name: "more" feature_names: "user" }\n  dbmtl {',
        'feature_groups[1] "more" is read by nothing in the model.',
    ),
    ('label_name: "order"', "out_task_space_weight: 0", "out_task_space_weight has no effect without a task_space_ind"),
    (
        "loss_type: L2_LOSS",
        "loss_type: CLASSIFICATION losses { loss_type: L2_LOSS }",
        "task_towers[2].loss_type CLASSIFICATION has no effect: losses { } is set.",
    ),
    ('label_name: "seconds"', 'label_name: "order"', 'data_config.label_fields[2] "seconds" is learned by no tower.'),
    (
        "optimizer_config {",
        "optimizer_config { moving_average_decay: 0.5",
        "optimizer_config[0].moving_average_decay has no effect without use_moving_average.",
    ),
    (
        "optimizer_config {",
        "optimizer_config { use_moving_average: true",
        "use_moving_average keeps 100% of the weights before the first step: moving_average_decay 0.9999 looks back "
        "over about 10,000 steps, and num_steps is 5.",
    ),
    ("num_steps: 5", "num_steps: 5 sync_replicas: true", "x.config:8: sync_replicas is ignored. "),
    (
        "num_steps: 5",
        "num_steps: 5 nan_policy: ROLLBACK save_checkpoints_steps: 0",
        "nan_policy is ROLLBACK, and no checkpoint is saved on the way",
    ),
    (
        "optimizer_config {\n    adam_optimizer {",
        "checkpoint_deltas { }\n  optimizer_config {\n    adam_optimizer { dense_embedding_update: true",
        "checkpoint_deltas has no effect: dense_embedding_update moves every row in every step",
    ),
]


@pytest.mark.parametrize("old, new, expected", NOTES, ids=[text for _, _, text in NOTES])
def test_what_has_no_effect_is_noted(load, old, new, expected):
    notes = load((old, new)).notes
    assert len(notes) == 1
    assert expected in notes[0]


RIGHT = [
    ("hash_bucket_size: 50", 'vocab_list: ["a", "b"]'),
    ("hash_bucket_size: 50", 'vocab_file: "words.txt"'),
    ("hash_bucket_size: 50", "num_buckets: 9"),
    (PRICE, PRICE + ' boundaries: [-1, 0, 2.5] embedding_dim: 4 normalizer_fn: "tf.math.log1p"'),
    (PRICE, PRICE + " min_val: 1 max_val: 2 num_buckets: 5 embedding_dim: 4"),
    ("[8, 6] }", '[8, 6] dropout_ratio: [0, 0.5] activation: "tf.nn.leaky_relu" }'),
    ("[8, 6] }", '[8, 6] activation: "dice" }'),
    ("batch_size: 64", 'separator: "\\001"'),
    ("num_steps: 5", ""),
    ('label_name: "order"', 'label_name: "order" task_space_indicator_label: "click" out_task_space_weight: 0'),
    ('      label_name: "order"\n', ""),
    (FIRST_METRIC, 'metrics_set { gauc { uid_field: "user" } } metrics_set { auc { } weighted: true }'),
    ("data_config {", 'export_config { exporter_type: "best" }\ndata_config {'),
    ("data_config {", 'export_config { exporter_type: "best" best_exporter_metric: "auc_cvr" }\ndata_config {'),
    ("metrics_set { auc { } }\n    }\n    task", "}\n    task"),
    ("data_config {", 'export_config { exporter_type: "best" best_exporter_metric: "loss" }\ndata_config {'),
]


@pytest.mark.parametrize("old, new", RIGHT, ids=[new or old for old, new in RIGHT])
def test_right_configs_have_no_problem(problems, load, old, new):
    Path("words.txt").write_text("a\nb\n")
    extra = ("data_config.num_epochs=1",) if old == "num_steps: 5" else ()
    assert problems((old, new), overrides=extra) == []


def test_a_rate_that_comes_down_in_an_epoch_ends_where_the_training_may(load):
    schedule = (RATE, "poly_decay_learning_rate { learning_rate_base: 0.1 power: 1 total_steps: 4 }")
    assert load(schedule, overrides=("data_config.num_epochs=1",)).notes == []


def test_all_problems_are_reported_together_in_the_order_of_the_file(problems):
    lines = problems(
        ("batch_size: 64", "batch_size: 0"),
        ('label_name: "order"', 'label_name: "ordr"'),
        ("num_steps: 5", "num_step: 5 seed: 1"),
        ('model_dir: "model"', ""),
        overrides=("data_config.shuffle=perhaps",),
    )
    assert [line.split(": ")[0] for line in lines] == [
        "x.config:8:3",
        "x.config:11",
        "x.config:39",
        "x.config",
        "--set",
    ]


def test_a_mistyped_field_brings_no_second_problem(problems):
    assert len(problems(("label_fields:", "label_feilds:"))) == 1
    assert len(problems(("num_steps: 5", "num_stpes: 5"))) == 1
    assert len(problems(('tower_name: "ctr"', "tower_name: ctr"))) == 1
    assert len(problems(("train_config {", "trian_config {"))) == 1
    assert len(problems(("data_config {", "data_cofnig {"))) == 1
    assert len(problems(("feature_config {", "feature_confg {"))) == 1
    assert len(problems(("model_config {", "model_confg {"))) == 1
    assert len(problems(("dbmtl {", "dbmlt {"))) == 1
    assert len(problems(("dbmtl {", "dssm {"))) == 1
    assert len(problems(('train_input_path: "train.csv"', "hive_train_input { }"))) == 1
    assert len(problems(("adam_optimizer", "adm_optimizer"))) == 1
    assert len(problems(("hash_bucket_size: 50", "hash_bucket_sizes: 50"))) == 1
    assert len(problems(("loss_type: L2_LOSS", "loss_type: L2LOSS"))) == 1
    assert len(problems(("hidden_units: [8, 6]", "hidden_units: [8, six]"))) == 1


def test_other_mistakes_beside_a_mistyped_field_are_still_found(problems):
    lines = problems(
        ("batch_size: 64", "bacth_size: 64"),
        ('label_name: "order"', 'label_name: "ordr"'),
        ('input_names: "user"', 'input_names: "usr"'),
        ('["user", "tags"', '["usr", "tgs"'),
        ("num_steps: 5", "mixed_precision: HALF"),
    )
    assert [line.split(": ")[0] for line in lines] == ["x.config:4", "x.config:8:20", "x.config:11:3", "x.config:23",
                                                        "x.config:28", "x.config:39"]  # fmt: skip


def test_rules_wait_for_balanced_braces(load):
    with pytest.raises(ValueError, match="other rules are checked once its braces and quotes are right"):
        load(("batch_size: 64", "batch_size: 0 {"))


@pytest.mark.parametrize(
    ("default", "feature", "is_right"),
    [
        ("x", "", False),
        ("inf", "", False),
        ("2.5", "", True),
        ("1|x", 'raw_input_dim: 2 separator: "|"', False),
        ("1||2", 'raw_input_dim: 2 separator: "|"', True),
    ],
)
def test_the_default_of_a_text_that_is_read_as_numbers(problems, default, feature, is_right):
    declared = 'input_name: "price" input_type: FLOAT'
    lines = problems((declared, f'input_name: "price" default_val: "{default}"'), (PRICE, f"{PRICE} {feature}"))
    assert [line for line in lines if "Write a number there" in line] == lines and bool(lines) != is_right, lines
