"""What a config says of parts that packages bring: told as of our own parts, with lines, and without TensorFlow."""

import re
import subprocess
import sys

import pytest

from easymtl.config import view
from easymtl.config.extension_parameters import parameters_of, used_extensions
from easymtl.extensions import DNN, Architecture, Layer, Loss, Metric, Parameter

TWO_WAY = Architecture(
    "team:TwoWay",
    [
        Parameter("bottom_dnn", DNN, doc="what all tasks share."),
        Parameter("num_expert", int, default=2, range="[1, 9]"),
        Parameter("rates", list[float], default=(0.5, 0.25), range="[0, 1)"),
        Parameter("mode", str, default="sum", choices=("sum", "gate")),
        Parameter("is_on", bool, default=False),
        Parameter("own_group", str, default=None),
    ],
    feature_groups=("own_group",),
)
PINBALL = Loss("team:pinball", [Parameter("quantile", float, range="(0, 1)")], predicts="value")
RANKED = Loss("team:ranked", [Parameter("session", str)], session="session")
NDCG = Metric("team:ndcg", [Parameter("request", str), Parameter("k", int, default=5)], groups="request")
COVERAGE = Metric("team:coverage", tasks=("value",), is_error=True)
BOTTOM = 'parameters { key: "bottom_dnn" dnn { hidden_units: [8] } }'
ARCHITECTURE = (
    "dbmtl {\n    bottom_dnn { hidden_units: [8, 6] }",
    f'custom {{\n    class_name: "TwoWay"\n    {BOTTOM}',
)
QUANTILE = 'parameters { key: "quantile" number: 0.9 }'
LOSS = ("loss_type: L2_LOSS", f'losses {{ loss_type: CUSTOM custom {{ name: "Pinball" {QUANTILE} }} }}')
SESSION = 'losses { loss_type: CUSTOM custom { name: "Ranked" parameters { key: "session" text: "user" } } }'
RANKED_LOSS = ('label_name: "order"', f'label_name: "order" {SESSION}')
METRIC = ("mean_squared_error { }", 'custom { name: "Coverage" }')
REQUEST = 'parameters { key: "request" text: "user" }'
GROUPED = (
    "metrics_set { auc { } }",
    f'metrics_set {{ custom {{ name: "Ndcg" {REQUEST} }} }} metrics_set {{ auc {{ }} }}',
)


@pytest.fixture(autouse=True)
def installed(packages):
    packages.install("TwoWay", TWO_WAY)
    packages.install("Pinball", PINBALL)
    packages.install("Ranked", RANKED)
    packages.install("Ndcg", NDCG)
    packages.install("Coverage", COVERAGE)
    return packages


def without_relations(text: str) -> str:
    return text.replace('      relation_tower_names: "ctr"\n', "")


@pytest.fixture
def two_way(base):
    """A config that is right but for what a test replaces, as a text."""
    text = without_relations(base)
    for old, new in (ARCHITECTURE, LOSS, METRIC, GROUPED, RANKED_LOSS):
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_a_right_config_loads_without_a_note(load, two_way):
    config = load(text=two_way)
    assert config.notes == []
    found = [(extension.title, len(messages)) for extension, messages in used_extensions(config.pipeline)]
    assert found == [
        ('architecture "TwoWay" of team-models 1.2.0', 1),
        ('metric "Ndcg" of team-models 1.2.0', 1),
        ('loss "Ranked" of team-models 1.2.0', 1),
        ('loss "Pinball" of team-models 1.2.0', 1),
        ('metric "Coverage" of team-models 1.2.0', 1),
    ]
    assert view.model_title(config.pipeline) == "TwoWay"
    assert view.used_fields(config.pipeline)["user"]
    assert list(view.metric_results(config.pipeline)) == ["Ndcg_ctr", "auc_ctr", "auc_cvr", "Coverage_stay"]


