"""`--set path=value`: what it changes, and what it says when it cannot."""

import pytest

from easymtl.config import ConfigError


def value_of(config, path):
    message = config.pipeline
    for step in path.split("."):
        name, _, index = step.rstrip("]").partition("[")
        message = getattr(message, name)
        message = message[int(index)] if index else message
    return message


@pytest.mark.parametrize(
    "path, text, value",
    [
        ("train_config.num_steps", "10", 10),
        ("train_config.num_steps", " 0x10 ", 16),
        ("train_config.mixed_precision", "FLOAT32", 1),
        ("train_config.seed", "-3", -3),
        ("data_config.shuffle", "false", False),
        ("data_config.separator", r"'\001'", "\x01"),
        ("data_config.separator", '"\\t"', "\t"),
        ("model_dir", "runs/1", "runs/1"),
        ("model_dir", "'runs/1'", "runs/1"),
        ("model_dir", "a=b c", "a=b c"),
        ("train_input_path", "data/*.csv,more/[0-9].csv", "data/*.csv,more/[0-9].csv"),
        ("model_config.dbmtl.task_towers[0].weight", "2", 2.0),
        ("data_config.label_fields[1]", "order", "order"),
        ("export_config.exporter_type", "none", "none"),
        ("train_config.optimizer_config[0].embedding_learning_rate_multiplier", "1e-1", pytest.approx(0.1)),
    ],
)
def test_a_field_is_set(load, path, text, value):
    config = load(overrides=(f"{path}={text}",))
    assert value_of(config, path) == value
    assert config.where(path) == "--set"


@pytest.mark.parametrize(
    "text, value",
    [
        ("[a,b]", ["a", "b"]),
        ("[a, 'b,c', \"d ]\"]", ["a", "b,c", "d ]"]),
        ("[北京,  x y ]", ["北京", "x y"]),
        ("a,b", ["a,b"]),
        ("[a]", ["a"]),
        ("[]", []),
    ],
)
def test_a_list_of_texts_replaces_the_list(load, text, value):
    path = "feature_config.features[0].vocab_list"
    assert list(value_of(load(overrides=(f"{path}=[x, y, z]", f"{path}={text}")), path)) == value


def test_a_list_of_numbers_replaces_the_list(load):
    path = "model_config.dbmtl.bottom_dnn.hidden_units"
    assert list(value_of(load(overrides=(f"{path}=[32, 16, 8]",)), path)) == [32, 16, 8]
    assert list(value_of(load(overrides=(f"{path}=32",)), path)) == [32]


def test_the_index_after_the_last_appends(load):
    path = "model_config.dbmtl.bottom_dnn.hidden_units"
    assert list(value_of(load(overrides=(f"{path}[2]=4", f"{path}[3]=3")), path)) == [8, 6, 4, 3]


def test_a_message_replaces_the_message(load):
    path = "train_config.optimizer_config[0]"
    text = "adagrad_optimizer { learning_rate { constant_learning_rate { } } }"
    for value in (text, f"{{ {text} }}", f"< {text} >"):
        optimizer = value_of(load(overrides=(f"{path}={value}",)), path)
        assert optimizer.WhichOneof("optimizer") == "adagrad_optimizer"


def test_a_list_of_messages_replaces_the_list(load):
    path = "feature_config.features[1].initializer"
    config = load(overrides=(f"{path}={{ constant_initializer {{ consts: 1 }} }}",))
    assert value_of(config, path).constant_initializer.consts == [1.0]
    path = "model_config.dbmtl.task_towers[0].metrics_set"
    config = load(overrides=(f"{path}=[{{ auc {{ }} }}, {{ accuracy {{ }} }}]",))
    assert [entry.WhichOneof("metric") for entry in value_of(config, path)] == ["auc", "accuracy"]


def test_missing_messages_on_the_way_are_made(load):
    path = "model_config.dbmtl.expert_dnn.hidden_units"
    config = load(overrides=(f"{path}=[4]", "model_config.dbmtl.num_expert=2"))
    assert list(value_of(config, path)) == [4]


def test_another_member_of_a_oneof_takes_its_place(load):
    rate = "train_config.optimizer_config[0].adam_optimizer.learning_rate"
    path = f"{rate}.exponential_decay_learning_rate.decay_steps"
    config = load(overrides=(f"{path}=7",))
    assert value_of(config, rate).WhichOneof("learning_rate") == "exponential_decay_learning_rate"
    config = load(overrides=("parquet_train_input=x.parquet",))
    assert config.pipeline.WhichOneof("train_path") == "parquet_train_input"


