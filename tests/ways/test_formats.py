"""The ways through files beside a SavedModel give its scores; the server of Triton does where there is one."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features.columns import tensor_of
from easymtl.serving import parity
from easymtl.serving.export import export
from easymtl.serving.form_of_export import form_of
from easymtl.serving.request_rows import as_sent
from easymtl.ways import kserve, triton_server
from easymtl.ways.kserve import infer
from easymtl.ways.onnx import Onnx
from easymtl.ways.openvino import OpenVino
from easymtl.ways.triton import Triton
from easymtl.ways.way import Unsayable
from tests.serving.conftest import trained  # noqa: F401
from tests.serving.scoring_here import score_here

pytestmark = pytest.mark.slow
FORMATS = "export_config.formats=[SAVED_MODEL, ONNX, OPENVINO]"
WAYS = [Onnx(), OpenVino(), Triton()]


def usable(way):
    why = way.absent()
    return pytest.param(way, marks=pytest.mark.skipif(why is not None, reason=f"{why}"), id=way.name)


class Made:
    """An export, some rows packed by it, and the scores that it has for them."""

    def __init__(self, trained, folder, *overrides, num_rows=300):  # noqa: F811
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parity, "score_apart", score_here)
            pipeline = trained.pipeline(FORMATS, *overrides)
            self.done = export(pipeline, trained.checkpoint, folder)
        self.path = self.done.path
        model = tf.saved_model.load(str(self.path))
        serve, encode = model.signatures["serving_default"], model.signatures["encode"]
        form = form_of(self.path, pipeline, serve.structured_input_signature[1].values())
        columns = {name: trained.rows[name].combine_chunks().slice(0, num_rows) for name in form.fields}
        request = {name: tensor_of(column) for name, column in as_sent(form, columns).items()}
        packed = {name: value.numpy() for name, value in encode(**request).items()}
        self.rows = SimpleNamespace(sent=request, packed=packed, num_rows=num_rows)
        self.scores = {name: value.numpy() for name, value in serve(**request).items()}

    def holds(self, found):
        assert set(found) == {"encoded"} and set(found["encoded"]) == set(self.scores)
        for name, value in self.scores.items():
            assert found["encoded"][name].shape == value.shape
            np.testing.assert_allclose(found["encoded"][name], value, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):  # noqa: F811
    pytest.importorskip("tf2onnx")
    pytest.importorskip("openvino")
    return Made(trained, tmp_path_factory.mktemp("formats"))


@pytest.mark.parametrize("way", map(usable, WAYS))
def test_each_way_gives_the_scores_of_the_saved_model(made, way):
    made.holds(way.scores(made.path, made.rows))


@pytest.fixture(scope="module")
def fixed(trained, tmp_path_factory):  # noqa: F811
    pytest.importorskip("tf2onnx")
    pytest.importorskip("openvino")
    return Made(trained, tmp_path_factory.mktemp("fixed"), "export_config.batch_size=16", num_rows=16)


@pytest.mark.parametrize("way", map(usable, WAYS))
def test_a_fixed_number_of_rows_is_filled_up(fixed, way):
    fixed.holds(way.scores(fixed.path, fixed.rows))
    few = SimpleNamespace(packed={name: value[:5] for name, value in fixed.rows.packed.items()}, num_rows=5)
    found = way.scores(fixed.path, few)["encoded"]
    np.testing.assert_allclose(found["probs_click"], fixed.scores["probs_click"][:5], atol=1e-5)


def test_an_export_without_the_file_says_what_to_write(exported_alone):
    with pytest.raises(Unsayable, match=r"has no ONNX file: write export_config \{ formats: \[SAVED_MODEL, ONNX\] \}"):
        Onnx().scores(exported_alone, SimpleNamespace(packed={}, num_rows=0))


@pytest.fixture
def exported_alone(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "easymtl.json").write_text('{"easymtl": "0", "formats": {}}')
    return tmp_path


@pytest.mark.skipif(Triton().absent() is not None, reason=f"{Triton().absent()}")
def test_the_server_reads_our_configuration_and_refuses_what_it_does_not_say(made):
    folder = made.path / "assets.extra" / "triton" / "model_dir"
    packed = {name: value[:2] for name, value in made.rows.packed.items()}
    with triton_server.serving(folder) as model:
        assert len(infer(model, packed)["probs_kind"]) == 2
        with pytest.raises(UserError, match=r"400.*ids"):
            infer(model, {**packed, "ids": packed["ids"].astype(np.float32)})
        with pytest.raises(UserError, match=r"400.*ids"):
            infer(model, {**packed, "ids": packed["ids"][:, :1]})
        assert len(infer(model, packed)["probs_kind"]) == 2, "it lives"


def test_without_the_wheel_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv(triton_server.PYTHON, "/nowhere/python")
    triton_server.find_server.cache_clear()
    assert "pip install nvidia-pytriton" in Triton().absent()
    triton_server.find_server.cache_clear()


def test_tritons_python_is_that_of_its_own_environment_whichever_is_active(monkeypatch, tmp_path):
    monkeypatch.setenv(triton_server.PYTHON, "/own/bin/python")
    for name, value in {"PATH": "/active/bin", "PYTHONPATH": "/active", "VIRTUAL_ENV": "/active"}.items():
        monkeypatch.setenv(name, value)
    found = triton_server._environment(tmp_path / "pytriton")
    assert found["PATH"].split(":") == ["/own/bin", "/active/bin"]
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & found.keys()


def test_an_answer_without_its_values_is_told(monkeypatch):
    header = json.dumps(
        {"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 0}}]}
    )
    answer = io.BytesIO(header.encode())
    answer.headers = {kserve.LENGTH: str(len(header))}
    monkeypatch.setattr(kserve.urllib.request, "urlopen", lambda *_, **__: answer)
    with pytest.raises(UserError, match="answers with tensors that cannot be read: cannot reshape array of size 0"):
        infer("http://localhost/v2/models/m", {"ids": np.zeros([2, 1], np.int64)})
