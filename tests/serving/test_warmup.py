"""Requests that warm a server up: written as servers read them, and read before they are taken from a user."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features.columns import tensor_of
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.prediction_log_pb2 import PredictionLog
from easymtl.serving.signatures import Signature
from easymtl.serving.warmup import SIZES, check_warmup, default_requests, further_requests, write_warmup
from easymtl.serving.warmup_file import FILE, MOST_RECORDS, read_warmup, require_own_warmup

ROWS = {
    "user id": pa.array(["u0", "", "用户"]),
    "price": pa.array([0.5, np.nan, 2.0], pa.float32()),
    "tags": pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3, -1, -1, -1], pa.int64()), 2),
    "is_new": pa.array([True, False, True]),
}
SPECS = {
    "user id": tf.TensorSpec([None], tf.string),
    "price": tf.TensorSpec([None], tf.float32),
    "tags": tf.TensorSpec([None, None], tf.int64),
    "is_new": tf.TensorSpec([None], tf.bool),
}
SIGNATURES = {"serving_default": SPECS}
WANTED = {
    "user id": [b"u0", b"", "用户".encode()],
    "price": [0.5, np.nan, 2.0],
    "tags": [[1, 2], [3, -1], [-1, -1]],
    "is_new": [True, False, True],
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("warm") / FILE
    write_warmup(path, "model", default_requests(ROWS))
    return path


def test_a_server_reads_the_requests(written):
    """As its own message has them."""
    apis = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    logs = [apis.PredictionLog.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(written))]
    assert [log.predict_log.request.model_spec.signature_name for log in logs] == ["serving_default"] * len(SIZES)
    for size, log in zip(SIZES, logs, strict=True):
        request = log.predict_log.request
        assert log.WhichOneof("log_type") == "predict_log" and request.model_spec.name == "model"
        assert set(request.inputs) == set(ROWS)
        for name, values in WANTED.items():
            found = tf.make_ndarray(request.inputs[name])
            assert tf.as_dtype(found.dtype if found.dtype != object else tf.string) == SPECS[name].dtype
            np.testing.assert_array_equal(found, np.array(values)[np.arange(size) % 3])


def test_our_own_requests_are_right(written):
    assert len(read_warmup(str(written))) == len(SIZES)
    check_warmup(str(written), SIGNATURES)


def records(path, *logs):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else log.SerializeToString())
    return str(path)


def damaged(written, path, place):
    content = bytearray(written.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    return str(path)


def test_what_is_no_warmup_file_is_refused(written, tmp_path):
    path = tmp_path / FILE
    path.write_text("hi")
    for says in ("export_config.asset_files: ", "A warm-up file is a TFRecord file of PredictionLog messages"):
        with pytest.raises(UserError, match=says):
            read_warmup(str(path))
    path.write_bytes(written.read_bytes()[:-7])
    with pytest.raises(UserError, match=FILE):
        read_warmup(str(path))
    with pytest.raises(UserError, match=r"record 0 \(the first is 0\) does not have its checksum"):
        read_warmup(damaged(written, path, 40))
    path.write_bytes(b"")
    with pytest.raises(UserError, match="holds no request"):
        read_warmup(str(path))
    with pytest.raises(UserError, match=r"record 0 \(the first is 0\) is no PredictionLog"):
        read_warmup(records(path, b"hi"))
    good = read_warmup(str(written))[0]
    with pytest.raises(UserError, match=r"record 1 \(the first is 0\) is no PredictionLog"):
        read_warmup(records(path, good, b""))
    with pytest.raises(UserError, match=r"record 0 \(the first is 0\) holds a session_run_log"):
        read_warmup(records(path, PredictionLog(session_run_log=b"")))
    with pytest.raises(UserError, match=f"more than {MOST_RECORDS} records"):
        read_warmup(records(path, *[good] * (MOST_RECORDS + 1)))


def changed(written, change):
    log = read_warmup(str(written))[1]
    change(log.predict_log.request)
    return log


def put(name, values, dtype=None):
    return lambda request: request.inputs.__setitem__(name, tf.make_tensor_proto(values, dtype).SerializeToString())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda request: request.inputs.pop("price"), 'lacks the input "price"'),
        (put("user_id", ["u"]), 'has an input "user_id", and the model has none of this name. Did you mean "user id"?'),
        (
            put("price", [1.0] * 8, tf.float64),
            r'holds float64 \[8\] in the input "price", which takes float32 \[None\]',
        ),
        (put("price", [[1.0]] * 8, tf.float32), r"holds float32 \[8, 1\]"),
        (put("user id", [1] * 8, tf.int64), r'holds int64 \[8\] in the input "user id", which takes string'),
        (put("price", [1.0], tf.float32), "has inputs of different numbers of rows: user id 8, price 1,"),
        (lambda request: request.inputs.__setitem__("price", b"\xff"), 'has no tensor in the input "price"'),
        (
            lambda request: setattr(request.model_spec, "signature_name", "serving_defalt"),
            'asks for the signature "serving_defalt"; there are "serving_default". Did you mean "serving_default"?',
        ),
    ],
)
def test_a_request_that_the_model_cannot_answer_is_named(written, tmp_path, change, says):
    first = read_warmup(str(written))[0]
    path = records(tmp_path / FILE, first, changed(written, change))
    with pytest.raises(UserError, match=r"record 1 \(the first is 0\) " + says.replace("?", r"\?")):
        check_warmup(path, SIGNATURES)


def test_each_further_signature_is_asked_too_in_its_own_form():
    packed = {"ids": tf.TensorSpec([None, 1], tf.int64)}
    once = {**SPECS, "user id": tf.TensorSpec([1], tf.string), "tags": tf.TensorSpec([1, None], tf.int64)}
    signatures = {
        "encode": Signature(lambda rows: {"ids": tf.strings.length(rows["user id"])[:, tf.newaxis]}, SPECS),
        "encoded": Signature(dict, packed),
        "tf_example": Signature(dict, {"examples": tf.TensorSpec([None], tf.string)}),
        "user_once": Signature(dict, once),
    }
    found = list(further_requests(signatures, ROWS, pa.array([b"x", b"y"]), [1, 4]))
    assert [name for name, _ in found] == [
        "encode",
        "encoded",
        "tf_example",
        "user_once",
        "encode",
        "encoded",
        "tf_example",
    ]
    of_four = {name: {key: value.numpy().tolist() for key, value in inputs.items()} for name, inputs in found[4:]}
    assert of_four["encode"]["user id"] == [b"u0", b"", "用户".encode(), b"u0"]
    assert of_four["encoded"] == {"ids": [[2], [0], [6], [2]]}
    assert of_four["tf_example"] == {"examples": [b"x", b"y", b"x", b"y"]}
    user = {name: value.numpy().tolist() for name, value in found[3][1].items()}
    assert user == {"user id": [b"u0"], "price": [0.5], "tags": [[1, 2]], "is_new": [True]}


def test_one_user_and_many_items_are_right(tmp_path):
    """Of a file that a user brings."""
    once = {**SPECS, "user id": tf.TensorSpec([1], tf.string)}
    rows = {name: tensor_of(column) for name, column in ROWS.items()}
    path = tmp_path / FILE
    write_warmup(path, "model", [("user_once", rows | {"user id": tf.constant(["u0"])})])
    check_warmup(str(path), {"user_once": once})
    write_warmup(path, "model", [("user_once", rows)])
    with pytest.raises(UserError, match=r'string \[3\] in the input "user id", which takes string \[1\]'):
        check_warmup(str(path), {"user_once": once})


def test_a_request_without_a_signature_is_of_the_default_one(written, tmp_path):
    def forget(request):
        request.model_spec.ClearField("signature_name")

    check_warmup(records(tmp_path / FILE, changed(written, forget)), SIGNATURES)


def test_the_file_is_read_before_anything_is_trained(tmp_path):
    pipeline = Pipeline()
    pipeline.export_config.asset_files.append("elsewhere.txt")
    require_own_warmup(pipeline)
    path = tmp_path / FILE
    path.write_text("hi")
    pipeline.export_config.asset_files.append(f"!{path}")
    with pytest.raises(UserError, match="A warm-up file is a TFRecord file"):
        require_own_warmup(pipeline)