def test_the_last_of_two_overrides_wins(load):
    assert load(overrides=("train_config.num_steps=1", "train_config.num_steps=2")).pipeline.train_config.num_steps == 2


@pytest.mark.parametrize(
    "override, expected",
    [
        ("train_config.num_steps", '"train_config.num_steps" is no path=value'),
        ("=3", '"=3" is no path=value'),
        ("train_config.num_step=1", 'train_config has no field "num_step". Did you mean "num_steps"?'),
        (
            "train_config.task_balancing.pcgrad.x=1",
            'train_config.task_balancing.pcgrad has no field "x". It has none.',
        ),
        ("train_confg.num_steps=1", 'the config has no field "train_confg". Did you mean "train_config"?'),
        ("train_config..num_steps=1", '"" in the path train_config..num_steps is no field name'),
        ("train_config.num_steps=a", "train_config.num_steps: num_steps needs a whole number, 0 or more, found a."),
        ("train_config.num_steps=1 2", "train_config.num_steps: there is more after the value: 2."),
        ("train_config.num_steps=", "needs a whole number, 0 or more, found the end of the text."),
        ("train_config.num_steps.x=1", "train_config.num_steps holds a value, no fields"),
        ("train_config.num_steps[0]=1", "train_config.num_steps is no list; leave out [0]."),
        ("model_config.dbmtl.task_towers.weight=1", "is a list of 3: say which, for example model_config.dbmtl.task"),
        ("model_config.dbmtl.task_towers[7].weight=1", "model_config.dbmtl.task_towers[7] is out of range: "),
        ("data_config.label_fields[4]=x", "data_config.label_fields[4] is out of range: "),
        ("data_config.label_fields[0]=[x, y]", 'label_fields[0] "[x, y]" is not in data_config.input_fields'),
        ("data_config.label_fields=[x, 'y]", "is no list of texts such as [a, b]"),
        ("train_config.optimizer_config[0]={adam{}}", 'train_config.optimizer_config[0] has no field "adam".'),
        ("train_config.optimizer_config[0]={adam_optimizer{}", 'the "{" of optimizer_config is never closed.'),
        ("kafka_train_input={}", "kafka_train_input is not supported."),
        ("kafka_train_input.server=x", "kafka_train_input is not supported."),
        ("train_config.train_distribute=HorovodStrategy", "train_distribute HorovodStrategy is not supported."),
    ],
)  # fmt: skip
def test_a_wrong_override_says_what_is_wrong(problems, override, expected):
    lines = problems(overrides=(override,))
    assert any(line.startswith("--set: ") and expected in line for line in lines), lines


def test_rules_see_overridden_values_and_name_the_override(problems):
    assert problems(overrides=("model_config.dbmtl.task_towers[1].label_name=ordr",)) == [
        '--set: task_towers[1].label_name "ordr" is not in data_config.label_fields ("click", "order", "seconds"). '
        'Did you mean "order"?'
    ]


def test_an_override_repairs_a_config(load):
    config = load(
        ('label_name: "order"', 'label_name: "ordr"'), overrides=("model_config.dbmtl.task_towers[1].label_name=order",)
    )
    assert config.pipeline.model_config.dbmtl.task_towers[1].label_name == "order"


GROWING = "hash_bucket_size: 50 growing { max_rows: 9 }"
HOROVOD = "num_steps: 5 train_distribute: HorovodStrategy"
KAFKA = 'kafka_train_input { server: "x" }'
INPUT = ("batch_size: 64", "batch_size: 64 input_type: OdpsInputV2")
OPTIMIZER = "adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } }"


