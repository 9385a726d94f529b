"""Operations that ONNX has not, in onnxruntime: the numbers of TensorFlow, and NaN and infinity where it has them."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.serving.formats.lifting import lift

pytest.importorskip("tf2onnx")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

X = np.array([0, -0.0, 1e-30, 1e-9, -1e-9, 1e-4, -1e-4, 0.3, -0.5, 0.5, 1, -1, -0.999999, 3, 60, 88, -88, 1e30,
              np.inf, -np.inf, np.nan, -2], np.float32)  # fmt: skip
FUNCTIONS = {
    "expm1": lambda x, table: tf.math.expm1(x),
    "log1p": lambda x, table: tf.math.log1p(x),
    "erfc": lambda x, table: tf.math.erfc(x),
    "chosen": lambda x, table: tf.where(tf.math.is_finite(x), x, 7.0),
    "chosen_bool": lambda x, table: tf.where(x > 0, x > 1, x < -1),
    "gathered": lambda x, table: tf.gather(table, tf.cast(tf.where(tf.abs(x) < 2, tf.abs(x), 0), tf.int64)),
    "read": lambda x, table: x[:, tf.newaxis] * table[1],
    "shaped": lambda x, table: tf.reshape(x, [tf.shape(x)[0], 1]),
}


@pytest.fixture(scope="module")
def asked():
    """Returns what both make of some numbers."""
    from easymtl.serving.formats.conversion import convert

    table = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    specs = {"x": tf.TensorSpec([None], tf.float32)}
    lifted = lift(lambda given: {name: f(given["x"], table) for name, f in FUNCTIONS.items()}, specs)
    (name,) = lifted.variables
    session = onnxruntime.InferenceSession(convert(lifted).SerializeToString())

    def ask(x):
        found = session.run([*FUNCTIONS], {"x": x, name: table.numpy()})
        return dict(zip(FUNCTIONS, found)), {one: f(tf.constant(x), table).numpy() for one, f in FUNCTIONS.items()}

    return ask


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_are_those_of_tensorflow(asked, name):
    found, wanted = asked(X)
    assert found[name].dtype == wanted[name].dtype
    absolute = 1e-6 if name == "erfc" else 0
    np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6, atol=absolute)


def test_no_rows_are_no_rows(asked):
    found, wanted = asked(X[:0])
    assert {name: value.shape for name, value in found.items()} == {n: v.shape for n, v in wanted.items()}


EQUATIONS = {
    "bi,pir->pbr": ([None, 4], [3, 4, 2]),
    "bp,pbi->bi": ([None, 3], [3, None, 4]),
    "btw,wns->bnts": ([None, None, 4], [4, 2, 3]),
    "bnts,nsw->btw": ([None, 2, None, 3], [2, 3, 4]),
    "fij,bfj->bfi": ([2, 3, 4], [None, 2, 4]),
    "bfk,fkd->bfd": ([None, 2, 3], [2, 3, 4]),
    "ij,jk->ik": ([None, 3], [3, 4]),
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_products_by_equation(equation):
    from easymtl.serving.formats.conversion import convert

    shapes = EQUATIONS[equation]
    specs = {name: tf.TensorSpec(shape, tf.float32) for name, shape in zip("xy", shapes)}
    model = convert(lift(lambda given: {"z": tf.einsum(equation, given["x"], given["y"])}, specs))
    assert "Einsum" not in {node.op_type for node in model.graph.node}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    random = np.random.default_rng(0)
    for size in (5, 1, 0):
        given = [random.random([size if one is None else one for one in shape]).astype(np.float32) for shape in shapes]
        (found,) = session.run(["z"], dict(zip("xy", given)))
        np.testing.assert_allclose(found, np.einsum(equation, *given), rtol=1e-5)


def test_an_equation_that_is_no_product_is_named():
    from easymtl.serving.formats.conversion import convert

    specs = {name: tf.TensorSpec([None, 3], tf.float32) for name in "xy"}
    with pytest.raises(NotImplementedError, match=r"no form in ONNX for Einsum bi,bj->b "):
        convert(lift(lambda given: {"z": tf.einsum("bi,bj->b", given["x"], given["y"])}, specs))


@pytest.mark.slow
def test_outputs_are_called_as_they_are_whatever_is_in_the_name(tmp_path):
    from easymtl.serving.formats.conversion import convert
    from easymtl.serving.formats.onnx_file import FILE, write_onnx
    from easymtl.serving.formats.onnx_network import OnnxNetwork
    from easymtl.serving.formats.openvino_network import OpenVinoNetwork, write_openvino

    pytest.importorskip("openvino")
    names = ['p "ctr\\', "probs_类", "a/b:0", "a b", "add", "x:0", "../z", "é"]
    specs = {"x": tf.TensorSpec([None], tf.float32)}
    lifted = lift(lambda given: {name: given["x"] + place for place, name in enumerate(names)}, specs)
    write_onnx(convert(lifted), {}, {name: ["rows"] for name in ("x", *names)}, tmp_path, iter)
    write_openvino(tmp_path / FILE, tmp_path)
    for network in (OnnxNetwork(tmp_path / FILE), OpenVinoNetwork(tmp_path / "model.xml")):
        found = network.ask({"x": np.float32([1, 2])})
        assert {name: value.tolist() for name, value in found.items()} == {
            name: [1.0 + place, 2.0 + place] for place, name in enumerate(names)
        }


def test_an_operation_without_a_form_is_named():
    from easymtl.serving.formats.conversion import convert

    specs = {"x": tf.TensorSpec([None], tf.float32)}
    lifted = lift(lambda given: {"y": tf.math.betainc(given["x"], given["x"], given["x"])}, specs)
    with pytest.raises(NotImplementedError, match=r"no form in ONNX for Betainc \(Betainc\)"):
        convert(lifted)
