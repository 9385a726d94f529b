"""What ways are held against."""

import json
import shutil

import pytest

from easymtl.errors import UserError
from easymtl.ways import baseline
from easymtl.ways.baseline import _origin
from easymtl.ways.tensorflow_apart import TensorFlow
from easymtl.ways.verifying import question_of, verify
from tests.serving.conftest import exported, trained  # noqa: F401
from tests.ways.test_ways import pipeline

FILES = {"weights.index": [3, 891568578]}


def write_checkpoint(folder, files=FILES, text="abc", step=7):
    folder.mkdir(parents=True)
    (folder / "weights.index").write_text(text)
    (folder / "state.json").write_text(json.dumps({"format_version": 1, "step": step, "files": files}))
    return folder


def described(folder, **said):
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "assets.extra" / "easymtl.json").write_text(json.dumps({"step": 7, **said}))
    return folder


def test_the_checkpoint_that_an_export_names_if_its_files_are_the_same(tmp_path):
    named = write_checkpoint(tmp_path / "step-000000007")
    export = described(tmp_path / "3", checkpoint=str(named), checkpoint_files=FILES)
    assert _origin(export, pipeline(), False).path == named
    shutil.rmtree(named)
    with pytest.raises(UserError, match="step-000000007 is not there"):
        _origin(export, pipeline(), False)
    write_checkpoint(named, {"weights.index": [3, 1]})
    with pytest.raises(UserError, match="is not what the export was made from: its files have other checksums"):
        _origin(export, pipeline(), True)
    shutil.rmtree(named)
    # It says that it is the same, and is not.
    write_checkpoint(named, text="abd")
    with pytest.raises(UserError, match=r"the bytes of weights.index have changed"):
        _origin(export, pipeline(), False)


def test_an_export_that_tells_no_checksums_is_believed_if_the_user_brings_the_config(tmp_path):
    named = write_checkpoint(tmp_path / "model" / "checkpoints" / "step-000000007")
    export = described(tmp_path / "3", checkpoint="elsewhere")
    config = pipeline()
    config.model_dir = str(tmp_path / "model")
    assert _origin(export, config, True).path == named
    with pytest.raises(UserError, match="elsewhere is not there"):
        _origin(export, config, False)
    export = described(tmp_path / "4", checkpoint=str(named))
    with pytest.raises(UserError, match="does not tell its checksums"):
        _origin(export, config, False)
    assert _origin(export, config, True).path == named
    with pytest.raises(UserError, match="does not name it"):
        _origin(described(tmp_path / "5"), config, True)


@pytest.mark.slow
@pytest.mark.usefixtures("op_by_op", "ask_here")
def test_the_checkpoint_finds_an_export_of_other_weights(trained, exported, monkeypatch):  # noqa: F811
    """All ways to call an export agree with each other, and the export is wrong."""
    from google.protobuf import text_format

    from easymtl.protos.pipeline_pb2 import Pipeline

    kept = text_format.Parse((exported.path / "assets.extra" / "pipeline.config").read_text("utf-8"), Pipeline())
    assert kept == trained.pipeline(), "the export remembers its config"
    paths = str(trained.folder / "rows.parquet")
    question = question_of(exported.path, kept, paths, 250)
    assert question.baseline.told.startswith(f"checkpoint {trained.checkpoint.path}, step 4")
    findings = verify(question, [TensorFlow()])
    assert [(one.signature, one.problem) for one in findings] == [
        (name, None) for name in ("serving_default", "encoded", "tf_example")
    ]
    load = baseline.load_ranker

    def load_other(*arguments):
        ranker = load(*arguments)
        for variable in ranker.network.variables:
            variable.assign(variable * 1.1)
        return ranker

    monkeypatch.setattr(baseline, "load_ranker", load_other)
    question = question_of(exported.path, kept, paths, 250)
    problems = [one.problem for one in verify(question, [TensorFlow()])]
    assert all(problem and " of row " in problem for problem in problems), problems