def test_what_is_not_given_has_its_default(load, two_way):
    message = parameters_of(view.custom_model(load(text=two_way).pipeline))
    assert (message.num_expert, list(message.rates), message.mode, message.is_on) == (2, [0.5, 0.25], "sum", False)
    assert list(message.bottom_dnn.hidden_units) == [8]
    given = (
        'parameters { key: "num_expert" number: 9 } parameters { key: "rates" } parameters { key: "is_on" flag: true }'
    )
    message = parameters_of(view.custom_model(load((BOTTOM, f"{BOTTOM} {given}"), text=two_way).pipeline))
    assert (message.num_expert, list(message.rates), message.is_on) == (9, [], True)
    given = 'parameters { key: "rates" number: [0.75, 0.5, 0] }'
    message = parameters_of(view.custom_model(load((BOTTOM, f"{BOTTOM} {given}"), text=two_way).pipeline))
    assert list(message.rates) == [0.75, 0.5, 0]


def given(text: str) -> tuple[str, str]:
    return BOTTOM, f"{BOTTOM}\n    parameters {{ {text} }}"


FAULTS = [
    (('"TwoWay"', '"TowWay"'), 'custom.class_name "TowWay" is an architecture of no installed package; installed are '
     '"TwoWay" (team-models 1.2.0). Did you mean "TwoWay"? Install the package'),
    (('class_name: "TwoWay"', ""), "model_config.custom has no class_name: the name under which a package registers"),
    ((BOTTOM, ""), 'model_config.custom needs the parameter "bottom_dnn" (what all tasks share): '),
    ((BOTTOM, 'parameters { key: "bottom_dnn" dnn { } }'), "dnn[0] needs hidden_units"),
    (given('key: "num_experts" number: 3'), '"num_experts" is no parameter of it; there are "bottom_dnn", '),
    (given('key: "num_experts" number: 3'), 'Did you mean "num_expert"?'),
    (given("number: 3"), "has no key, the name of a parameter"),
    (given('key: "num_expert" number: 10'), 'parameters[1].number of "num_expert" is 10, outside of [1, 9].'),
    (given('key: "num_expert" number: 2.5'), 'parameters[1].number of "num_expert" is 2.5; it needs a whole number.'),
    (given('key: "num_expert" number: 1e300'), "it needs a whole number."),
    # Beyond 2^53 a number of the text is not the one that is read.
    (given('key: "num_expert" number: 9007199254740994'), "it needs a whole number."),
    (given('key: "num_expert" number: nan'), "it needs a whole number."),
    (given('key: "num_expert" number: inf'), "it needs a whole number."),
    (given('key: "num_expert" number: [2, 3]'), 'parameters[1].number of "num_expert" holds 2 values; it takes one.'),
    (given('key: "num_expert" text: "2"'), 'parameters[1].text cannot be given to "num_expert"; it needs number: 1.'),
    (given('key: "num_expert" number: 2 flag: true'), 'parameters[1].flag cannot be given to "num_expert"'),
    (given('key: "num_expert"'), 'parameters[1] gives "num_expert" no value; it needs number: 1.'),
    (given('key: "rates" number: [0.5, 1]'), 'parameters[1].number[1] of "rates" is 1, outside of [0, 1).'),
    (given('key: "rates" number: nan'), "outside of [0, 1)."),
    (given('key: "mode" text: "gat"'), 'parameters[1].text of "mode": "gat" is none of "sum", "gate". Did you'),
    (given('key: "bottom_dnn" dnn { hidden_units: 3 }'), 'custom.parameters[1] gives "bottom_dnn" a second time.'),
    (given('key: "own_group" text: "alll"'), '"alll" is not in the feature groups ("all"). Did you mean "all"?'),
    (('"Pinball"', '"pinball"'), '"pinball" is a loss of no installed package; installed are "Pinball"'),
    (('"Pinball"', '"CLASSIFICATION"'), '"CLASSIFICATION" is a loss of no installed package'),
    ((QUANTILE, ""), 'custom needs the parameter "quantile": parameters { key: "quantile" number: 0.5 }.'),
    ((f'custom {{ name: "Pinball" {QUANTILE} }}', ""), "has loss_type CUSTOM; add custom { name:"),
    (('loss_type: CUSTOM custom { name: "Pinball"', 'custom { name: "Pinball"'), "has no loss_type."),
    (("loss_type: CUSTOM custom", "loss_type: L2_LOSS custom"), "belongs to CUSTOM, but loss_type is L2_LOSS."),
    ((LOSS[1], "loss_type: CUSTOM"), 'loss_type is CUSTOM; write losses { loss_type: CUSTOM custom { name: "..." } }'),
    ((LOSS[1], LOSS[1] + " num_class: 2"), 'num_class is 2, but "Pinball" needs num_class: 1.'),
    ((f"{QUANTILE} }}", f'{QUANTILE} }} loss_name: "Coverage"'), 'has the name "Coverage", as'),
    (('text: "user" } } }', 'text: "usr" } } }'), '"usr" is not in data_config.input_fields'),
    (('key: "request" text: "user"', 'key: "request" text: ""'), '"" is not in data_config.input_fields'),
    (('custom { name: "Coverage" }', 'custom { name: "Covrage" }'), 'Did you mean "Coverage"?'),
    (('custom { name: "Coverage" }', "custom { }"), "custom has no name: the name under which a package registers"),
    (('custom { name: "Coverage" }', f'custom {{ name: "Ndcg" {REQUEST} }}'), "Ndcg does not fit the tower \"stay\""),
    (('custom { name: "Coverage" }', 'custom { name: "auc" }'), '"auc" is a metric of no installed package'),
    (("metrics_set { auc { } }", f'metrics_set {{ custom {{ name: "Ndcg" {REQUEST} }} }}'), "Ndcg is in this tower's"),
    (("model_config {", 'model_config {\n  model_class: "TwoWy"'), 'model_class is "TwoWy", but the model is custom'),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), FAULTS, ids=[says[:60] for _, says in FAULTS])
