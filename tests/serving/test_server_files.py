"""What stands beside a SavedModel for its server and its users: all of it works with that model."""

import hashlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from easymtl.config import load_config
from easymtl.server.batching import Job, answers_of
from easymtl.server.model import Model
from easymtl.serving.request_example import request_body
from easymtl.serving.server_configs import batching_config, models_config, served_name
from easymtl.serving.warmup import FURTHER_SIZES, SIZES
from easymtl.serving.warmup_file import read_warmup
from tests.serving.conftest import NUM_ROWS

NAMES = {
    "request.json",
    "model_card.md",
    "tf_serving_warmup_requests",
    "easymtl.json",
    "signatures.json",
    "models.config",
    "batching.config",
    "placement.json",
    "pipeline.config",
}


@pytest.fixture(scope="module")
def extra(exported):
    return exported.path / "assets.extra"


@pytest.fixture(scope="module")
def serve(exported):
    model = tf.saved_model.load(str(exported.path))

    def score(request):
        answer = model.signatures["serving_default"](**request)
        return {name: value.numpy() for name, value in answer.items()}

    return score


def body_tensors(text, inputs):
    rows = json.loads(text)["instances"]
    return {name: tf.constant([row[name] for row in rows], kind) for name, kind in inputs.items()}


def test_the_files_are_there(exported, extra):
    assert {file.name for file in extra.iterdir()} == NAMES
    assert [file.name for file in exported.path.parent.iterdir()] == [exported.path.name], "versions alone"


def test_the_config_that_the_export_holds_is_that_of_the_model(trained, extra):
    kept = load_config(str(extra / "pipeline.config")).pipeline
    assert kept == trained.pipeline()
    assert (
        json.loads((extra / "easymtl.json").read_text("utf-8"))["checkpoint_files"]
        == trained.checkpoint.state()["files"]
    )


def test_the_warm_up_asks_what_a_client_asks(trained, extra, serve):
    requests = [log.predict_log.request for log in read_warmup(str(extra / "tf_serving_warmup_requests"))]
    tensors = [
        {name: tf.io.parse_tensor(value, serve_type(value)) for name, value in one.inputs.items()} for one in requests
    ]
    assert [len(one["user"]) for one in tensors[: len(SIZES)]] == [*SIZES]
    assert all(np.isfinite(value).all() for one in tensors[:2] for value in serve(one).values())
    users = [text or "" for text in trained.rows["user"].to_pylist()[:8]]
    assert [text.decode() for text in tensors[1]["user"].numpy()] == users


def test_the_warm_up_asks_all_signatures_and_they_answer_alike(exported, extra):
    """Each of the first row: a server makes a signature ready at its own first call."""
    model, answers = tf.saved_model.load(str(exported.path)), {}
    requests = [log.predict_log.request for log in read_warmup(str(extra / "tf_serving_warmup_requests"))]
    for one in requests:
        inputs = {name: tf.io.parse_tensor(value, serve_type(value)) for name, value in one.inputs.items()}
        answers.setdefault(one.model_spec.signature_name, []).append(
            model.signatures[one.model_spec.signature_name](**inputs)
        )
    assert {name: len(found) for name, found in answers.items()} == {
        "serving_default": len(SIZES),
        **dict.fromkeys(["encode", "encoded", "tf_example"], len(FURTHER_SIZES)),
    }
    for name in ("encoded", "tf_example"):
        for output, values in answers["serving_default"][SIZES.index(FURTHER_SIZES[-1])].items():
            np.testing.assert_allclose(answers[name][-1][output], values, atol=1e-5, err_msg=f"{name} {output}")


def test_the_desk_joins_packed_requests_of_different_widths(exported, trained):
    """By what `signatures.json` says of the padding."""
    model = Model(exported.path, 1)
    encode, encoded = model.signature("encode"), model.signature("encoded")
    rows = {name: column.to_pylist() for name, column in zip(trained.rows.column_names, trained.rows.columns)}

    def job(first):
        inputs = {}
        for name, tensor in encode.inputs.items():
            values = [tensor.missing if value is None else value for value in rows[name][first : first + 3]]
            values = [value.encode() if isinstance(value, str) else value for value in values]
            inputs[name] = np.array(values, object if tensor.dtype == tf.string else tensor.dtype.as_numpy_dtype)
        return Job(model, encoded, model.run(encode, inputs), 3, None)

    jobs = [job(first) for first in (0, 3, 6, 9)]
    assert len({one.sides for one in jobs}) > 1 and all(one.goes_with(jobs[0]) for one in jobs)
    together = answers_of(jobs)
    for one, answer in zip(jobs, together, strict=True):
        for name, values in answers_of([one])[0].items():
            np.testing.assert_allclose(answer[name], values, atol=1e-6)
    model.retire()


def serve_type(value):
    from tensorflow.core.framework import tensor_pb2

    return tf.as_dtype(tensor_pb2.TensorProto.FromString(value).dtype)


def test_the_example_is_the_first_rows(trained, exported, extra, serve):
    text = (extra / "request.json").read_text(encoding="utf-8")
    assert json.loads(text)["signature_name"] == "serving_default"
    found = serve(body_tensors(text, exported.inputs))
    first = [log.predict_log.request for log in read_warmup(str(extra / "tf_serving_warmup_requests"))][1]
    rows = serve({name: tf.io.parse_tensor(value, serve_type(value)) for name, value in first.inputs.items()})
    for name, values in found.items():
        assert len(values) == 2
        np.testing.assert_allclose(values, rows[name][:2], rtol=1e-5, atol=1e-6)


