"""Files of ONNX and OpenVINO beside a SavedModel: the scores of its checkpoint, from any number of rows."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features import served_tables
from easymtl.serving import export as exporting
from easymtl.serving import parity
from easymtl.serving.export import export
from easymtl.serving.formats import onnx_file
from easymtl.serving.formats.onnx_network import OnnxNetwork
from easymtl.serving.formats.openvino_network import OpenVinoNetwork
from easymtl.serving.signatures import names_of
from tests.serving.scoring_here import score_here

pytest.importorskip("tf2onnx")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.slow
FORMATS = "export_config.formats=[SAVED_MODEL, ONNX, OPENVINO]"


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):
    """An export in all formats, with a formula over its scores."""
    pytest.importorskip("openvino")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "score_apart", score_here)
        pipeline = trained.pipeline(FORMATS)
        pipeline.export_config.final_score.add(name="rank", expression="log(click) * seconds^2")
        return export(pipeline, trained.checkpoint, tmp_path_factory.mktemp("formats"))


@pytest.fixture(scope="module")
def saved(made):
    return tf.saved_model.load(str(made.path))


def ask(saved, signature, inputs):
    function = saved.signatures[signature]
    names = names_of(function)
    answer = function(**{names[name]: tf.constant(value) for name, value in inputs.items()})
    return {name: value.numpy() for name, value in answer.items()}


PACKED = {
    "ids": np.array([[0, 1, -1, 2, 5], [-1, -1, 9999, 0, 0], [3, 3, 3, 3, 3]]),
    "bag_ids": np.array([[[1, 2]], [[-1, -1]], [[77777, 3]]]),
    "bag_weights": np.array([[[0.5, 0.5]], [[0, 0]], [[1.0, 2.0]]], np.float32),
    "dense": np.array([[0.5], [np.nan], [-3]], np.float32),
}


@pytest.mark.parametrize("network", [OnnxNetwork, OpenVinoNetwork])
def test_packed_tensors_have_the_scores_of_the_saved_model(made, saved, network):
    path = made.path / made.formats["ONNX" if network is OnnxNetwork else "OPENVINO"]
    other = network(path)
    packed = {**PACKED, "dense": np.float32([[0.5], [0], [-3]])}
    for rows in (3, 1):
        sent = {name: value[:rows] for name, value in packed.items()}
        wanted, found = ask(saved, "encoded", sent), other.ask(sent)
        assert set(found) == set(wanted) == set(made.outputs)
        for name, value in wanted.items():
            assert found[name].shape == value.shape and found[name].dtype == value.dtype
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)
    assert len({tuple(row) for row in found["probs_kind"]}) == len(found["probs_kind"])


def test_no_rows_have_no_scores(made):
    nothing = {name: value[:0] for name, value in PACKED.items()}
    assert all(len(value) == 0 for value in OnnxNetwork(made.path / made.formats["ONNX"]).ask(nothing).values())


def test_what_is_no_number_is_none_in_both(made, saved):
    wanted = ask(saved, "encoded", PACKED)
    found = OnnxNetwork(made.path / made.formats["ONNX"]).ask(PACKED)
    for name, value in wanted.items():
        if value.dtype.kind == "f":
            assert np.array_equal(np.isnan(found[name]), np.isnan(value))


@pytest.mark.parametrize("name", ["bag_ids", "bag_weights", "dense"])
def test_tensors_of_unequal_rows_are_refused_by_name(made, name):
    with pytest.raises(RuntimeError, match=f"shape_of_{name}"):
        OnnxNetwork(made.path / made.formats["ONNX"]).ask({**PACKED, name: PACKED[name][:1]})


def test_the_file_says_what_it_takes(made):
    model = onnx.load(str(made.path / made.formats["ONNX"]))
    shapes = {
        one.name: [dim.dim_param or dim.dim_value for dim in one.type.tensor_type.shape.dim]
        for one in (*model.graph.input, *model.graph.output)
    }
    assert shapes["ids"] == ["rows", 5] and shapes["bag_ids"] == ["rows", 1, "values_of_bag"]
    assert shapes["probs_kind"] == ["rows", 3] and shapes["probs_click"] == ["rows"]
    assert model.ir_version == 8 and {one.version for one in model.opset_import if not one.domain} == {18}
    onnx.checker.check_model(model)
    listed = json.loads((made.path / "assets.extra" / "signatures.json").read_text())["encoded"]
    assert set(shapes) == {*listed["inputs"], *listed["outputs"]}
    described = json.loads((made.path / "assets.extra" / "easymtl.json").read_text())
    assert described["formats"] == {
        "ONNX": "assets.extra/onnx/model.onnx",
        "OPENVINO": "assets.extra/openvino/model.xml",
    }


def test_triton_has_the_same_file(made):
    folder = made.path / "assets.extra" / "triton" / "model_dir"
    assert os.path.samefile(folder / "1" / "model.onnx", made.path / made.formats["ONNX"])


def test_large_tables_stand_in_a_file_of_their_own(trained, tmp_path, monkeypatch, made, saved):
    monkeypatch.setattr(parity, "score_apart", score_here)
    monkeypatch.setattr(onnx_file, "MOST_INLINE_BYTES", 100)
    monkeypatch.setattr(served_tables, "_BLOCK_BYTES", 1000)
    done = export(trained.pipeline("export_config.formats=[ONNX]"), trained.checkpoint, tmp_path)
    folder = (done.path / done.formats["ONNX"]).parent
    assert {file.name for file in folder.iterdir()} == {"model.onnx", "model.onnx.data"}
    assert (folder / "model.onnx.data").stat().st_size > 1 << 16, "the second table begins at a page"
    wanted, found = ask(saved, "encoded", PACKED), OnnxNetwork(done.path / done.formats["ONNX"]).ask(PACKED)
    np.testing.assert_allclose(found["probs_kind"], wanted["probs_kind"], rtol=1e-5, atol=1e-6)
    version = done.path / "assets.extra" / "triton" / "model_dir" / "1"
    assert os.path.samefile(version / "model.onnx.data", folder / "model.onnx.data")


def test_a_file_that_scores_otherwise_is_told_with_output_and_row_and_nothing_is_published(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(parity, "score_apart", score_here)
    true_scores = exporting.scores_by_format

    def off(made, encode, sent):
        scores = true_scores(made, encode, sent)
        scores["ONNX"]["probs_click"][7] += 1e-3
        return scores

    monkeypatch.setattr(exporting, "scores_by_format", off)
    with pytest.raises(
        UserError, match=r"ONNX: probs_click of row 7 is .* in the ONNX file and .* with the checkpoint"
    ):
        export(trained.pipeline("export_config.formats=[SAVED_MODEL, ONNX]"), trained.checkpoint, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_openvino_alone_leaves_no_file_of_onnx(trained, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(parity, "score_apart", score_here)
    pipeline = trained.pipeline("export_config.formats=[SAVED_MODEL, OPENVINO]", "export_config.batch_size=16")
    done = export(pipeline, trained.checkpoint, tmp_path)
    assert [*done.formats] == ["OPENVINO"]
    assert not {"onnx", "triton"} & {file.name for file in (done.path / "assets.extra").iterdir()}
    assert OpenVinoNetwork(done.path / done.formats["OPENVINO"]).num_rows == 16


@pytest.mark.parametrize("narrow", ["row_precision=INT8", "row_precision=BFLOAT16", "precision=FLOAT16"])
def test_files_of_fewer_bytes_are_what_the_saved_model_is(trained, tmp_path, monkeypatch, narrow):
    monkeypatch.setattr(parity, "score_apart", score_here)
    options = ["export_config.formats=[ONNX, OPENVINO]", f"export_config.{narrow}", "export_config.max_auc_change=1"]
    done = export(trained.pipeline(*options), trained.checkpoint, tmp_path)
    wanted = ask(tf.saved_model.load(str(done.path)), "encoded", PACKED)
    found = OnnxNetwork(done.path / done.formats["ONNX"]).ask(PACKED)
    tolerance = max(done.parity.tolerance, 1e-5)
    np.testing.assert_allclose(found["probs_click"], wanted["probs_click"], atol=tolerance)
