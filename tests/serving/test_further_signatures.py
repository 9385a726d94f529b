"""One model with every kind of column behind all of its signatures: the same rows, the same scores."""

import json

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from easymtl.config import load_config
from easymtl.data.convert import default_scalar, fill_empty
from easymtl.data.fields import input_fields
from easymtl.features.columns import as_requested, tensor_of
from easymtl.features.encoder import Encoder
from easymtl.protos.example_pb2 import Example
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving.exported import missing_values
from easymtl.serving.saved_model import ServingModel
from easymtl.serving.signature_listing import list_signatures
from easymtl.serving.signatures import names_of, save
from easymtl.tasks.ranker import Ranker

pytestmark = pytest.mark.slow

RANDOM = "initializer { random_normal_initializer { mean: 0 stddev: 0.7 } }"
USER_FIELDS = ["user", "city", "level", "seen", "kinds", "seconds", "age"]
CONFIG = """
train_input_path: "none" model_dir: "{folder}/model"
train_config {{ num_steps: 1 optimizer_config {{ adam_optimizer {{ learning_rate {{ constant_learning_rate {{
  learning_rate: 0.01 }} }} }} }} }}
data_config {{
  input_type: ParquetInput batch_size: 8 label_fields: ["click", "watch"]
  input_fields {{ input_name: "click" input_type: INT32 }} input_fields {{ input_name: "watch" input_type: FLOAT }}
  input_fields {{ input_name: "user" }} input_fields {{ input_name: "city" default_val: "cairo" }}
  input_fields {{ input_name: "level" input_type: INT32 default_val: "3" }}
  input_fields {{ input_name: "seen" }} input_fields {{ input_name: "kinds" }} input_fields {{ input_name: "seconds" }}
  input_fields {{ input_name: "age" input_type: DOUBLE }}
  input_fields {{ input_name: "ids" }} input_fields {{ input_name: "price" input_type: FLOAT default_val: "1.5" }}
  input_fields {{ input_name: "tags" default_val: "x|y" }} input_fields {{ input_name: "weights" }}
  input_fields {{ input_name: "is_new" input_type: BOOL }}
}}
feature_config {{
  features {{ input_names: "user" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 {random} }}
  features {{ input_names: "city" feature_type: IdFeature vocab_file: "{folder}/cities.txt" embedding_dim: 4 {random} }}
  features {{ input_names: "level" feature_type: IdFeature num_buckets: 6 embedding_dim: 8 {random} }}
  features {{ input_names: "ids" feature_type: IdFeature hash_bucket_size: 30 embedding_dim: 4
             embedding_name: "item" {random} }}
  features {{ input_names: "is_new" feature_type: IdFeature hash_bucket_size: 5 embedding_dim: 4 {random} }}
  features {{ feature_name: "bag" input_names: ["tags", "weights"] feature_type: TagFeature combiner: "mean"
             hash_bucket_size: 20 embedding_dim: 8 {random} }}
  features {{ feature_name: "plain_bag" input_names: "tags" feature_type: TagFeature hash_bucket_size: 20
             embedding_dim: 4 {random} }}
  features {{ input_names: "price" feature_type: RawFeature boundaries: [1, 2, 5] embedding_dim: 4 {random} }}
  features {{ input_names: "age" feature_type: RawFeature min_val: 0 max_val: 100
             periodic_embedding {{ embedding_dim: 4 sigma: 0.5 }} }}
  features {{ feature_name: "cross" input_names: ["user", "ids"] feature_type: ComboFeature hash_bucket_size: 40
             embedding_dim: 4 {random} }}
  features {{ feature_name: "crosses" input_names: ["city", "tags"] combo_input_seps: ["", "|"] combiner: "mean"
             feature_type: ComboFeature hash_bucket_size: 40 embedding_dim: 8 {random} }}
  features {{ feature_name: "sum" input_names: ["level", "price"] feature_type: ExprFeature
             expression: "level + price" }}
  features {{ input_names: "seen" feature_type: SequenceFeature max_seq_len: 3 hash_bucket_size: 30 embedding_dim: 4
             embedding_name: "item" {random} }}
  features {{ input_names: "kinds" feature_type: SequenceFeature seq_multi_sep: ";" combiner: "mean" max_seq_len: 3
             hash_bucket_size: 20 embedding_dim: 8 {random} }}
  features {{ input_names: "seconds" feature_type: SequenceFeature sub_feature_type: RawFeature max_seq_len: 3 }}
}}
model_config {{
  feature_groups {{
    group_name: "all"
    feature_names: ["user", "city", "level", "ids", "is_new", "bag", "plain_bag", "price", "age", "cross", "crosses",
                    "sum"]
    sequence_features {{ group_name: "seq" allow_key_transform: true
      seq_att_map {{ key: "ids" hist_seq: ["seen", "kinds", "seconds"] }} seq_dnn {{ hidden_units: [4, 1] }} }}
  }}
  feature_groups {{ group_name: "again" feature_names: ["sum", "price", "user", "plain_bag"] }}
  dbmtl {{
    bottom_dnn {{ hidden_units: 8 }}
    task_towers {{ tower_name: "ctr" label_name: "click" dnn {{ hidden_units: 4 }} }}
    task_towers {{ tower_name: "watch" label_name: "watch" loss_type: L2_LOSS dnn {{ hidden_units: 4 }} }}
  }}
}}
export_config {{ exporter_type: "none" user_fields: [{users}] {further} }}
"""
NONE = None
ROWS = {
    "user": ["u1", NONE, "u2", "", "u3", "u1"],
    "city": ["delhi", "nowhere", NONE, "北京", "cairo", ""],
    "level": [1, NONE, 9, -1, 0, 5],
    "seen": ["a|b", NONE, "c||a|b|z", "", "a", "b|b"],
    "kinds": ["k;l|m", NONE, "|k|l;m;n|k", "", ";", "k|"],
    "seconds": ["1.5|2", NONE, "0|1||4|5", "", "nan", "3|-1"],
    "age": [20.0, NONE, 33.3, float("nan"), 99.0, 0.0],
    "ids": ["a", "b", NONE, "zz", "", "a"],
    "price": [0.5, NONE, 2.0, 9.0, float("nan"), 1.0],
    "tags": ["x|y|z", NONE, "", "z", "|x||y", "q|q"],
    "weights": ["1|0.5", NONE, "2", "", "3|-1|4", "0|0"],
    "is_new": [True, NONE, False, True, False, True],
}
NUM_ROWS = 6


