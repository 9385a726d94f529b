"""What a checkpoint remembers of the parts that packages brought to its model."""

import json
from pathlib import Path

import pytest

from easymtl.checkpoints.extensions import extensions_of, version_notes
from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.meaning import difference_of_weights, digests_of, meaning_of, require_same_meaning
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.extensions import DNN, Architecture, Layer, Loss, Parameter
from tests.errors.project import CONFIG, replaced, rows

PARAMETERS = [
    Parameter("bottom_dnn", DNN),
    Parameter("mode", str, default="sum"),
    Parameter("dropout", float, default=0.0, keeps_weights=True),
    Parameter("sizes", list[int], default=(2,)),
    Parameter("maybe", int, default=None),
]
BLOCK = """backbone { blocks { name: "b" inputs { feature_group_name: "all" }
    keras_layer { class_name: "Clip" st_params { fields { key: "limit" value { number_value: 2 } } } } } }
  custom {
    class_name: "TwoWay"
    parameters { key: "bottom_dnn" dnn { hidden_units: [8] } }
    parameters { key: "mode" text: "sum" }"""
LOSS = 'losses { loss_type: CUSTOM custom { name: "Pinball" parameters { key: "quantile" number: 0.9 } } }'
TEXT = replaced(
    CONFIG,
    ("dbmtl {\n    bottom_dnn { hidden_units: [8, 6] }", BLOCK),
    ('      relation_tower_names: "ctr"\n', ""),
    ("loss_type: L2_LOSS", LOSS),
)
CHECKPOINT = Checkpoint(Path("checkpoints/step-1"), 1)


def install(packages, version="1.2.0", parameters=PARAMETERS, package="team-models"):
    packages.clear()
    packages.install("TwoWay", Architecture("team:TwoWay", parameters), package, version)
    packages.install("Clip", Layer("team:Clip", [Parameter("limit", float, default=3.0)]), package, version)
    packages.install("Pinball", Loss("team:p", [Parameter("quantile", float)], predicts="value"), package, version)


@pytest.fixture
def load(tmp_path, monkeypatch, packages):
    install(packages)
    monkeypatch.chdir(tmp_path)
    Path("train.csv").write_text(rows(8))

    def load_changed(*changes: tuple[str, str]):
        Path("x.config").write_text(replaced(TEXT, *changes))
        return load_config("x.config").pipeline

    return load_changed


def saved(pipeline) -> dict:
    return json.loads(json.dumps({"meaning": meaning_of(pipeline)}))


def test_it_names_package_version_and_parameters_of_what_has_weights(load):
    assert extensions_of(load()) == {
        'architecture "TwoWay"': {
            "package": "team-models",
            "version": "1.2.0",
            "parameters": [{"bottom_dnn": "hidden_units: 8", "mode": "sum", "sizes": [2], "maybe": None}],
        },
        'layer "Clip"': {"package": "team-models", "version": "1.2.0", "parameters": [{"limit": 2.0}]},
        'loss "Pinball"': {"package": "team-models", "version": "1.2.0", "parameters": []},
    }


def test_a_config_without_them_says_nothing_new(load):
    Path("x.config").write_text(CONFIG)
    plain = load_config("x.config").pipeline
    assert "extensions" not in meaning_of(plain)
    assert not [name for name in digests_of(plain) if "package" in name]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('text: "sum"', 'text: "gate"'), "the architecture \"TwoWay\" has mode 'gate' in the config and 'sum' in"),
        (("[8]", "[9]"), 'has bottom_dnn { hidden_units: 9 } in the config and { hidden_units: 8 } in the training'),
        (("number_value: 2", "number_value: 4"), 'the layer "Clip" has limit 4.0 in the config and 2.0 in'),
        (('text: "sum" }', 'text: "sum" } parameters { key: "sizes" number: [2, 3] }'), "has sizes [2, 3] in the"),
        (('text: "sum" }', 'text: "sum" } parameters { key: "maybe" number: 0 }'), "has maybe 0 in the"),
    ],
)  # fmt: skip
def test_another_value_of_a_parameter_is_refused(load, change, says):
    state = saved(load())
    with pytest.raises(UserError) as refused:
        require_same_meaning(load(change), CHECKPOINT, state)
    assert says in str(refused.value) and "The weights would fit and mean something else." in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        ('text: "sum" }', 'text: "sum" } parameters { key: "dropout" number: 0.5 }'),
        ('parameters { key: "mode" text: "sum" }', ""),
        ("number: 0.9", "number: 0.5"),
    ],
    ids=["keeps_weights", "the default, unsaid", "of a loss"],
)
def test_what_changes_no_meaning_is_read(load, change):
    state = saved(load())
    require_same_meaning(load(change), CHECKPOINT, state)
    assert difference_of_weights(load(change), state) == ""


def test_another_package_of_the_name_is_refused(load, packages):
    state = saved(load())
    install(packages, package="others")
    with pytest.raises(UserError, match='architecture "TwoWay" is that of others here and was that of team-models'):
        require_same_meaning(load(), CHECKPOINT, state)


def test_an_architecture_that_the_training_had_not_is_refused(load, packages):
    state = saved(load())
    packages.install("Other", Architecture("team:Other", PARAMETERS))
    with pytest.raises(UserError, match='architecture "Other" of a package is in the config alone'):
        require_same_meaning(load(('"TwoWay"', '"Other"')), CHECKPOINT, state)


def test_a_parameter_that_another_version_has_added_is_no_difference(load, packages):
    state = saved(load())
    install(packages, "1.3.0", [*PARAMETERS, Parameter("new", int, default=3)])
    require_same_meaning(load(), CHECKPOINT, state)
    assert version_notes(load(), state) == []


def test_another_major_version_is_noted(load, packages):
    state = saved(load())
    install(packages, "2.0.0")
    require_same_meaning(load(), CHECKPOINT, state)
    first, *_ = notes = version_notes(load(), state)
    assert len(notes) == 3
    assert first.startswith(
        'The architecture "TwoWay" is that of team-models 2.0.0 here, and was that of version 1.2.0 in the training:'
    )
    assert version_notes(load(), {}) == []


def test_a_delta_is_of_one_version(load, packages):
    before = digests_of(load())
    install(packages, "1.2.1")
    after = digests_of(load())
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        f"the {name} of a package" for name in ('architecture "TwoWay"', 'layer "Clip"', 'loss "Pinball"')
    }
