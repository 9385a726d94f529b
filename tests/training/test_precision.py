"""The precision of a training: resolved once, written down, kept on resume."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training import events, precision
from easymtl.training.precision import settle_precision
from easymtl.training.precision_memory import PrecisionMemory
from tests.training.small_runs import of_kind, small_config, train, write_data


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def has_bfloat16(monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: True)


@pytest.fixture
def no_measurement(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("nothing is to be measured")

    monkeypatch.setattr(precision, "network_rounds", refuse)


def settled(folder, *changes: str) -> precision.Precision:
    config = small_config(folder, "train_config.mixed_precision=AUTO", *changes)
    return settle_precision(config.pipeline, Ranker(config.pipeline))


def began_in(folder, name: str) -> None:
    (folder / "model").mkdir()
    text = small_config(folder, f"train_config.mixed_precision={name}").text()
    (folder / "model" / "pipeline.config").write_text(text)


BY_RULE = {
    name: precision.Precision(TrainConfig.MixedPrecision.Value(name), "so the rule has it")
    for name in ("FLOAT32", "BFLOAT16")
}
CLEAR = {
    "BFLOAT16": [(0.2, 0.1), (0.2, 0.11), (0.3, 0.1)],
    "FLOAT32": [(0.1, 0.2), (0.11, 0.2), (0.1, 0.3)],
}
UNCLEAR = {
    "both take the same": [(0.1, 0.095), (0.1, 0.1), (0.1, 0.099)],
    "a little faster": [(0.1, 0.085), (0.1, 0.086), (0.1, 0.084)],
    "a round says the opposite": [(0.2, 0.1), (0.2, 0.1), (0.2, 0.21)],
    "load on one side alone": [(0.1, 0.09), (0.3, 0.09), (0.3, 0.09)],
    "load that comes and goes": [(0.1, 0.2), (0.2, 0.1), (0.1, 0.2), (0.2, 0.1)],
}


@pytest.mark.parametrize("ruled", BY_RULE)
@pytest.mark.parametrize("expected", CLEAR)
def test_rounds_that_agree_and_are_clearly_apart_decide(expected, ruled):
    found = precision.decide(CLEAR[expected], BY_RULE[ruled])
    assert found.name == expected
    assert "100 ms in " in found.reason and "200 ms in " in found.reason
    assert "rule" not in found.reason


@pytest.mark.parametrize("ruled", BY_RULE)
@pytest.mark.parametrize("rounds", UNCLEAR)
def test_where_rounds_do_not_say_the_rule_does(rounds, ruled):
    found = precision.decide(UNCLEAR[rounds], BY_RULE[ruled])
    assert found.name == ruled
    assert found.reason.endswith("not clear enough to go by, and so the rule has it")


@pytest.mark.parametrize("seed", range(20))
def test_load_does_not_turn_a_choice_round(seed):
    """Other work makes passes up to four times as long: what is faster, or else the rule, is taken all the same."""
    random = np.random.default_rng(seed)

    def chosen(full: float, half: float, ruled: str) -> str:
        rounds = precision.measured(lambda: full * random.uniform(1, 4), lambda: half * random.uniform(1, 4))
        return precision.decide(rounds, BY_RULE[ruled]).name

    assert chosen(0.1, 0.05, "BFLOAT16") == "BFLOAT16"
    assert chosen(0.1, 0.1, "FLOAT32") == "FLOAT32"
    assert chosen(0.1, 0.1, "BFLOAT16") == "BFLOAT16"


def test_passes_take_turns_and_the_first_of_each_does_not_count():
    runs = []

    def run(name: str, seconds: float) -> float:
        runs.append(name)
        return 9.0 if runs.count(name) == 1 else seconds

    rounds = precision.measured(lambda: run("full", 0.10), lambda: run("half", 0.09))
    assert rounds == [(0.10, 0.09)] * 8
    assert "".join(name[0] for name in runs) == "fh" + "fhhf" * 4


@pytest.mark.parametrize(("half", "number"), [(0.05, 3), (0.2, 3), (0.07, 8), (0.12, 8)])
def test_clear_rounds_end_a_measurement(half, number):
    assert len(precision.measured(lambda: 0.1, lambda: half)) == number


@pytest.mark.parametrize(
    ("operations", "has_matrix_units", "expected"),
    [(1e10, True, "BFLOAT16"), (1e10, False, "FLOAT32"), (5e8, True, "FLOAT32"), (5e8, False, "FLOAT32")],
)
def test_the_rule_goes_by_the_machine_and_the_size_of_a_step(operations, has_matrix_units, expected):
    found = precision.rule(operations, has_matrix_units)
    assert found.name == expected
    assert found.reason


def test_auto_asks_the_rounds_and_then_the_rule(tmp_path, monkeypatch, has_bfloat16):
    monkeypatch.setattr(precision, "MIN_OPERATIONS", 0)
    monkeypatch.setattr(precision, "RULE_OPERATIONS", 0)
    monkeypatch.setattr(precision, "_processor_flags", lambda: ["amx_bf16"])
    for rounds, expected in ((CLEAR["FLOAT32"], "FLOAT32"), (UNCLEAR["both take the same"], "BFLOAT16")):
        monkeypatch.setattr(precision, "network_rounds", lambda *arguments, rounds=rounds: rounds)
        assert settled(tmp_path).name == expected
        shutil.rmtree(tmp_path / "cache")


def test_what_was_measured_is_remembered_for_this_network_on_this_machine(tmp_path, monkeypatch, has_bfloat16):
    monkeypatch.setattr(precision, "MIN_OPERATIONS", 0)
    measured = []

    def rounds(*arguments):
        measured.append(arguments)
        return CLEAR["BFLOAT16" if len(measured) == 1 else "FLOAT32"]

    monkeypatch.setattr(precision, "network_rounds", rounds)
    first, again = settled(tmp_path), settled(tmp_path)
    (file,) = (tmp_path / "cache" / "easymtl" / "precision").iterdir()
    assert (first.name, again.name, len(measured)) == ("BFLOAT16", "BFLOAT16", 1)
    assert again.reason == f"{first.reason} (measured before; delete {file} to measure again)"
    assert settled(tmp_path, "data_config.batch_size=33").name == "FLOAT32"
    assert settled(tmp_path).name == "BFLOAT16"
    monkeypatch.setattr(precision, "_machine", lambda: "another")
    assert settled(tmp_path).name == "FLOAT32"
    assert len(measured) == 3


@pytest.mark.parametrize(
    "text", ["", "[]", '{"choice": "AUTO", "reason": ""}', '{"choice": "FLOAT32"}', '{"choice": [], "reason": "x"}']
)
def test_a_memory_that_is_not_whole_is_measured_again(tmp_path, text):
    memory = PrecisionMemory(tmp_path / "folder" / "x.json")
    assert memory.recall() is None
    memory.keep(TrainConfig.FLOAT32, "so it is")
    assert memory.recall()[0] == TrainConfig.FLOAT32
    memory.path.write_text(text)
    assert memory.recall() is None


def test_a_memory_that_cannot_be_written_is_none(tmp_path):
    (tmp_path / "folder").write_text("a file")
    memory = PrecisionMemory(tmp_path / "folder" / "x.json")
    memory.keep(TrainConfig.FLOAT32, "so it is")
    assert memory.recall() is None


def test_a_network_that_refuses_made_up_rows_leaves_it_to_the_rule(tmp_path, monkeypatch, has_bfloat16):
    def refuse(*arguments):
        raise tf.errors.InvalidArgumentError(None, None, "a history has more steps than there are places")

    monkeypatch.setattr(precision, "MIN_OPERATIONS", 0)
    monkeypatch.setattr(precision, "network_rounds", refuse)
    monkeypatch.setattr(precision, "_has_matrix_units", lambda: False)
    found = settled(tmp_path)
    assert (found.name, found.reason) == ("FLOAT32", precision.rule(0, False).reason)


def test_a_measurement_runs_both_and_leaves_the_model_as_it_is(tmp_path):
    pipeline = small_config(tmp_path).pipeline
    ranker = Ranker(pipeline)
    before = {name: parameter.read().numpy() for name, parameter in ranker.parameters.items()}
    rounds = precision.network_rounds(ranker, 32)
    assert len(rounds) >= 3
    assert min(seconds for both in rounds for seconds in both) > 0
    for name, parameter in ranker.parameters.items():
        np.testing.assert_array_equal(parameter.read().numpy(), before[name])


def test_auto_is_float32_for_a_small_network_unmeasured(tmp_path, has_bfloat16, no_measurement):
    found = settled(tmp_path)
    assert found.name == "FLOAT32"
    assert "so small" in found.reason


def test_auto_is_float32_where_the_processor_has_no_bfloat16(tmp_path, monkeypatch, no_measurement):
    monkeypatch.setattr(precision, "MIN_OPERATIONS", 0)
    monkeypatch.setattr(precision, "_processor_has_bfloat16", lambda: False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    found = settled(tmp_path)
    assert found.name == "FLOAT32"
    assert "no instructions for bfloat16" in found.reason


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [([(8, 0)], True), ([(9, 0), (8, 6)], True), ([(7, 5)], False), ([(9, 0), (7, 0)], False)],
)
def test_the_slowest_gpu_decides_whether_there_is_bfloat16(monkeypatch, capabilities, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: capabilities)
    monkeypatch.setattr(precision, "_compute_capability", lambda gpu: gpu)
    assert precision._has_bfloat16() == expected


@pytest.mark.parametrize("name", ["FLOAT32", "BFLOAT16"])
def test_a_resumed_training_keeps_the_precision_it_was_started_with(tmp_path, no_measurement, name):
    began_in(tmp_path, name)
    found = settled(tmp_path)
    assert found.name == name
    assert str(tmp_path / "model" / "pipeline.config") in found.reason


def test_a_choice_in_the_config_comes_first(tmp_path):
    began_in(tmp_path, "BFLOAT16")
    assert settled(tmp_path, "train_config.mixed_precision=FLOAT32") == precision.Precision(TrainConfig.FLOAT32)


def test_a_training_says_what_auto_came_to_and_writes_it_down(tmp_path):
    write_data(tmp_path)
    choice = ("train_config.mixed_precision=AUTO", "eval_input_path=", "train_config.num_steps=1")
    _, told = train(tmp_path, *choice)
    notes = [event.text for event in of_kind(told, events.Note)]
    assert any(note.startswith("mixed_precision AUTO: FLOAT32, because ") for note in notes)
    assert "mixed_precision: FLOAT32" in (tmp_path / "model" / "pipeline.config").read_text()


def test_bfloat16_trains_nearly_the_same_and_keeps_weights_in_float32(tmp_path):
    write_data(tmp_path)
    losses = {}
    for name in ("FLOAT32", "BFLOAT16"):
        choice = (f"train_config.mixed_precision={name}", f"model_dir={tmp_path}/{name}")
        result, told = train(tmp_path, *choice, "eval_input_path=", "train_config.num_steps=3")
        losses[name] = [event.losses["loss"] for event in of_kind(told, events.Progress)]
    np.testing.assert_allclose(losses["BFLOAT16"], losses["FLOAT32"], rtol=0.02)
    reader = tf.train.load_checkpoint(result.checkpoint.prefix)
    assert set(reader.get_variable_to_dtype_map().values()) == {tf.float32}