class Served:
    """A model of random weights, saved, and what its checkpoint's path gives for rows."""

    def __init__(self, folder, users=USER_FIELDS, further=""):
        (folder / "cities.txt").write_text("delhi\n北京\ncairo\n", encoding="utf-8")
        users = ", ".join(f'"{name}"' for name in users)
        path = folder / "x.config"
        path.write_text(CONFIG.format(folder=folder, users=users, random=RANDOM, further=further), encoding="utf-8")
        self.pipeline = load_config(str(path)).pipeline
        self.ranker = Ranker(self.pipeline)
        self.fields = input_fields(self.pipeline.data_config)
        self.model = ServingModel(self.pipeline, self.ranker)
        self.folder = folder / "saved"
        self.signatures = self.model.signatures()
        save(self.model, self.folder, self.signatures)
        self.loaded = tf.saved_model.load(str(self.folder))

    def expected(self, rows):
        """The scores of rows, null and all, as evaluation computes them."""
        arrays = []
        for name in self.ranker.feature_set.fields:
            column = pa.array(rows[name], self.fields[name].type)
            arrays.append(fill_empty(column, default_scalar(self.fields[name])))
        batch = pa.RecordBatch.from_arrays(arrays, names=self.ranker.feature_set.fields)
        scores, _ = RankerScorer(self.ranker, tf.float32).score(Encoder(self.ranker.feature_set)(batch))
        return scores

    def sent(self, rows):
        """What a client sends of them."""
        arrays = {name: pa.array(rows[name], self.fields[name].type) for name in self.ranker.feature_set.fields}
        sent = {name: as_requested(one, default_scalar(self.fields[name])) for name, one in arrays.items()}
        return {name: tensor_of(column) for name, column in sent.items()}

    def ask(self, signature, inputs):
        function = self.loaded.signatures[signature]
        keywords = names_of(function)
        assert set(keywords) == set(inputs)
        return {name: one.numpy() for name, one in function(**{keywords[k]: v for k, v in inputs.items()}).items()}

    def packed(self, rows):
        return {name: tf.constant(value) for name, value in self.ask("encode", self.sent(rows)).items()}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    return Served(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def expected(served):
    found = served.expected(ROWS)
    assert all(np.ptp(values) > 1e-3 for values in found.values()), "rows differ"
    return found


def assert_scores(found, expected, rows=slice(None)):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values[rows], rtol=1e-5, atol=1e-5, err_msg=name)


