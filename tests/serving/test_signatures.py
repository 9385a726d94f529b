"""Signatures under the names that files hold, as servers and as Python read them."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.function.polymorphism.function_type import sanitize_arg_name

from easymtl.serving import signatures
from easymtl.serving.signatures import SIGNATURE, Signature, keywords, names_of, save

NAMES = [
    "UserId", "uid", "UID", "Uid", "user id", "user_id", "用户", "用户 id", "1st", "_x", "__", "x" * 3000, "I1", "a²",
    "item.id", "item/id", "item_id", "item-id", "self", "class", "None", "args", "kwargs", "name", "probs_ctr",
    "serving_default", "NoOp", "saver_filename", "input_00", "input_0", "a:0", "^b", "it's", 'a"b', "a\nb", "a\0b",
    " a", "a ", " ", "-", "🙂", "🙃", "é", "e\u0301", "ß", "İ", "StatefulPartitionedCall", "%s", "{x}", "\\",
]  # fmt: skip


def numbered(names):
    """Gives each column, plus its place, under a name of its own."""

    def serve(columns):
        return {f"probs_{place}": columns[name] + float(place) for place, name in enumerate(names)}

    return Signature(serve, {name: tf.TensorSpec([None], tf.float32) for name in names})


def request(names):
    return {name: np.array([100.0 * place], np.float32) for place, name in enumerate(names)}


def assert_numbered(names, scores):
    assert {name: float(value[0]) for name, value in scores.items()} == {
        f"probs_{place}": 101.0 * place for place in range(len(names))
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save(tf.Module(), folder, {SIGNATURE: numbered(NAMES), "again": numbered(NAMES[:20])})
    return folder


def test_the_key_of_an_input_is_its_name_and_nothing_else(saved):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        found = tf.compat.v1.saved_model.load(session, ["serve"], str(saved)).signature_def
        for key, names in ((SIGNATURE, NAMES), ("again", NAMES[:20])):
            assert set(found[key].inputs) == set(names)
            outputs = {name: info.name for name, info in found[key].outputs.items()}
            feed = {found[key].inputs[name].name: value for name, value in request(names).items()}
            assert_numbered(names, session.run(outputs, feed))


def test_a_process_without_easymtl_calls_it_by_the_names_of_the_specs(saved, tmp_path):
    program = """
import json, sys, tensorflow as tf
folder, names, target = sys.argv[1:]
names = json.load(open(names))
model = tf.saved_model.load(folder)
serve = model.signatures["serving_default"]
keywords = {spec.name: keyword for keyword, spec in serve.structured_input_signature[1].items()}
assert set(keywords) == set(names) and "easymtl" not in sys.modules
scores = serve(**{keywords[name]: tf.constant([100.0 * place]) for place, name in enumerate(names)})
json.dump({name: value.numpy().tolist() for name, value in scores.items()}, open(target, "w"))
"""
    (tmp_path / "names.json").write_text(json.dumps(NAMES))
    command = [sys.executable, "-I", "-c", program, saved, tmp_path / "names.json", tmp_path / "scores.json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert_numbered(NAMES, json.loads((tmp_path / "scores.json").read_text()))


def test_a_loaded_function_takes_the_names_themselves_where_python_can_say_them(tmp_path):
    names = ["UserId", "user id", "用户", "class", "from", "uid", "UID", "1st", "_x", "a²", "item.id", "-"]
    assert keywords(names) == {name: name for name in names}
    save(tf.Module(), tmp_path, {SIGNATURE: numbered(names)})
    model = tf.saved_model.load(str(tmp_path))
    tensors = {name: tf.constant(value) for name, value in request(names).items()}
    assert_numbered(names, model.signatures[SIGNATURE](**tensors))
    with pytest.raises(TypeError, match="用户"):
        model.signatures[SIGNATURE](**{name: value for name, value in tensors.items() if name != "用户"})


def test_names_that_python_cannot_tell_apart_or_say_get_a_number(saved):
    model = tf.saved_model.load(str(saved))
    called = keywords(NAMES)
    assert called["self"] == "self_2"
    assert called["item_id"] == "item_id", "what needs no change keeps its name"
    assert {called["item-id"], called["item.id"], called["item/id"]} == {"item_id_2", "item_id_3", "item_id_4"}
    assert len(set(called.values())) == len(NAMES)
    tensors = {called[name]: tf.constant(value) for name, value in request(NAMES).items()}
    assert_numbered(NAMES, model.signatures[SIGNATURE](**tensors))
    by_spec = names_of(model.signatures[SIGNATURE])
    assert {name for name in NAMES if by_spec[name] != called[name]}.isdisjoint({"self", "item.id", "item/id", "uid"})


def test_a_single_input_may_come_without_its_name(tmp_path):
    save(tf.Module(), tmp_path, {SIGNATURE: numbered(["user id"])})
    model = tf.saved_model.load(str(tmp_path))
    assert_numbered(["user id"], model.signatures[SIGNATURE](tf.constant([0.0])))


def test_the_fingerprint_is_that_of_the_renamed_model(saved):
    before = tf.saved_model.experimental.read_fingerprint(str(saved))
    signatures.fingerprinting_utils.write_fingerprint(str(saved))
    assert tf.saved_model.experimental.read_fingerprint(str(saved)) == before


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=8))
def test_what_tensorflow_makes_of_a_name_is_known(name):
    assert signatures._sanitized(name) == sanitize_arg_name(name)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("aA_1 .²é用", min_size=1, max_size=4), unique=True, max_size=30))
def test_parameters_are_identifiers_and_none_stands_for_two_names(names):
    parameters = signatures._parameters(names)
    assert set(parameters) == set(names)
    assert len(set(parameters.values())) == len(names)
    assert all(parameter.isidentifier() for parameter in parameters.values())
    # TensorFlow changes them no more.
    assert all(sanitize_arg_name(parameter) == parameter for parameter in parameters.values())