@pytest.mark.parametrize(
    "change, override",
    [
        (INPUT, "data_config.input_type=CSVInput"),
        (("batch_size: 64", "batch_size: 64 input_type: CSVInputs"), "data_config.input_type=CSVInput"),
        (("batch_size: 64", "batch_size: 0"), "data_config.batch_size=64"),
        (("batch_size: 64", "batch_size: -1"), "data_config.batch_size=64"),
        (("batch_size: 64", "batch_size: many"), "data_config.batch_size=64"),
        (("batch_size: 64", "batch_size 64"), "data_config.batch_size=64"),
        (("batch_size: 64", "batch_size: 64 batch_size: 32"), "data_config.batch_size=16"),
        (("batch_size: 64", "batch_size: [64]"), "data_config.batch_size=16"),
        (("batch_size: 64", "batch_size: 64 label_dim: 2"), "data_config.label_dim=[]"),
        (
            ('input_name: "user"', 'input_name: "user" input_dim: 4'),
            "data_config.input_fields[4].input_dim=1",
        ),
        (
            ('input_name: "user"', 'input_name: "user" user_define_fn: "f"'),
            "data_config.input_fields[4]={input_name: 'user'}",
        ),
        (("  dbmtl {", "  ev_params { }\n  dbmtl {"), "model_config.ev_params="),
        (
            ("hash_bucket_size: 50", GROWING),
            'feature_config.features[0]={input_names: "user" hash_bucket_size: 50 embedding_dim: 4}',
        ),
        (("TagFeature", "SequenceFeature"), "feature_config.features[1].feature_type=TagFeature"),
        (('train_input_path: "train.csv"', KAFKA), "train_input_path=train.csv"),
        (("hidden_units: [8, 6]", "hidden_units: [8, x, 6]"), "model_config.dbmtl.bottom_dnn.hidden_units=[8, 6]"),
        (("num_steps: 5", HOROVOD), "train_config.train_distribute=NoStrategy"),
        (
            (OPTIMIZER, f"{OPTIMIZER} {OPTIMIZER.replace('adam', 'adagrad')}"),
            f"train_config.optimizer_config[0]={{{OPTIMIZER}}}",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_replaced_value_is_of_no_account(load, change, override):
    with pytest.raises(ConfigError):
        load(change)
    load(change, overrides=(override,))


@pytest.mark.parametrize(
    "change, override",
    [
        (INPUT, "data_config.batch_size=8"),
        (("batch_size: 64", "batch_size: 64 batch_szie: 32"), "data_config.batch_size=8"),
        (("hidden_units: [8, 6]", "hidden_units: [8, x, 6]"), "model_config.dbmtl.bottom_dnn.hidden_units[1]=6"),
        (("  dbmtl {", "  mmoe { num_expert: 2 }\n  dbmtl {"), "model_config.dbmtl.num_expert=2"),
        (("  dbmtl {", "  ev_params { }\n  dbmtl {"), "model_config.ev_params={}"),
        (("hash_bucket_size: 50", GROWING), "feature_config.features[1].hash_bucket_size=9"),
        (("num_steps: 5\n}", "num_steps: 5"), "train_config.num_steps=5"),
    ],
)  # fmt: skip
def test_what_an_override_does_not_replace_stays_wrong(problems, change, override):
    lines = problems(change, overrides=(override,))
    assert any(line.startswith("x.config:") for line in lines), lines


def test_the_lines_of_other_problems_stay_right(problems):
    changes = (INPUT, ('label_name: "order"', 'label_name: "ordr"'))
    (line,) = problems(*changes, overrides=("data_config.input_type=CSVInput",))
    assert line.startswith('x.config:39: task_towers[1].label_name "ordr" is not in')


def test_a_refused_value_of_an_override_is_that_of_the_override(problems):
    assert problems(overrides=("data_config.input_type=OdpsInputV2",))[0].startswith(
        "--set: data_config.input_type: input_type OdpsInputV2 is not supported."
    )
    assert problems(overrides=("data_config.input_type=OdpsInputV2", "data_config.input_type=CSVInput")) == []
    assert "input_dim is not supported yet" in problems(overrides=("data_config.input_fields[0].input_dim=4",))[0]


def test_a_note_on_a_field_goes_with_it(load):
    change = ("num_steps: 5", "num_steps: 5 sync_replicas: true")
    assert any("sync_replicas is ignored" in note for note in load(change).notes)
    override = f"train_config={{optimizer_config {{{OPTIMIZER}}} num_steps: 5}}"
    assert not any("sync_replicas" in note for note in load(change, overrides=(override,)).notes)


def test_another_member_of_a_oneof_settles_the_choice_between_two(load, problems):
    two = ('train_input_path: "train.csv"', 'train_input_path: "train.csv" parquet_train_input: "x.parquet"')
    assert "exclude each other" in problems(two)[0]
    assert load(two, overrides=("train_input_path=a.csv",)).pipeline.train_input_path == "a.csv"