def taken(rows, places):
    return {name: [values[place] for place in places] for name, values in rows.items()}


def test_raw_columns_and_packed_tensors_give_the_scores_of_the_checkpoint(served, expected):
    assert_scores(served.ask("serving_default", served.sent(ROWS)), expected)
    packed = served.packed(ROWS)
    assert {name: (one.dtype.name, one.shape.as_list()) for name, one in packed.items()} == {
        "ids": ("int64", [6, 7]),
        "bag_ids": ("int64", [6, 3, 3]),
        "bag_weights": ("float32", [6, 3, 3]),
        "dense": ("float32", [6, 2]),
        "history_0_ids": ("int64", [6, 3, 1]),
        "history_0_item_ids": ("int64", [6, 3, 3, 1]),
        "history_0_item_weights": ("float32", [6, 3, 3, 1]),
        "history_0_values": ("float32", [6, 3, 1]),
        "history_0_lengths": ("int64", [6]),
    }
    assert packed["history_0_lengths"].numpy().tolist() == [2, 1, 3, 1, 1, 2]
    assert (packed["history_0_item_ids"].numpy()[[1, 3, 4]] == -1).all(), "steps without items"
    found = packed["bag_ids"].numpy()[5, 1:] >= 0
    assert found.tolist() == [[True, True, False]] * 2, "two tags; those that weigh nothing have no mean"
    assert_scores(served.ask("encoded", packed), expected)


def test_each_place_of_a_packed_request_counts(served, expected):
    packed = served.packed(ROWS)
    for name, tensor in packed.items():
        moved = {**packed, name: tf.roll(tensor, 1, axis=0)}
        found = served.ask("encoded", moved)
        assert np.abs(found["logits_ctr"] - expected["logits_ctr"]).max() > 1e-4, name


def test_padding_and_rows_of_no_table_are_the_zero_vector(served, expected):
    packed = served.packed(ROWS)
    wider = {}
    for name, one in packed.items():
        ends = [[0, 2 * (size is None)] for size in served.signatures["encoded"].inputs[name].shape[1:]]
        padding = -1 if one.dtype == tf.int64 else 0.0
        wider[name] = tf.pad(one, [[0, 0], *ends], constant_values=padding)
    spoiled = tf.where(tf.equal(wider["bag_ids"], -1), float("nan"), wider["bag_weights"])
    assert_scores(served.ask("encoded", {**wider, "bag_weights": spoiled}), expected)
    tables = {slot.feature: slot.table.rows for slot in served.ranker.feature_set.slots if slot.table}
    ids = served.ranker.feature_set.packing.tensors["ids"].slots
    rows = np.array([tables[slot.feature] for slot in ids])
    none = served.ask("encoded", {**packed, "ids": tf.fill(packed["ids"].shape, tf.constant(-1, tf.int64))})
    for outside in (rows, rows + 1, rows * 0 - 2, rows * 0 + 2**62, rows * 0 + np.iinfo(np.int64).min):
        spoiled = tf.constant(np.tile(outside, (NUM_ROWS, 1)), tf.int64)
        assert_scores(served.ask("encoded", {**packed, "ids": spoiled}), none)
    last = served.ask("encoded", {**packed, "ids": tf.constant(np.tile(rows - 1, (NUM_ROWS, 1)), tf.int64)})
    assert np.abs(last["logits_ctr"] - none["logits_ctr"]).max() > 1e-3


@pytest.mark.parametrize("length", [-5, 99])
def test_lengths_are_kept_between_none_and_the_steps_that_there_are(served, length):
    packed = served.packed(ROWS)
    bounded = {**packed, "history_0_lengths": tf.fill([NUM_ROWS], tf.constant(0 if length < 0 else 3, tf.int64))}
    spoiled = {**packed, "history_0_lengths": tf.fill([NUM_ROWS], tf.constant(length, tf.int64))}
    assert_scores(served.ask("encoded", spoiled), served.ask("encoded", bounded))


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("ids", lambda one: one[:, 1:], r"ids \[6, 6\] of \[rows, 7\]"),
        ("ids", lambda one: one[:2], r"ids \[2, 7\] of \[rows, 7\]; .*dense \[6, 2\] of \[rows, 2\]"),
        ("dense", lambda one: one[0], r"dense \[2\] of \[rows, 2\]"),
        ("bag_weights", lambda one: one[:, :, 1:], r"bag_weights \[6, 3, 2\] of \[rows, 3, values of bag\]"),
        (
            "history_0_values",
            lambda one: one[:, 1:],
            r"history_0_values \[6, 2, 1\] of \[rows, steps of history_0, 1\]",
        ),
        ("history_0_lengths", lambda one: one[1:], r"history_0_lengths \[5\] of \[rows\]"),
    ],
)
def test_packed_tensors_that_do_not_fit_are_refused_by_name(served, name, change, says):
    packed = served.packed(ROWS)
    with pytest.raises(tf.errors.InvalidArgumentError, match=says):
        served.ask("encoded", {**packed, name: change(packed[name])})


