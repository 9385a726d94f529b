import json

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from easymtl.errors import UserError
from easymtl.serving import export as exporting
from easymtl.serving.export import export
from easymtl.serving.freezing import freeze
from easymtl.serving.placement import placement_of, placement_of_partitions, placements_of
from easymtl.serving.signatures import SIGNATURE, Signature, save
from easymtl.tasks.ranker import Ranker

pytestmark = pytest.mark.usefixtures("op_by_op")

KERNEL = [[0.1], [0.2]]


class Model(tf.Module):
    """Rows of a table, then whatever a test wants."""

    def __init__(self):
        super().__init__()
        self.table = tf.Variable(tf.ones([10, 2]))

    def serve(self, behind):
        def function(request):
            with tf.device("/CPU:0"):
                ids = tf.strings.to_hash_bucket_fast(request["name"], 10)
            return {"score": behind(tf.gather(self.table, ids))}

        return Signature(function, {"name": tf.TensorSpec([None], tf.string)})

    def encoded(self, behind):
        def function(request):
            return {"score": behind(tf.gather(self.table, request["ids"]))}

        return Signature(function, {"ids": tf.TensorSpec([None], tf.int64)})


def score(vectors):
    return tf.matmul(vectors, tf.constant(KERNEL))[:, 0]


def placement(folder, behind, name=SIGNATURE):
    model = Model()
    save(model, folder, {SIGNATURE: model.serve(score), name: model.serve(behind)})
    return placement_of(folder, name)


def ops(names):
    return sorted(name.split("(")[1].split(")")[0] for name in names)


def test_a_request_crosses_once(tmp_path):
    found = placement(tmp_path, score)
    assert (found.on_host, found.without_kernel, found.between) == ((), (), ())
    assert (ops(found.up), len(found.down)) == (["StringToHashBucketFast"], 1)
    assert found.pinned > 0
    assert found.on_device >= 3


@pytest.mark.parametrize(
    "behind, between, host",
    [
        # Its size is data, and its places are sliced on the host, before work of the GPU.
        (
            lambda x: score(tf.gather(x, tf.unique(tf.cast(x[:, 0], tf.int32)).idx[1:])),
            ["StridedSlice", "Unique", "Unique"],
            ["StridedSlice"],
        ),
        # Whole numbers from the GPU are put together on the host, and go up again.
        (
            lambda x: score(tf.gather(x, tf.concat([tf.cast(x[:, 0], tf.int32), tf.cast(x[:, 1], tf.int32)], 0) * 0)),
            ["Cast", "Cast", "Mul"],
            ["ConcatV2", "Mul"],
        ),
        # The product of a shape is taken on the GPU, of all things, and asked of the host.
        (lambda x: score(tf.boolean_mask(x, x[:, 0] > 0)), ["Prod", "Where"], None),
    ],
)
def test_what_keeps_a_gpu_waiting_is_named(tmp_path, behind, between, host):
    found = placement(tmp_path, behind)
    assert ops(found.between) == between
    assert host is None or ops(found.on_host) == host
    assert found.without_kernel == ()


def test_whole_numbers_that_come_with_the_request_are_copied_up_and_not_between(tmp_path):
    def function(request):
        places = tf.concat([request["a"], request["b"]], axis=0)
        return {"score": tf.gather(tf.constant([1.0, 2.0]), places), "sum": request["a"] + request["b"]}

    model = Model()
    numbers = tf.TensorSpec([None], tf.int32)
    save(model, tmp_path, {SIGNATURE: Signature(function, {"a": numbers, "b": numbers})})
    found = placement_of(tmp_path, SIGNATURE)
    # int32 is received, added and sent by kernels of the host: no copy. What indexes is copied.
    assert ops(found.up) == ["ConcatV2"]
    assert ops(found.on_host) == ["AddV2", "ConcatV2"]
    assert (len(found.down), found.between) == (1, ())


def test_a_signature_that_refuses_no_rows_and_some_numbers_is_looked_at(tmp_path):
    def needs_padding(request):
        with tf.device("/CPU:0"):
            ids = request["ids"]
            checks = [
                tf.debugging.assert_greater(tf.shape(ids)[0], 0),
                tf.debugging.assert_equal(ids, -tf.ones_like(ids)),
            ]
            with tf.control_dependencies(checks):
                ids = tf.identity(ids)
        return {"score": score(tf.gather(model.table, ids + 1))}

    model = Model()
    save(model, tmp_path, {SIGNATURE: Signature(needs_padding, {"ids": tf.TensorSpec([None], tf.int64)})})
    found = placement_of(tmp_path, SIGNATURE)
    assert (len(found.up), len(found.down), found.between) == (1, 1, ())


def test_loops_and_branches_are_looked_into(tmp_path):
    def looped(x):
        step = lambda number, y: (number + 1, tf.matmul(y, tf.eye(2)))  # noqa: E731
        return score(tf.while_loop(lambda number, y: tf.reduce_sum(y) < 0.0, step, (0, x))[1])

    found = placement(tmp_path, looped)
    # Whether to go on is computed on the GPU and asked of the host.
    assert ops(found.between) == ["Less"]
    assert found.without_kernel == ()


def test_a_function_that_stays_one_is_looked_into(tmp_path):
    @tf.function(experimental_attributes={"_noinline": True})
    def inner(x):
        return tf.gather(x, tf.unique(tf.cast(x[:, 0], tf.int32)).y)

    assert ops(placement(tmp_path, lambda x: score(inner(x))).between) == ["Unique"]


