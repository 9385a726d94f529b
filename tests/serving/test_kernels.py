import pytest
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.node_def_pb2 import NodeDef

from easymtl.serving.kernels import has_gpu_kernel, memory_of, size_is_data

INT32, INT64, FLOAT = types_pb2.DT_INT32, types_pb2.DT_INT64, types_pb2.DT_FLOAT


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


@pytest.mark.parametrize(
    "op, types, inputs, outputs",
    [
        ("Shape", {"T": FLOAT, "out_type": INT32}, [False], [True]),
        ("Reshape", {"T": FLOAT, "Tshape": INT32}, [False, True], [False]),
        ("AddV2", {"T": INT32}, [True, True], [True]),
        ("AddV2", {"T": INT64}, [False, False], [False]),
        ("GatherV2", {"Tparams": FLOAT, "Tindices": INT32, "Taxis": INT32}, [False, False, True], [False]),
        ("ResourceGather", {"dtype": FLOAT, "Tindices": INT64}, [True, False], [False]),
        # Both the GPU and DEFAULT have one of int32: a GPU takes its own, on the device.
        ("Unique", {"T": INT32, "out_idx": INT32}, [False], [False, False]),
    ],
)
def test_memory_of_inputs_and_outputs(op, types, inputs, outputs):
    assert memory_of(node(op, **types)) == (inputs, outputs)


def test_one_argument_of_several_tensors_is_as_many_inputs():
    packed = node("ConcatV2", T=INT32, Tidx=INT32)
    packed.attr["N"].i = 3
    assert memory_of(packed) == ([True] * 4, [True])
    call = node("PartitionedCall")
    call.attr["Tin"].list.type.extend([FLOAT, INT32])
    call.attr["Tout"].list.type.extend([types_pb2.DT_STRING])
    call.attr["f"].func.name = "inner"
    assert memory_of(call) == ([False, True], [True])


def test_ops_that_only_a_cpu_has_are_what_they_are_made_of():
    product = node("_MklMatMul", T=FLOAT)
    product.input.extend(["a", "b"])
    assert has_gpu_kernel(product)
    assert memory_of(product).inputs == [False, False]
    both = node("_UnaryOpsComposition", T=FLOAT)
    both.attr["op_names"].list.s.extend([b"Relu", b"Sigmoid"])
    assert has_gpu_kernel(both)
    both.attr["op_names"].list.s.append(b"StringLower")
    assert not has_gpu_kernel(both)


def test_ops_whose_size_is_data():
    assert size_is_data(node("Unique", T=INT32))
    assert not size_is_data(node("AddV2", T=INT64))
