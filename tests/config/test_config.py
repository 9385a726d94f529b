"""`load_config`: files, places, notes, the resolved text, and configs that are damaged at random."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from easymtl.config import Config, ConfigError, load_config, view
from easymtl.config.names import ACTIVATIONS, METRICS, MODEL_CLASSES, activation_name, normalizer_name
from easymtl.config.parser import Parser
from easymtl.config.problems import Findings, Places
from easymtl.errors import UserError
from easymtl.protos import options_pb2
from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_HERE = Path(__file__).parents[1] / "data" / "easyrec_golden"
GOLDEN = sorted(Path(os.environ.get("EASYMTL_GOLDEN", _HERE)).resolve().glob("**/pipeline.config"))


def test_a_right_config_is_loaded_with_its_places(base, load):
    config = load()
    assert config.path == "x.config"
    assert config.pipeline == text_format.Parse(base, Pipeline())
    assert config.where("model_config.dbmtl.task_towers[1].label_name") == "x.config:39"
    assert config.where("model_config.dbmtl.task_towers[1].num_class") == "x.config:37"
    assert config.where("export_config.exporter_type") == "x.config"


def test_the_resolved_text_is_read_back_equal(load, tmp_path):
    config = load(overrides=("data_config.separator='\\001'", 'model_dir=北京 "x"', "train_config.seed=7"))
    (tmp_path / "again.config").write_text(config.text(), encoding="utf-8")
    assert load_config("again.config").pipeline == config.pipeline


def test_a_byte_order_mark_and_windows_line_ends_are_fine(base, tmp_path):
    path = tmp_path / "windows.config"
    path.write_bytes(base.replace("\n", "\r\n").encode("utf-8-sig"))
    config = load_config(str(path))
    assert config.where("train_config.num_steps") == f"{path}:8"
    assert config.pipeline == text_format.Parse(base, Pipeline())


@pytest.mark.parametrize(
    "name, expected",
    [
        ("y.config", "y.config: there is no such file; . holds x.config."),
        ("no/y.config", "no/y.config: there is no such file, and no folder no."),
        ("folder", "folder: this is a folder. Name the config file in it."),
        ("binary", "binary:2: this is no UTF-8 text. Save the config as UTF-8."),
        ("logs", "logs: this is a table, and no config. Draft a config for it: easymtl init logs --labels A,B."),
        ("logs.CSV", "logs.CSV: this is a table, and no config. Draft a config for it: easymtl init logs.CSV"),
        ("bad\0name", "cannot be read: "),
    ],
)
def test_a_file_that_cannot_be_read(load, tmp_path, name, expected):
    load()
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b'model_dir: "a"\n\xff\xfe')
    (tmp_path / "logs").write_bytes(b"PAR1\x15\x04\x15\xff")
    (tmp_path / "logs.CSV").write_text("click,user\n1,u7\n")
    with pytest.raises(UserError) as error:
        load_config(name)
    assert expected in str(error.value)


def test_an_empty_file_says_what_a_config_needs(problems):
    lines = problems(text="")
    assert any("train_input_path is missing" in line for line in lines)
    assert any("names no model" in line for line in lines)


def test_the_error_counts_lists_and_keeps_its_problems(load):
    with pytest.raises(ConfigError) as error:
        load(("num_steps: 5", "num_step: 5"), ("batch_size: 64", "batch_size: 0"))
    assert str(error.value).split("\n") == [
        "2 problems in x.config:",
        'x.config:8:3: train_config has no field "num_step". Did you mean "num_steps"?',
        "x.config:11: data_config.batch_size is 0, outside of (0, inf).",
    ]
    assert [problem.where for problem in error.value.problems] == ["x.config:8:3", "x.config:11"]


def test_a_long_list_of_problems_is_cut(load):
    with pytest.raises(ConfigError) as error:
        load(('feature_names: ["user"', 'feature_names: ["x[1-150]", "user"'))
    assert len(error.value.problems) == 150
    assert str(error.value).endswith("\n... and 50 more")


def test_reading_a_config_does_not_import_tensorflow():
    code = "import sys, easymtl.config; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def damaged(text: str, generator: random.Random) -> str:
    """A config with a few pieces cut out, doubled, swapped or replaced by noise."""
    for _ in range(generator.randrange(1, 6)):
        start = generator.randrange(len(text))
        end = min(len(text), start + generator.choice([1, 1, 2, 10, 200]))
        noise = "".join(generator.choices("{}<>[]:;,\"'#\\ \n\x00é0123-.eEinfa", k=generator.randrange(4)))
        text = generator.choice([
            text[:start] + text[end:],
            text[:end] + text[start:],
            text[:start] + noise + text[start:],
            text[:start] + noise + text[end:],
        ])  # fmt: skip
    return text


@pytest.mark.parametrize("part", range(4))
def test_damaged_configs_end_in_a_config_or_in_an_error_with_places(base, load, part):
    refused = 0
    for seed in range(part * 100, part * 100 + 100):
        text = damaged(base, random.Random(seed))
        try:
            assert isinstance(load(text=text), Config)
        except ConfigError as error:
            refused += 1
            assert all(str(problem).startswith("x.config") for problem in error.problems)
        else:
            assert text_format.Parse(text, Pipeline()) is not None
    assert refused > 50


def test_damaged_configs_that_protobuf_refuses_are_refused_here(base):
    for seed in range(150):
        text = damaged(base, random.Random(10_000 + seed))
        findings = Findings(Places("x.config"))
        message = Pipeline()
        Parser(text, findings).parse(message)
        if not findings.problems:
            assert text_format.Parse(text, Pipeline()) == message


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_easyrec_configs_are_right_or_use_what_is_not_supported(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    message = Pipeline()
    Parser(path.read_text(encoding="utf-8"), Findings(Places("x"))).parse(message)
    try:
        config = load_config("pipeline.config")
    except ConfigError as error:
        assert all("is not supported" in problem.text for problem in error.problems), str(error)
    else:
        assert config.pipeline == text_format.Parse(path.read_text(encoding="utf-8"), Pipeline())


def test_used_fields_know_their_first_reader(load):
    gauc = 'metrics_set { gauc { uid_field: "user" } }'
    used = view.used_fields(load(("metrics_set { auc { } }", gauc), ('"tags", "price"]', '"price"]')).pipeline)
    assert used == {
        "user": "feature_config.features[0].input_names[0]",
        "price": "feature_config.features[2].input_names[0]",
        "click": "model_config.dbmtl.task_towers[0].label_name",
        "order": "model_config.dbmtl.task_towers[1].label_name",
        "seconds": "model_config.dbmtl.task_towers[2].label_name",
        "weight": "data_config.sample_weight",
    }


def test_a_bare_metric_is_every_tower_that_has_it(load):
    pipeline = load().pipeline
    assert view.metric_results(pipeline) == {
        "auc_ctr": "auc",
        "auc_cvr": "auc",
        "mean_squared_error_stay": "mean_squared_error",
    }
    assert view.results_of_metric(pipeline, "auc") == ["auc_ctr", "auc_cvr"]
    assert view.results_of_metric(pipeline, "auc_cvr") == ["auc_cvr"]
    assert view.results_of_metric(pipeline, "xauc") == []


def test_every_metric_and_model_of_the_language_is_in_the_tables():
    assert {*METRICS, "custom"} == {member.name for member in EvalMetrics.DESCRIPTOR.oneofs_by_name["metric"].fields}
    for member in ModelConfig.DESCRIPTOR.oneofs_by_name["model"].fields:
        is_refused = bool(member.GetOptions().Extensions[options_pb2.refused])
        assert is_refused or member.name in (*MODEL_CLASSES, "custom")


def test_names_lose_their_prefixes():
    assert activation_name("tf.nn.leaky_relu") == activation_name("leaky_relu") == "leaky_relu"
    assert activation_name("") == "linear"
    assert normalizer_name("tf.math.log1p") == normalizer_name("tf.log1p") == normalizer_name("log1p") == "log1p"
    assert "relu" in ACTIVATIONS
