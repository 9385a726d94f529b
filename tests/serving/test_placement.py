import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from easymtl.errors import UserError
from easymtl.serving import export as exporting
from easymtl.serving.export import export
from easymtl.serving.placement import check_placement, has_gpu_kernel
from easymtl.serving.signatures import SIGNATURE
from easymtl.tasks.ranker import Ranker

pytestmark = pytest.mark.usefixtures("op_by_op")


def node(op, **types):
    made = NodeDef(name=op, op=op)
    for name, kind in types.items():
        made.attr[name].type = kind
    return made


@pytest.mark.parametrize(
    "op, types",
    [
        ("MatMul", {"T": types_pb2.DT_FLOAT}),
        ("GatherV2", {"Tparams": types_pb2.DT_FLOAT, "Tindices": types_pb2.DT_INT32, "Taxis": types_pb2.DT_INT32}),
        ("Unique", {"T": types_pb2.DT_INT32, "out_idx": types_pb2.DT_INT32}),
        ("Identity", {"T": types_pb2.DT_FLOAT}),
    ],
)
def test_ops_that_run_on_a_gpu(op, types):
    assert has_gpu_kernel(node(op, **types))


@pytest.mark.parametrize(
    "op, types",
    [
        ("UniqueV2", {"T": types_pb2.DT_INT64, "Taxis": types_pb2.DT_INT32, "out_idx": types_pb2.DT_INT32}),
        ("RaggedRange", {"T": types_pb2.DT_INT32, "Tsplits": types_pb2.DT_INT64}),
        ("StringToHashBucketFast", {}),
        ("MatMul", {"T": types_pb2.DT_INT64}),
        ("NoSuchOp", {}),
    ],
)
def test_ops_that_do_not(op, types):
    assert not has_gpu_kernel(node(op, **types))


def test_an_attribute_that_is_left_out_has_its_default():
    # Unique's out_idx is int32 unless it says otherwise; a SavedModel leaves such attributes out.
    assert has_gpu_kernel(node("Unique", T=types_pb2.DT_INT32))
    assert has_gpu_kernel(node("Shape", T=types_pb2.DT_FLOAT))


class Scaled(tf.Module):
    """Hashes on the CPU, then runs `behind` wherever the server likes."""

    def __init__(self, behind, pin=True):
        super().__init__()
        self.table = tf.Variable(tf.ones([10, 2]))
        self._behind = behind
        self._pin = pin

    def save(self, folder):
        def serve(name):
            with tf.device("/CPU:0" if self._pin else None):
                rows = tf.strings.to_hash_bucket_fast(name, 10)
            return {"score": self._behind(tf.gather(self.table, rows))}

        spec = tf.TensorSpec([None], tf.string, name="name")
        function = tf.function(serve, input_signature=[spec], autograph=False).get_concrete_function()
        tf.saved_model.save(self, str(folder), signatures={SIGNATURE: function})
        return check_placement(folder)


def test_what_is_pinned_to_the_cpu_may_lack_a_kernel(tmp_path):
    placement = Scaled(lambda x: tf.reduce_sum(x, axis=1)).save(tmp_path)
    assert placement.without_kernel == ()
    assert placement.pinned > 0
    assert placement.on_gpu > 0


def test_strings_outside_of_the_encoder_are_found(tmp_path):
    placement = Scaled(lambda x: tf.reduce_sum(x, axis=1), pin=False).save(tmp_path)
    assert [text.split(" ")[1] for text in placement.without_kernel] == ["(StringToHashBucketFast)"]


@pytest.mark.parametrize(
    "op, behind",
    [
        ("UniqueV2", lambda x: tf.raw_ops.UniqueV2(x=x, axis=tf.constant([0], tf.int64)).y),
        (
            "RaggedRange",
            lambda x: (
                tf.raw_ops.RaggedRange(
                    starts=tf.constant([0]), limits=tf.shape(x)[:1], deltas=tf.constant([1])
                ).rt_dense_values
            ),
        ),
    ],
)
def test_ops_without_a_gpu_kernel_are_found(tmp_path, op, behind):
    placement = Scaled(behind).save(tmp_path)
    assert [text.split(" ")[1] for text in placement.without_kernel] == [f"({op})"]


def test_inner_functions_are_looked_into(tmp_path):
    @tf.function(autograph=False)
    def inner(x):
        return tf.raw_ops.UniqueV2(x=x, axis=tf.constant([0], tf.int64)).y

    placement = Scaled(inner).save(tmp_path)
    assert [text.split(" ")[1] for text in placement.without_kernel] == ["(UniqueV2)"]


def test_branches_that_are_not_served_are_not_looked_at(tmp_path):
    scaled = Scaled(lambda x: tf.reduce_sum(x, axis=1))
    scaled.unused = tf.function(
        tf.unique_with_counts, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    assert scaled.save(tmp_path).without_kernel == ()


def test_export_that_cannot_run_on_a_gpu_is_refused(trained, tmp_path, score_here, monkeypatch):
    signature = exporting.ServingModel.signature

    def with_ragged_range(model):
        predictions = Ranker.predictions

        def spoiled(ranker, logits):
            outputs = predictions(ranker, logits)
            first = outputs["y_seconds"]
            ranged = tf.raw_ops.RaggedRange(starts=[0], limits=tf.shape(first)[:1], deltas=[1])
            return {**outputs, "y_seconds": first + 0.0 * tf.cast(ranged.rt_dense_values, tf.float32)}

        with monkeypatch.context() as patch:
            patch.setattr(Ranker, "predictions", spoiled)
            return signature(model)

    monkeypatch.setattr(exporting.ServingModel, "signature", with_ragged_range)
    with pytest.raises(UserError, match=r"no GPU kernel is registered for \S+ \(RaggedRange\)\. It was not published"):
        export(trained.pipeline(), trained.checkpoint, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nodes_are_counted_once_each_and_only_those_that_a_request_runs(tmp_path):
    """A graph by hand: x -> a -> out, with an inner function, a control input and a part that nobody asks for."""
    model = SavedModel()
    meta = model.meta_graphs.add()
    meta.signature_def[SIGNATURE].outputs["score"].name = "out:0"
    floats = {"T": types_pb2.DT_FLOAT}

    def add(target, name, op, *inputs, device=""):
        made = node(op, **floats)
        made.name, made.device = name, device
        made.input.extend(inputs)
        target.add().CopyFrom(made)

    nodes = meta.graph_def.node
    add(nodes, "x", "Placeholder")
    add(nodes, "a", "Relu", "x")
    add(nodes, "b", "Relu", "x", device="/device:CPU:0")
    add(nodes, "call", "PartitionedCall", "a:0", "a", "^b")
    add(nodes, "out", "Identity", "call:1", "a")
    add(nodes, "unused", "StringToHashBucketFast", "x")
    meta.graph_def.node[3].attr["f"].func.name = "inner"
    for name, other in (("inner", "deeper"), ("deeper", "inner"), ("uncalled", "")):
        function = meta.graph_def.library.function.add()
        function.signature.name = name
        add(function.node_def, f"{name}_u", "UniqueV2", "y")
        if other:
            add(function.node_def, "again", "StatefulPartitionedCall", "y")
            function.node_def[1].attr["f"].func.name = other
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    found = check_placement(tmp_path)
    assert (found.on_gpu, found.pinned) == (2, 1)
    assert sorted(found.without_kernel) == ["deeper_u (UniqueV2)", "inner_u (UniqueV2)"]
