"""The commands of docs/guides/from-merlin.md are those of `make merlin`, and each of them runs."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from easymtl.cli import build_parser, main
from easymtl.config import load_config, view
from easymtl.synth import write
from tests.docs.pages import commands, commands_of

pytestmark = pytest.mark.usefixtures("op_by_op")

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "samples/merlin.sh"
GUIDE = ROOT / "docs/guides/from-merlin.md"
SMALL = (
    "data_config.batch_size=200",
    "data_config.num_epochs=0",
    "train_config.num_steps=2",
    *(f"feature_config.features[{index}].num_buckets=50" for index in range(5)),
    *(f"feature_config.features[{index}].embedding_dim=4" for index in range(5)),
)


COMMANDS = commands(SCRIPT.read_text())
SCORES = "model_dir/merlin_ple_on_tenrec/scores.parquet"
TRAININGS = [words for words in COMMANDS if words[1] == "train"]


def folder_of(words: list[str]) -> str:
    options = build_parser().parse_args(words[1:])
    return Path(load_config(options.pipeline_config, options.overrides, options.tasks).pipeline.model_dir).name


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return {part: str(path) for part, path in write("tenrec", 600, out=tmp_path_factory.mktemp("tenrec")).items()}


@pytest.fixture
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_guide_and_the_target_have_the_same_commands():
    assert commands_of(GUIDE) == COMMANDS
    recipe = (ROOT / "Makefile").read_text().partition("\nmerlin:")[2].partition("\n\n")[0]
    assert "samples/merlin.sh" in recipe


def test_every_training_has_a_folder_of_its_own_that_the_script_clears(at_root):
    folders = [folder_of(words) for words in TRAININGS]
    assert len(set(folders)) == len(folders) == 12
    assert all(folder.startswith("merlin_") for folder in folders)
    assert "rm -rf model_dir/merlin_*\n" in SCRIPT.read_text()


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS[1:], ids=lambda words: f"{words[1]} {words[-1][:40]}")
def test_each_command_runs(at_root, data, work, capsys, words):
    model_dir = work / folder_of(words)
    sets = [f"{part}_input_path={path}" for part, path in data.items()]
    sets += [f"model_dir={model_dir}", "export_config.exporter_type=none", *SMALL]
    flags = [flag for text in sets for flag in ("--set", text)]
    places = {"samples/data/tenrec/eval.parquet": data["eval"], SCORES: str(work / "scores.parquet")}
    assert main([*(places.get(word, word) for word in words[1:]), *flags]) == 0, capsys.readouterr().err
    if words[1] == "train":
        assert (model_dir / "checkpoints" / "step-000000002").is_dir()
    if words[1] == "predict":
        assert pq.read_schema(work / "scores.parquet").names[:2] == ["user_id", "item_id"]


@pytest.fixture
def load(at_root):
    """Returns the config of the training whose model_dir has a name."""

    def load_named(folder):
        (words,) = [words for words in TRAININGS if folder_of(words) == folder]
        options = build_parser().parse_args(words[1:])
        return load_config(options.pipeline_config, options.overrides, options.tasks).pipeline

    return load_named


def towers(pipeline):
    return {tower.tower_name: tower for tower in view.task_towers(pipeline)}


def test_loss_weights(load):
    weights = {name: tower.weight for name, tower in towers(load("merlin_loss_weights")).items()}
    assert weights == {"click": 5, "like": 4, "share": 3, "follow": 2, "watching_times": 1}


def test_class_weights(load):
    chosen = towers(load("merlin_class_weights"))
    factors = {name: tower.sample_weights[0].class_weights for name, tower in chosen.items()}
    assert {name: (f.negative, f.positive) for name, f in factors.items()} == {"click": (1, 5), "like": (1, 20)}


def test_sample_space_and_cascade(load):
    like = towers(load("merlin_sample_space"))["like"]
    assert (like.task_space_indicator_label, like.out_task_space_weight) == ("click", 0)
    assert [entry.weighted for entry in like.metrics_set] == [False, True]
    first, second = towers(load("merlin_cascaded_weights"))["like"].sample_weights
    assert (first.class_weights.negative, first.class_weights.positive, second.label) == (1, 5, "click")


def test_task_blocks(load):
    blocks = {name: list(tower.dnn.hidden_units) for name, tower in towers(load("merlin_task_blocks")).items()}
    assert blocks == {name: [32] for name in ("click", "follow", "like", "share", "watching_times")}
    blocks = {name: list(tower.dnn.hidden_units) for name, tower in towers(load("merlin_own_task_blocks")).items()}
    assert blocks == {"click": [64], "like": [32]}


def test_architectures(load):
    bottom = load("merlin_shared_bottom_on_tenrec").model_config.shared_bottom
    assert list(bottom.bottom_dnn.hidden_units) == [32, 16]
    mmoe = load("merlin_mmoe_on_tenrec").model_config.mmoe
    assert (mmoe.num_expert, *mmoe.expert_dnn.hidden_units, *mmoe.gate_dnn.hidden_units) == (4, 64, 16)
    cgc = load("merlin_cgc_on_tenrec").model_config.cgc
    levels = load("merlin_ple_on_tenrec").model_config.ple.extraction_networks
    assert len(levels) == 2
    for level in (cgc, *levels):
        assert (level.expert_num_per_task, level.share_num) == (2, 3)
        assert [*level.task_expert_net.hidden_units, *level.share_expert_net.hidden_units] == [64, 64]