@pytest.mark.parametrize(
    "behind, op",
    [
        (lambda x: score(x) + tf.cast(tf.strings.length(tf.strings.as_string(x[:, 0])), tf.float32), "AsString"),
        (
            lambda x: tf.raw_ops.UniqueV2(x=x, axis=tf.constant([0], tf.int64)).y[:, 0],
            "UniqueV2",
        ),
    ],
)
def test_nodes_without_a_kernel_are_named(tmp_path, behind, op):
    model = Model()
    save(model, tmp_path, {SIGNATURE: model.serve(behind)})
    with pytest.raises(UserError, match=rf"no GPU kernel is registered for \S+ \({op}\).*It was not published"):
        placements_of(tmp_path)


def test_signatures_that_are_not_reported_are_not_looked_at(tmp_path):
    model = Model()
    strings = model.serve(tf.strings.as_string)
    save(model, tmp_path, {SIGNATURE: model.serve(score), "other": strings})
    assert list(placements_of(tmp_path)) == [SIGNATURE]


def test_encoded_must_not_keep_a_gpu_waiting(tmp_path):
    model = Model()
    waits = model.encoded(lambda x: score(tf.gather(x, tf.unique(tf.cast(x[:, 0], tf.int32)).idx)))
    save(model, tmp_path / "waits", {SIGNATURE: model.serve(score), "encoded": waits})
    with pytest.raises(UserError, match=r"the signature encoded keeps a GPU waiting: \S+ \(Unique\), its size"):
        placements_of(tmp_path / "waits")


def test_encoded_may_go_by_the_steps_that_exist(tmp_path):
    model = Model()
    steps = model.encoded(lambda x: score(tf.gather(x, tf.where(x[:, 0] > 0.0)[:, 0])))
    save(model, tmp_path, {SIGNATURE: model.serve(score), "encoded": steps})
    assert ops(placements_of(tmp_path)["encoded"].between) == ["Where"]


def test_encoded_may_check_shapes(tmp_path):
    def checked(x):
        with tf.control_dependencies([tf.debugging.assert_less(tf.shape(x)[0], 100)]):
            return score(x)

    model = Model()
    save(model, tmp_path / "well", {SIGNATURE: model.serve(score), "encoded": model.encoded(checked)})
    found = placements_of(tmp_path / "well")["encoded"]
    assert found.on_host
    assert (len(found.up), len(found.down), found.between) == (1, 1, ())


def test_a_frozen_network_that_checks_is_inlined_and_checks(tmp_path):
    def checked(tensors):
        x = tensors["x"]
        num_rows = tf.shape(x)[0]
        with tf.device("/CPU:0"):
            tf.debugging.assert_less(num_rows, 3, message="too many")
        return {"score": score(x)}

    network = freeze(checked, {"x": tf.TensorSpec([None, 2])})
    found = placement(tmp_path, lambda x: network({"x": x})["score"])
    assert (ops(found.up), len(found.down), found.between) == (["StringToHashBucketFast"], 1, ())
    assert found.on_device >= 3
    serve = tf.saved_model.load(str(tmp_path)).signatures[SIGNATURE]
    assert serve(name=tf.constant(["a", "b"]))["score"].shape == (2,)


def test_a_call_that_was_not_inlined_is_named():
    called = GraphDef()
    node = called.node.add(name="call", op="PartitionedCall", device="/job:localhost/replica:0/task:0/device:CPU:1")
    node.attr["f"].func.name = "elsewhere"
    found = placement_of_partitions([called])
    assert found.between == ("call (PartitionedCall), which is not looked into",)


def test_a_table_that_is_read_on_the_cpu_lies_there(tmp_path):
    class OnCpu(Model):
        def serve(self, behind):
            def function(request):
                with tf.device("/CPU:0"):
                    vectors = tf.gather(self.table, tf.strings.to_hash_bucket_fast(request["name"], 10))
                return {"score": behind(vectors)}

            return Signature(function, {"name": tf.TensorSpec([None], tf.string)})

    model = OnCpu()
    save(model, tmp_path, {SIGNATURE: model.serve(score)})
    found = placement_of(tmp_path, SIGNATURE)
    assert ops(found.up) == ["ResourceGather"]
    assert (len(found.down), found.between) == (1, ())


def test_what_the_cpu_computes_last_is_not_copied_up_again(tmp_path):
    def on_cpu(x):
        result = score(x)
        with tf.device("/CPU:0"):
            return tf.exp(result)

    found = placement(tmp_path, on_cpu)
    assert (len(found.up), len(found.down), found.between) == (1, 1, ())


def test_an_export_writes_its_placement_down(exported):
    found = exported.placement[SIGNATURE]
    written = json.loads((exported.path / "assets.extra" / "placement.json").read_text())
    assert written[SIGNATURE] == found.document()
    assert found.on_device > 20
    # All scores leave at once.
    assert len(exported.outputs) > 3
    assert len(found.down) == 1


def test_export_that_cannot_run_on_a_gpu_is_refused(trained, tmp_path, score_here, monkeypatch):
    signatures = exporting.ServingModel.signatures

    def with_ragged_range(model):
        predictions = Ranker.predictions

        def spoiled(ranker, logits):
            outputs = predictions(ranker, logits)
            first = outputs["y_seconds"]
            ranged = tf.raw_ops.RaggedRange(starts=[0], limits=tf.shape(first)[:1], deltas=[1])
            return {**outputs, "y_seconds": first + 0.0 * tf.cast(ranged.rt_dense_values, tf.float32)}

        with monkeypatch.context() as patch:
            patch.setattr(Ranker, "predictions", spoiled)
            return signatures(model)

    monkeypatch.setattr(exporting.ServingModel, "signatures", with_ragged_range)
    with pytest.raises(UserError, match=r"no GPU kernel is registered for \S+ \(RaggedRange\)\. It was not published"):
        export(trained.pipeline(), trained.checkpoint, tmp_path)
    assert not list(tmp_path.iterdir())
