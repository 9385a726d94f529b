import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.config import load_config
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.one_copy import looked_up_on_cpu
from easymtl.serving.placement import placement_of
from easymtl.serving.saved_model import ServingModel, tables_on_cpu
from easymtl.serving.signatures import SIGNATURE, save
from easymtl.tasks.ranker import Ranker
from tests.serving.conftest import CITIES, CONFIG, make_rows

ONE_WIDTH = "feature_config.features[3].embedding_dim=4"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Saves a model of one width that was not trained; returns its placement and how it scores."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "cities.txt").write_text("\n".join(CITIES) + "\n", encoding="utf-8")
    path = folder / "small.config"
    path.write_text(CONFIG.format(folder=folder), encoding="utf-8")

    def saved(number, *overrides):
        pipeline = load_config(str(path), [ONE_WIDTH, *overrides]).pipeline
        model = ServingModel(pipeline, Ranker(pipeline))
        where = folder / str(number)
        save(model, where, {SIGNATURE: model.signatures()[SIGNATURE]})
        loaded = tf.saved_model.load(str(where))
        rows = make_rows(50)
        request = {}
        for name, spec in model.form.specs().items():
            missing = b"" if spec.dtype == tf.string else 0
            request[name] = tf.constant([missing if one is None else one for one in rows[name].to_pylist()], spec.dtype)
        scores = loaded.signatures[SIGNATURE](**request)
        return placement_of(where, SIGNATURE), {name: value.numpy() for name, value in scores.items()}

    return saved


@pytest.mark.slow
def test_vectors_of_a_width_go_up_as_one_and_score_the_same(place):
    found, scores = place(0, "export_config.embedding_on_cpu=true")
    _, plain = place(1)
    # Ids and bags have one width; the numbers of rows are the other tensor.
    assert len(found.up) == 2
    assert [name for name in found.up if "Gather" in name] == []
    assert (len(found.down), found.between, found.on_host) == (1, (), ())
    assert scores.keys() == plain.keys()
    for name, value in scores.items():
        np.testing.assert_array_equal(value, plain[name], err_msg=name)


@pytest.mark.parametrize(
    "text, is_on_cpu",
    [
        ("", False),
        ("feature_config { embedding_on_cpu: true }", True),
        ("export_config { embedding_on_cpu: true }", True),
        ("feature_config { embedding_on_cpu: true } export_config { embedding_on_cpu: false }", False),
    ],
)
def test_the_word_of_easyrec_counts_where_the_export_says_nothing(text, is_on_cpu):
    assert tables_on_cpu(text_format.Parse(text, Pipeline())) == is_on_cpu


@pytest.mark.parametrize("longest", [None, 3])
def test_what_is_taken_apart_is_what_was_looked_up(longest):
    made = {
        "id_4": np.arange(16.0).reshape(2, 2, 4),
        "steps": np.arange(24.0).reshape(2, 3, 4) + 100,
        "bag_8": np.ones([2, 1, 8]),
        "dense": np.arange(6.0).reshape(2, 3),
        "lengths": np.array([1, 3]),
    }
    kinds = {name: tf.int32 if name == "lengths" else tf.float32 for name in made}
    sizes = {"steps": [None, longest, 4]}
    specs = {name: tf.TensorSpec(sizes.get(name, [None, *made[name].shape[1:]]), kinds[name]) for name in made}
    function = tf.function(lambda vectors: looked_up_on_cpu(lambda: vectors), input_signature=[specs])
    result = function({name: tf.constant(value, kinds[name]) for name, value in made.items()})
    assert result.keys() == made.keys()
    for name, value in made.items():
        np.testing.assert_array_equal(result[name].numpy(), value)
    nodes = function.get_concrete_function().graph.get_operations()
    # One pair of one width, taken apart where no device is said.
    assert [node.device for node in nodes if node.type == "ConcatV2"] == ["/device:CPU:0"]
    assert [node.device for node in nodes if node.type == "SplitV"] == [""]
