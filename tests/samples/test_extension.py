"""The package in samples/extension: its formulas; and the way of its config from training to scores, once installed."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from google.protobuf import text_format
from sklearn.metrics import mean_pinball_loss

from easymtl.cli import main
from easymtl.config import load_config
from easymtl.extensions import GROUPS
from easymtl.extensions.installed import forget
from easymtl.layers.context import Build, Call
from easymtl.layers.shapes import vector
from easymtl.models.making import make_model
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.loss_inputs import LossInputs
from easymtl.tasks.metrics import MetricInputs
from tests.models.architectures import EVALUATION, X, randomize
from tests.tracing import op_by_op

SAMPLE = Path(__file__).parents[2] / "samples" / "extension"
CONFIG = SAMPLE / "two_way_on_livestream.config"
ROW = re.compile(r'^(\w+) = "([\w.]+:\w+)"$', re.MULTILINE)


@pytest.fixture
def toy(packages, monkeypatch):
    """The package, as if it were installed; returns its module."""
    monkeypatch.syspath_prepend(SAMPLE)
    parts = (SAMPLE / "pyproject.toml").read_text().split('[project.entry-points."')[1:]
    found = [(part.partition('"')[0], *ROW.search(part).groups()) for part in parts]
    kinds = {group: kind for kind, group in GROUPS.items()}
    assert sorted(group for group, _, _ in found) == sorted(kinds)
    for group, name, value in found:
        packages.register(kinds[group], name, value, "easymtl-toy", "1.0.0")
    return importlib.import_module("easymtl_toy")


def test_the_config_loads_without_a_note(toy):
    assert load_config(str(CONFIG)).notes == []


@pytest.mark.parametrize("join", ["sum", "gate"])
def test_the_architecture_is_its_formula(toy, join):
    text = f"""custom {{ class_name: "TwoWay"
        parameters {{ key: "bottom_dnn" dnn {{ hidden_units: 4 use_bn: false }} }}
        parameters {{ key: "join" text: "{join}" }} parameters {{ key: "own_share" number: 0.3 }}
        task_towers {{ tower_name: "a" }} task_towers {{ tower_name: "b" }} }}"""
    pipeline = text_format.Parse(f"model_config {{ {text} }}", Pipeline())
    build = Build(seed=1)
    model = make_model(pipeline, build, {"all": X.shape[1]}, {"a": 1, "b": 1})
    randomize(build)
    value = {name: parameter.read().numpy() for name, parameter in build.parameters.items()}

    def dense(name: str) -> np.ndarray:
        return X @ value[f"{name}/kernel"] + value[f"{name}/bias"]

    shared, own = (np.maximum(dense(f"two_way/{name}/dnn_0"), 0) for name in ("shared", "own_b"))
    share = 0.3 if join == "sum" else 1 / (1 + np.exp(-dense("two_way/gate_b")))
    joined = share * own + (1 - share) * shared
    expected = joined @ value["dnn_output_1/kernel"] + value["dnn_output_1/bias"]
    np.testing.assert_allclose(model({"all": tf.constant(X)}, EVALUATION)["b"], expected, rtol=1e-4)


def test_the_layer_is_its_formula(toy):
    from easymtl_toy.soft_clip import SoftClip

    config = toy.SOFT_CLIP.message(units=3, limit=0.5)
    assert SoftClip.shape(config, vector(6)) == vector(3)
    layer = SoftClip(build := Build(seed=2), "clip", config, vector(6))
    randomize(build)
    kernel, bias = (build.parameters[f"clip/dense/{name}"].read() for name in ("kernel", "bias"))
    found = layer(tf.constant(X), Call()).numpy()
    np.testing.assert_allclose(found, 0.5 * np.tanh((X @ kernel + bias) / 0.5), rtol=1e-4, atol=1e-6)


def test_loss_and_metric_are_those_of_scikit_learn_and_numpy(toy):
    from easymtl_toy.quantiles import coverage, pinball

    random = np.random.default_rng(2)
    labels, scores, weights = random.integers(0, 4, 50), random.integers(0, 4, 50), random.uniform(0.5, 2, 50)
    as_tensors = [tf.constant(values, tf.float32) for values in (scores, labels, weights)]
    losses = pinball(LossInputs(*as_tensors, None, parameters=toy.PINBALL.message(quantile=0.8)))
    np.testing.assert_allclose(np.mean(losses), mean_pinball_loss(labels, scores, alpha=0.8), rtol=1e-6)
    for or_equal, compare in ((False, np.less), (True, np.less_equal)):
        inputs = MetricInputs(labels, scores, weights, None, toy.COVERAGE.message(or_equal=or_equal))
        np.testing.assert_allclose(coverage(inputs), np.average(compare(labels, scores), weights=weights))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip has installed the package, from a copy: pip builds beside the sources."""
    folder = tmp_path_factory.mktemp("site")
    source = shutil.copytree(SAMPLE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    run = subprocess.run([*command, "--target", folder / "site", source], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return folder / "site"


@pytest.fixture
def project(site, tmp_path, monkeypatch):
    """Runs commands in a folder with the config and its data, in an environment that has the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(SAMPLE.parents[1])]))
    monkeypatch.syspath_prepend(site)
    forget()
    assert main(["synth", "livestream", "--rows", "1500"]) == 0
    shutil.copy(CONFIG, "x.config")

    def run(verb: str, *flags: str) -> int:
        return main([verb, "--pipeline_config", "x.config", "--set", "data_config.batch_size=64", *flags])

    yield run
    forget()


@pytest.mark.slow
@pytest.mark.alone
def test_an_installed_package_trains_resumes_evaluates_exports_and_scores(project, capsys, tmp_path):
    model_dir = tmp_path / "model_dir" / "two_way_on_livestream"
    with op_by_op(True):
        assert project("check", "--network") == 0
        assert 'extension: architecture "TwoWay" of easymtl-toy 1.0.0' in capsys.readouterr().out
        none = ("--set", "export_config.exporter_type=none")
        assert project("train", "--set", "train_config.num_steps=10", *none) == 0
        assert project("train", "--set", "train_config.num_steps=20") == 0
    # The proof of the export loads it in a process of its own, which imports nothing of easymtl or the package.
    said = capsys.readouterr().out
    assert "Continuing from" in said and "loaded without easymtl" in said, said
    result = json.loads((model_dir / "eval_result.json").read_text())
    assert result["global_step"] == 20 and 0 <= result["Coverage_long_view"] <= 1 and result["Pinball_long_view"] > 0
    assert 'class_name: "TwoWay"' in (model_dir / "pipeline.config").read_text()
    state = json.loads((model_dir / "checkpoints" / "step-000000020" / "state.json").read_text())
    assert state["meaning"]["extensions"]['layer "SoftClip"']["parameters"] == [{"units": 16, "limit": 2.5}]
    with op_by_op(True):
        assert project("eval", "--output", "again.json") == 0
        assert project("predict", "--input", "samples/data/livestream/eval.parquet", "--output", "scores.parquet") == 0
        assert project("eval", "--set", "model_config.custom.parameters[key=join].text=sum") == 2
    assert json.loads(Path("again.json").read_text())["Coverage_long_view"] == result["Coverage_long_view"]
    assert "has join 'sum' in the config and 'gate' in the training" in capsys.readouterr().err
    scores = pq.read_table("scores.parquet")
    assert np.ptp(scores["y_long_view"].to_numpy()) > 0 and np.ptp(scores["probs_click"].to_numpy()) > 0


@pytest.mark.slow
def test_without_the_package_the_config_says_what_is_missing(tmp_path, site):
    for path, code in ((site, 0), (tmp_path, 1)):
        program = f"from easymtl.config import load_config; load_config({str(CONFIG)!r})"
        run = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(SAMPLE.parents[1])])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == code, run.stderr
    assert (
        'custom.class_name "TwoWay" is an architecture of no installed package; there is no such package' in run.stderr
    )


GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "extend.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"```(?:python|toml)\n(.*?)```", GUIDE, re.DOTALL))
def test_the_code_of_the_guide_is_that_of_the_package(block):
    sources = [path.read_text(encoding="utf-8") for path in (*SAMPLE.rglob("*.py"), SAMPLE / "pyproject.toml")]
    assert any(block in source for source in sources), block


def test_the_guide_names_all_that_is_stable():
    from easymtl import extend

    (table,) = re.findall(r"\| For \| There are \|\n(.*?)\n\n", GUIDE, re.DOTALL)
    assert sorted(re.findall(r"`(\w+)`", table)) == sorted(extend.__all__)
    assert all(getattr(extend, name) for name in extend.__all__)
