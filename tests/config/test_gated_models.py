"""The rules of STEM, HoME, AdaTT and PEPNet: what is missing or does not fit, and the sentence it ends in."""

import pytest

GROUP = '  feature_groups { group_name: "%s" feature_names: "user" wide_deep: DEEP }\n'
GROUPS = GROUP % "own" + GROUP % "other"
EXPERT = "expert_dnn { hidden_units: 4 }"
ALIKE = 'task_groups { group_name: "watch" tower_names: ["ctr", "cvr"] }'


def towers(first: str = "", second: str = "") -> str:
    groups = [f'feature_group: "{group}"' if group else "" for group in (first, second)]
    return " ".join(
        f'task_towers {{ tower_name: "{name}" label_name: "{label}" {group} }}'
        for name, label, group in zip(("ctr", "cvr"), ("click", "order"), groups, strict=True)
    )


def adatt(*shared: str) -> str:
    levels = " ".join(f"fusion_levels {{ expert_net {{ hidden_units: 4 }} {text} }}" for text in shared)
    return f"adatt {{ {levels} {towers()} }}"


def stem(first: str = "own", second: str = "other", shared_width: int = 4, task_net: str = "[6, 4]") -> str:
    nets = f"share_expert_net {{ hidden_units: {shared_width} }}"
    nets += f" task_expert_net {{ hidden_units: {task_net} }}" if task_net else ""
    return f"stem {{ {nets} {towers(first, second)} }}"


def home(groups: str = ALIKE, expert: str = EXPERT) -> str:
    return f"home {{ {groups} {expert} {towers()} }}"


def pepnet(groups: str, *own: str) -> str:
    return f"pepnet {{ {groups} {towers(*own)} }}"


RIGHT = {
    "adatt": adatt(""),
    "adatt with shared experts": adatt("share_num: 2", "share_num: 1"),
    "stem": stem(),
    "home": home(),
    "home with swish": home(expert='expert_dnn { hidden_units: 4 activation: "tf.nn.swish" }'),
    "pepnet": pepnet('domain_group: "own" personal_group: "other"'),
    "pepnet over all": pepnet('personal_group: "all"', "own", "other"),
}
WRONG = {
    "no levels": (adatt(), "model_config.adatt has no fusion_levels { expert_net"),
    "no expert": (
        f"adatt {{ fusion_levels {{ }} {towers()} }}",
        "adatt.fusion_levels[0] needs expert_net { hidden_units: ... }: what an expert is made of.",
    ),
    "shared in one level": (
        adatt("", "share_num: 1"),
        "fusion_levels[1].share_num is 1, and 0 in the first level; experts are shared in all levels or in none.",
    ),
    "no task experts": (stem(task_net=""), "model_config.stem needs task_expert_net { hidden_units"),
    "widths": (
        stem(shared_width=5),
        "stem.share_expert_net ends in width 5, task_expert_net in 4; they are added up: make them agree.",
    ),
    "no group": (stem(""), "stem.task_towers[0] needs feature_group: the group of features"),
    "an unknown group": (stem("onw"), 'task_towers[0].feature_group "onw" is not in the feature groups'),
    "the shared group": (
        stem("all"),
        'task_towers[0].feature_group "all" is the shared embeddings; list the features again in a group for this',
    ),
    "the group of another": (stem("own", "own"), 'task_towers[1].feature_group "own" is those of "ctr"; list the'),
    "no task groups": (home(""), 'home has no task_groups { group_name: "watch"'),
    "no expert_dnn": (home(expert=""), "model_config.home needs expert_dnn { hidden_units"),
    "another activation": (
        home(expert='expert_dnn { hidden_units: 4 activation: "relu" }'),
        'expert_dnn.activation is "relu", but experts of HoME end in batch norm and swish. Leave it out.',
    ),
    "no norm": (home(expert="expert_dnn { hidden_units: 4 use_bn: false }"), "expert_dnn.use_bn is false, but experts"),
    "a nameless group": (home('task_groups { tower_names: ["ctr", "cvr"] }'), "task_groups[0] has no group_name."),
    "an empty group": (home(ALIKE + ' task_groups { group_name: "b" }'), "home.task_groups[1] has no tower_names."),
    "an unknown tower": (
        home('task_groups { group_name: "watch" tower_names: ["ctr", "cvr", "dur"] }'),
        'task_groups[0].tower_names[2] "dur" is not in the towers ("ctr", "cvr").',
    ),
    "a tower in two groups": (
        home(ALIKE + ' task_groups { group_name: "b" tower_names: "ctr" }'),
        "has it too. A task is in one group: take it out of the other.",
    ),
    "a tower in no group": (
        home('task_groups { group_name: "watch" tower_names: "ctr" }'),
        'task_towers[1].tower_name "cvr" is in none of the task_groups; add it to the tower_names of one.',
    ),
    "no gates": (pepnet(""), "model_config.pepnet scales nothing: name a domain_group"),
    "an unknown domain": (
        pepnet('domain_group: "onw"', "own", "other"),
        'pepnet.domain_group "onw" is not in the feature groups ("all", "own", "other"). Did you mean "own"?',
    ),
}


def config_of(base: str, body: str) -> str:
    return base.partition("  dbmtl {")[0] + GROUPS + f"  {body}\n}}\n"


@pytest.mark.parametrize("body", RIGHT.values(), ids=RIGHT)
def test_what_is_right_has_no_problem(base, problems, body):
    assert problems(text=config_of(base, body)) == []


@pytest.mark.parametrize("body, expected", WRONG.values(), ids=WRONG)
def test_models_have_what_they_are_made_of(base, problems, body, expected):
    lines = problems(text=config_of(base, body))
    assert any(expected in line for line in lines), lines


def test_groups_that_gates_read_are_not_noted_as_unread(base, load):
    config = load(text=config_of(base, pepnet('domain_group: "own" personal_group: "other"')))
    assert not [note for note in config.notes if "read by nothing" in note]


def test_tables_with_an_embedding_name_are_not_the_own_of_a_stem_task(base, load):
    text = config_of(base, stem())
    assert not [note for note in load(text=text).notes if "embedding_name" in note]
    shared = text.replace('input_names: "user"', 'input_names: "user" embedding_name: "people"', 1)
    notes = [note for note in load(text=shared).notes if "embedding_name" in note]
    assert len(notes) == 2
    assert 'task_towers[0].feature_group "own" shares the tables of "user" by their embedding_name' in notes[0]