def test_json_has_no_word_for_nan_and_short_words_for_numbers():
    columns = {
        "a": pa.array([0.7, np.nan], pa.float32()),
        "b": pa.array(["x", "ü"]),
        "c": pa.FixedSizeListArray.from_arrays(pa.array(["p", "", "q", "r"]), 2),
    }
    text = request_body(columns, {"a": 9.5, "b": ""}, 3)
    rows = json.loads(text, parse_constant=pytest.fail)["instances"]
    assert rows == [
        {"a": 0.7, "b": "x", "c": ["p", ""]},
        {"a": 9.5, "b": "ü", "c": ["q", "r"]},
        {"a": 0.7, "b": "x", "c": ["p", ""]},
    ]


def test_lists_are_as_wide_as_the_rows_need():
    columns = {
        "a": pa.FixedSizeListArray.from_arrays(pa.array(["p", "", "", "q", "r", ""]), 3),
        "b": pa.FixedSizeListArray.from_arrays(pa.array([0.7, np.nan, np.nan, np.nan], pa.float32()), 2),
        "c": pa.FixedSizeListArray.from_arrays(pa.array([-1, -1, -1, -1], pa.int64()), 2),
    }
    first, second = json.loads(request_body(columns, {}))["instances"]
    assert first == {"a": ["p", ""], "b": [0.7], "c": [-1]}
    assert (second["a"], second["c"]) == (["q", "r"], [-1])
    assert np.isnan(second["b"]).tolist() == [True]


def test_the_card_tells_where_the_model_is_from_and_how_good_it_is(trained, exported, extra):
    card = (extra / "model_card.md").read_text(encoding="utf-8")
    state = trained.checkpoint.state()
    for name, value in state["metrics"].items():
        assert f"| {name} | {value:.6g} |" in card
    assert f"{trained.folder}/rows.parquet" in card and "| click | click | logits_click, probs_click |" in card
    assert "| tags | string | [any] | '' |" in card
    assert "on 100 rows" in card
    for file, digest in re.findall(r"\| (\S+) \| [\d,]+ \| ([0-9a-f]{64}) \|", card):
        assert hashlib.sha256((exported.path / file).read_bytes()).hexdigest() == digest
    assert card.count("saved_model.pb") == 1
    assert "Made of these" not in card, "there are no formulas"
    assert f"batch_size: {trained.pipeline().data_config.batch_size}" in card
    assert not [user for user in map(str, range(NUM_ROWS)) if f"u{user} " in card], "no value of a row"


class TestConfigs:
    def test_a_server_can_read_them(self, exported):
        configs = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
        from google.protobuf import text_format

        text = (exported.path / "assets.extra" / "models.config").read_text()
        (config,) = text_format.Parse(text, configs.ModelServerConfig()).model_config_list.config
        assert (config.name, config.base_path) == ("model_dir", "/models/model_dir")
        described = json.loads((exported.path / "assets.extra" / "easymtl.json").read_text())
        assert described["name"] == config.name, "as `easymtl serve` calls it"
        assert config.model_platform == "tensorflow" and config.model_version_policy.latest.num_versions == 2

    def test_batches_are_as_large_as_the_model_takes(self):
        assert "max_batch_size { value: 256 }" in batching_config(None, ())
        assert "allowed_batch_sizes" not in batching_config(None, ())
        fixed = batching_config(16, ("tags",))
        assert "max_batch_size { value: 16 }\nallowed_batch_sizes: 16\n" in fixed
        assert "\n# Lists of values (tags) have to be of one width" in fixed
        for text in (batching_config(None, ("a", "b")), models_config("x")):
            assert all(line.isascii() for line in text.splitlines())

    @pytest.mark.parametrize(
        ("folder", "name"), [("a/click model v2/", "click_model_v2"), ("模型", "model"), ("x.y-z", "x_y-z")]
    )
    def test_the_name_is_that_of_the_folder(self, trained, folder, name):
        pipeline = trained.pipeline()
        pipeline.model_dir = folder
        assert served_name(pipeline) == name


@pytest.mark.slow
def test_the_lines_of_the_card_send_the_example(extra, serve, exported, tmp_path):
    grpc = pytest.importorskip("grpc")
    predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    asked = []

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            asked.append(request.model_spec)
            scores = serve({name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()})
            answer = predict_pb2.PredictResponse()
            for name, value in scores.items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return answer

    server = grpc.server(ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    card = (extra / "model_card.md").read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1].replace("localhost:8500", f"localhost:{port}")
    run = subprocess.run([sys.executable, "-c", program], cwd=extra, capture_output=True, text=True, check=False)
    server.stop(None)
    assert run.returncode == 0, run.stderr
    wanted = serve(body_tensors((extra / "request.json").read_text(encoding="utf-8"), exported.inputs))
    found = dict(line.split(" ", 1) for line in run.stdout.splitlines())
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(json.loads(found[name]), value, rtol=1e-6)
    assert (asked[0].name, asked[0].signature_name) == ("model_dir", "serving_default")