def serialized(rows, as_lists=()):
    kinds = {str: "bytes_list", int: "int64_list", bool: "int64_list", float: "float_list"}
    result = []
    for row in range(len(next(iter(rows.values())))):
        example = Example()
        for name, values in rows.items():
            value = values[row]
            if value is not None:
                many = value.split("|") if name in as_lists else [value]
                target = getattr(example.features.feature[name], kinds[type(value)]).value
                target.extend([one.encode() if isinstance(one, str) else one for one in many])
        result.append(example.SerializeToString())
    return {"examples": tf.constant(result)}


@pytest.mark.parametrize("as_lists", [(), ("tags", "weights", "seen")])
def test_examples_give_the_same_scores(served, as_lists):
    rows = {**ROWS, "weights": ["1|0.5", NONE, "2", "", "3|-1", "0|0"], "tags": ["x|y|z", NONE, "", "z", "x|y", "q|q"]}
    rows["age"] = [20.0, NONE, 33.25, float("nan"), 99.0, 0.0]
    assert_scores(served.ask("tf_example", serialized(rows, as_lists)), served.expected(rows))


def test_examples_that_cannot_be_read_are_refused_by_name(served):
    example = Example()
    example.features.feature["city"].bytes_list.value.extend([b"delhi", b"cairo"])
    two = {"examples": tf.constant([b"", example.SerializeToString()])}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"row 1 \(the first is 0\) has 2 values of city"):
        served.ask("tf_example", two)
    example = Example()
    example.features.feature["level"].int64_list.value.append(2**40)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"a number of level is not from .*: 1099511627776"):
        served.ask("tf_example", {"examples": tf.constant([example.SerializeToString()])})


@pytest.mark.parametrize("user", [0, 1, 2])
def test_a_user_who_is_sent_once_has_the_scores_of_the_user_repeated(served, user):
    whole = {name: [values[user]] * NUM_ROWS if name in USER_FIELDS else values for name, values in ROWS.items()}
    sent = {name: one[:1] if name in USER_FIELDS else one for name, one in served.sent(whole).items()}
    assert_scores(served.ask("user_once", sent), served.expected(whole))


def test_two_users_at_once_are_refused_by_name(served):
    sent = {name: one[:1] if name in USER_FIELDS else one for name, one in served.sent(ROWS).items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"do not have the 1 row of the user.*: city 2, user 1"):
        served.ask("user_once", {**sent, "city": tf.constant(["delhi", "cairo"])})
    with pytest.raises(tf.errors.InvalidArgumentError, match="different numbers of rows: tags 5, "):
        served.ask("user_once", {**sent, "tags": sent["tags"][1:]})


def test_no_rows_have_no_scores(served):
    rows = {name: [] for name in ROWS}
    packed = served.packed(rows)
    one = {name: one[:1] for name, one in served.sent(ROWS).items()}
    answers = [
        served.ask("serving_default", served.sent(rows)),
        served.ask("encoded", packed),
        served.ask("tf_example", {"examples": tf.constant([], tf.string)}),
        served.ask("user_once", {**served.sent(rows), **{name: one[name] for name in USER_FIELDS}}),
    ]
    assert all(value.shape == (0,) for answer in answers for value in answer.values())


