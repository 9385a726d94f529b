"""A format whose package is missing is refused before anything is trained."""

from argparse import Namespace

import pytest

from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.formats import packages
from easymtl.serving.formats.packages import further_formats, require_packages
from easymtl.verbs import check, export, train
from tests.errors.project import CONFIG

# Of all three commands together.
OPTIONS = Namespace(
    pipeline_config="x.config",
    overrides=(),
    tasks=None,
    continue_train=True,
    new_data=False,
    join_timeout=1,
    peer_timeout=1,
    export_dir=None,
    checkpoint=None,
    since=None,
)


def pipeline(*formats):
    result = Pipeline()
    result.export_config.formats.extend(formats)
    return result


@pytest.fixture
def absent(monkeypatch):
    """Lets packages be missing."""
    names = set()
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name in names else name)
    return names


def test_what_is_missing_is_told_with_the_line_that_installs_it(absent):
    absent.update(["openvino", "onnx"])
    require_packages(pipeline("SAVED_MODEL"))
    with pytest.raises(UserError, match=r"has ONNX, for which onnx is not installed. .* pip install 'easymtl\[onnx\]'"):
        require_packages(pipeline("SAVED_MODEL", "ONNX"))
    absent.remove("onnx")
    require_packages(pipeline("SAVED_MODEL", "ONNX"))
    with pytest.raises(UserError, match=r"OPENVINO, for which openvino is .*pip install 'easymtl\[openvino\]'"):
        require_packages(pipeline("OPENVINO"))


def test_the_saved_model_is_no_further_format():
    assert further_formats(pipeline("ONNX", "SAVED_MODEL", "OPENVINO")) == ["ONNX", "OPENVINO"]
    assert further_formats(pipeline()) == []


@pytest.mark.parametrize("verb", [check, train, export])
def test_each_command_that_would_write_it_or_train_for_it_refuses_it(verb, absent, tmp_path, monkeypatch):
    absent.add("tf2onnx")
    monkeypatch.chdir(tmp_path)
    text = CONFIG.replace('exporter_type: "none"', 'exporter_type: "final" formats: [SAVED_MODEL, ONNX]')
    (tmp_path / "x.config").write_text(text)
    with pytest.raises(UserError, match="for which tf2onnx is not installed"):
        verb.run(OPTIONS)


def test_a_training_that_exports_nothing_needs_no_package(absent, tmp_path, monkeypatch):
    absent.add("tf2onnx")
    monkeypatch.chdir(tmp_path)
    text = CONFIG.replace('exporter_type: "none"', 'exporter_type: "none" formats: [SAVED_MODEL, ONNX]')
    (tmp_path / "x.config").write_text(text)
    with pytest.raises(UserError, match=r"train\.csv"):
        train.run(OPTIONS)