def test_what_is_wrong_is_told_with_its_line(problems, two_way, change, says):
    found = problems(change, text=two_way)
    told = [line for line in found if says in line]
    assert told and re.match(r"x\.config:\d+: ", told[0]), found


def test_a_parameter_of_the_command_line_is_told_as_such(load, two_way):
    override = "model_config.custom.parameters[key=bottom_dnn].dnn[0].hidden_units=[3]"
    assert view.custom_model(load(text=two_way, overrides=(override,)).pipeline).parameters[0].dnn[0].hidden_units == [
        3
    ]
    with pytest.raises(ValueError, match=re.escape('--set: parameters[0].number of "quantile" is 1, outside')):
        path = "model_config.custom.task_towers[2].losses[0].custom.parameters[0].number"
        load(text=two_way, overrides=(f"{path}=1",))


def test_a_field_of_groups_that_is_not_given_is_missing_and_nothing_else(problems, two_way):
    (found,) = problems((REQUEST, ""), text=two_way)
    assert 'custom needs the parameter "request"' in found


def test_fields_of_sessions_and_groups_are_read_from_the_data(load, two_way):
    fields = [f'  input_fields {{ input_name: "{name}" input_type: STRING }}\n' for name in ("request", "visit")]
    text = two_way.replace(
        '  input_fields { input_name: "user"', f'{"".join(fields)}  input_fields {{ input_name: "user"'
    )
    text = text.replace('key: "request" text: "user"', 'key: "request" text: "request"')
    used = view.used_fields(load(('key: "session" text: "user"', 'key: "session" text: "visit"'), text=text).pipeline)
    towers = "model_config.custom.task_towers"
    assert used["request"] == f"{towers}[0].metrics_set[0].custom.parameters[0]"
    assert used["visit"] == f"{towers}[1].losses[0].custom.parameters[0]"