def test_the_graph_answers_under_the_names_that_are_listed(served, expected):
    """What a client in C does, who knows the file alone."""
    packing, form = served.ranker.feature_set.packing, served.model.form
    missing = missing_values(served.pipeline, list(form.fields))
    listed = json.loads(json.dumps(list_signatures(served.folder, packing, form, missing, {}), ensure_ascii=False))
    assert set(listed) == {"serving_default", "encode", "encoded", "tf_example", "user_once"}
    columns = {name: one.numpy() for name, one in served.sent(ROWS).items()}
    examples = {"examples": serialized(ROWS)["examples"].numpy()}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, ["serve"], str(served.folder))

        def ask(signature, inputs):
            said = listed[signature]
            feed = {said["inputs"][name]["tensor"]: value for name, value in inputs.items()}
            return session.run({name: one["tensor"] for name, one in said["outputs"].items()}, feed)

        packed = ask("encode", columns)
        assert_scores(ask("encoded", packed), expected)
        assert_scores(ask("tf_example", examples), expected)
        once = {name: one[:1] if name in USER_FIELDS else one for name, one in columns.items()}
        assert set(ask("user_once", once)) == set(expected)
    ids = listed["encoded"]["inputs"]["ids"]
    assert (ids["dtype"], ids["shape"], ids["axes"], ids["padding"]) == ("int64", [None, 7], ["rows", "features"], -1)
    places = {one["feature"]: (one["first"], one["rows"]) for one in ids["features"]}
    assert places["city"] == (1, [0, 2]) and places["level"][1] == [0, 5]
    city, level = places["city"][0], places["level"][0]
    assert packed["ids"][:, city].tolist() == [0, 0, 2, 1, 2, 2], "unknown is row 0, missing the default"
    assert packed["ids"][:, level].tolist() == [1, 3, 0, -1, 0, 5]
    assert listed["serving_default"]["inputs"]["level"]["missing"] == 3
    assert listed["user_once"]["inputs"]["city"]["shape"] == [1]


@pytest.mark.parametrize("signature", ["serving_default", "encoded"])
def test_the_number_of_an_input_of_another_type_is_listed(served, signature):
    packing, form = served.ranker.feature_set.packing, served.model.form
    missing = missing_values(served.pipeline, list(form.fields))
    listed = list_signatures(served.folder, packing, form, missing, {})[signature]["inputs"]
    assert sorted(one["place"] for one in listed.values()) == list(range(len(listed)))
    function = served.loaded.signatures[signature]
    called = names_of(function)
    specs = function.structured_input_signature[1].values()
    right = {spec.name: tf.zeros([2] * spec.shape.rank, spec.dtype) for spec in specs}
    for name, one in listed.items():
        sent = {called[other]: value for other, value in right.items() if other != name}
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"input #{one['place']}\(zero-based\)"):
            function(**sent, **{called[name]: tf.zeros(right[name].shape, tf.complex64)})


def test_a_fixed_number_of_rows_holds_for_all_and_lists_are_lists(tmp_path):
    further = 'batch_size: 2 multi_value_fields { input_name: ["tags", "weights"] }'
    served = Served(tmp_path, users=["user"], further=further)
    shapes = {name: {k: v.shape.as_list() for k, v in one.inputs.items()} for name, one in served.signatures.items()}
    assert shapes["encoded"]["ids"] == [2, 7] and shapes["tf_example"] == {"examples": [2]}
    assert shapes["user_once"]["user"] == [1] and shapes["user_once"]["tags"] == [2, None]
    rows = taken(ROWS, [0, 5])
    lists = {"tags": [["x", "y", "z"], ["q", "q", ""]], "weights": [[1, 0.5, np.nan], [0, 0, np.nan]]}
    sent = served.sent(rows) | {
        "tags": tf.constant(lists["tags"]),
        "weights": tf.constant(lists["weights"], tf.float32),
    }
    expected = served.expected(rows)
    assert_scores(served.ask("serving_default", sent), expected)
    packed = {name: tf.constant(one) for name, one in served.ask("encode", sent).items()}
    assert_scores(served.ask("encoded", packed), expected)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"ids \[1, 7\] of \[2, 7\]"):
        served.ask("encoded", {name: one[:1] for name, one in packed.items()})
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"do not have 2 rows, for which .*: examples 1"):
        served.ask("tf_example", {"examples": tf.constant([b""])})
    examples = []
    for row in range(2):
        example = Example.FromString(serialized(taken(rows, [row]), ["tags"])["examples"][0].numpy())
        example.features.feature["weights"].float_list.value.extend(lists["weights"][row][:2])
        examples.append(example.SerializeToString())
    assert_scores(served.ask("tf_example", {"examples": tf.constant(examples)}), expected)


def test_lines_have_no_user_and_one_form_for_the_rest(tmp_path):
    served = Served(tmp_path, users=[], further="multi_placeholder: false")
    assert set(served.signatures) == {"serving_default", "encode", "encoded", "tf_example"}
    assert set(served.signatures["encode"].inputs) == {"features"}
