"""An export that is made in a moment: the files that `easymtl export` writes, around a graph of three operations."""

import json
from pathlib import Path

import httpx
import tensorflow as tf

from easymtl.server.checks import Limits
from easymtl.server.desk import Desk, Options
from easymtl.server.rest import application
from easymtl.server.versions import Versions
from easymtl.serving.signatures import Signature, save

INPUTS = {"user": "string", "age": "int32", "id": "int64", "price": "float32", "is_new": "bool", "tags": "string"}
ROW = {"user": "u1", "age": 30, "id": 9, "price": 2.5, "is_new": True, "tags": ["a", "b"]}
DESCRIPTION = {
    "step": 7,
    "inputs": INPUTS,
    "line": None,
    "missing": {"user": "", "age": 0, "id": 0, "price": 1.5, "is_new": False},
    "padding": {"tags": ""},
}
SIGNATURES = {"encoded": {"inputs": {"ids": {"padding": -1}, "weight": {}}}}


def write_export(folder: Path, factor: float = 1.0) -> Path:
    """Writes an export whose scores are `factor` times those of another; the factor is a variable."""
    model = tf.Module()
    model.factor = tf.Variable(factor)

    def scores(age, price):
        refused = tf.debugging.Assert(tf.reduce_all(age >= 0), [tf.constant("input age: a row is below 0.")])
        with tf.control_dependencies([refused]):
            return price * model.factor + tf.cast(age, tf.float32)

    def serve(request):
        score = scores(request["age"], request["price"])
        num_tags = tf.reduce_sum(tf.cast(request["tags"] != "", tf.float32), axis=1)
        return {
            "probs_click": tf.sigmoid(score / 100),
            "y_seconds": score,
            "kinds": tf.stack([score, num_tags, tf.cast(request["is_new"], tf.float32)], axis=1),
            "feature_user": request["user"],
            "doubled_id": request["id"] * 2,
        }

    def once(request):
        return {"score": scores(request["age"], tf.repeat(request["price"], tf.size(request["age"])))}

    def row_sums(ids):
        return tf.reduce_sum(tf.cast(tf.maximum(ids, tf.constant(0, tf.int64)), tf.float32), axis=[1, 2])

    specs = {name: tf.TensorSpec([None], kind) for name, kind in INPUTS.items()}
    specs["tags"] = tf.TensorSpec([None, None], tf.string)
    pairs = {"age": tf.TensorSpec([None], tf.int32), "price": tf.TensorSpec([1], tf.float32)}
    texts = {"examples": tf.TensorSpec([None], tf.string)}
    bags = {"ids": tf.TensorSpec([None, 2, None], tf.int64), "weight": tf.TensorSpec([None], tf.float32)}
    signatures = {
        "serving_default": Signature(serve, specs),
        "user_once": Signature(once, pairs),
        "tf_example": Signature(lambda request: {"length": tf.strings.length(request["examples"])}, texts),
        "encoded": Signature(lambda request: {"sums": row_sums(request["ids"]) * request["weight"]}, bags),
        "encode": Signature(lambda request: {"tags": request["tags"]}, {"tags": specs["tags"]}),
    }
    save(model, folder, signatures)
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "easymtl.json").write_text(json.dumps(DESCRIPTION))
    (folder / "assets.extra" / "signatures.json").write_text(json.dumps(SIGNATURES))
    return folder


def desk_of(folder: Path, name: str = "model", **limits) -> Desk:
    """Returns a desk that has loaded nothing yet."""
    given = {"rows": 100, "bytes": 1 << 16, "seconds": 20.0} | limits
    return Desk(Versions(folder, seconds=0.02), Options(name, 256, Limits(**given)))


async def open_desk(folder: Path, name: str = "model", **limits) -> Desk:
    """Returns a desk that serves."""
    desk = desk_of(folder, name, **limits)
    await desk.versions.load()
    desk.batcher.start()
    return desk


def client_of(desk: Desk) -> httpx.AsyncClient:
    """Returns a client that calls a desk in this process."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(application(desk), raise_app_exceptions=False), base_url="http://desk"
    )