def test_labels_of_probabilities_are_checked_as_such(load, two_way):
    from easymtl.features.label_rules import label_rules

    rules = {rule.tower: rule.num_classes for rule in label_rules(load(text=two_way).pipeline)}
    assert rules == {"ctr": 1, "cvr": 1, "stay": 0}


def test_the_label_of_a_loss_that_predicts_a_value_can_be_transformed(load, two_way, problems):
    transform = "label_transform { function: LOG1P }"
    assert load((LOSS[1], f"{LOSS[1]} {transform}"), text=two_way).notes == []
    (found,) = problems((SESSION, f"{SESSION} {transform}"), text=two_way)
    assert 'is for L2_LOSS alone; the tower has "CUSTOM". Remove it.' in found


def test_a_group_that_a_parameter_names_is_read(load, two_way):
    groups = 'feature_groups { group_name: "own" feature_names: ["price"] }\n  custom {'
    assert '"own" is read by nothing' in load(("custom {", groups), text=two_way).notes[0]
    change = ("custom {", groups.replace("\n", "\n  "))
    assert load(change, given('key: "own_group" text: "own"'), text=two_way).notes == []


def test_a_broken_package_is_a_problem_where_it_is_used_and_nowhere_else(problems, load, base, two_way, installed):
    installed.register("architecture", "Broken", "no_such_module_here:X", package="broken", version="0.3")
    assert load(text=two_way).pipeline and load(text=base).pipeline
    (found,) = problems(('"TwoWay"', '"Broken"'), text=two_way)
    assert (
        'custom.class_name architecture "Broken" of broken 0.3 cannot be loaded: no_such_module_here:X fails' in found
    )


def test_a_name_of_ours_cannot_be_taken(problems, load, two_way, base, installed):
    installed.install("auc", COVERAGE)
    assert load(text=base).pipeline
    found = problems(('custom { name: "Coverage" }', 'custom { name: "auc" }'), text=two_way)
    assert any(
        '"auc" is a metric of easymtl\'s own, and team-models 1.2.0 registers the name' in line for line in found
    )
    installed.install("mmoe", TWO_WAY)
    (found,) = problems(('"TwoWay"', '"mmoe"'), text=two_way)
    assert '"mmoe" is an architecture of easymtl\'s own' in found


def test_the_best_export_can_be_chosen_by_a_metric_of_a_package(load, two_way):
    best = (
        "model_config {",
        'export_config { exporter_type: "best" best_exporter_metric: "Coverage_stay" }\nmodel_config {',
    )
    assert load(best, text=two_way).pipeline.export_config.best_exporter_metric == "Coverage_stay"


def test_a_choice_of_tasks_leaves_the_rest_of_the_model(load, two_way, tmp_path):
    from easymtl.config import load_config

    load(text=two_way)
    chosen = load_config("x.config", tasks=["stay"]).pipeline
    assert [tower.tower_name for tower in view.task_towers(chosen)] == ["stay"]
    assert [extension.name for extension, _ in used_extensions(chosen)] == ["TwoWay", "Pinball", "Coverage"]


def test_layers_of_a_graph_are_among_what_is_used(load, base, installed):
    installed.install("Clip", Layer("team:Clip", [Parameter("sizes", list[int], default=(3,))]))
    block = 'name: "b" inputs { feature_group_name: "all" } keras_layer { class_name: "Clip" }'
    graph = f"backbone {{ blocks {{ {block} }} }}\n  dbmtl {{"
    found = used_extensions(load(("dbmtl {", graph), text=base).pipeline)
    assert [(extension.name, list(messages[0].sizes)) for extension, messages in found] == [("Clip", [3])]


def test_declaring_needs_no_tensorflow():
    program = "import sys, easymtl.extend as e; e.Parameter; e.DNNConfig; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
