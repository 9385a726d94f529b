"""Histories: steps, items and numbers by the rules of the dialect, in training and in the exported graph alike."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.data.bad_values import BadValues, usable_rows
from easymtl.errors import UserError
from easymtl.features.embeddings import Embeddings
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from easymtl.features.kinds import StepColumns
from easymtl.features.tally import Tally
from easymtl.layers.context import Build
from easymtl.models.input_layer import InputLayer, steps_of
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from tests.features.feature_cases import as_trained, make_batch, make_pipeline, serving_tensors

ROWS = 97


def fingerprint(text: str) -> int:
    return int(tf.strings.to_hash_bucket_fast([text], ROWS)[0])


class History:
    """One history over some texts: its steps as they are packed, in training and in the graph."""

    def __init__(self, texts: list, body: str):
        self.pipeline = make_pipeline({"h": "STRING"}, [f'input_names: "h" feature_type: SequenceFeature {body}'])
        self.features = FeatureSet(self.pipeline)
        batch = make_batch(self.pipeline, {"h": texts})
        self.rows = Encoder(self.features)(batch)
        self.trained = to_tensors(self.rows)
        served = as_trained(self.features, self.features.packed(serving_tensors(self.features, batch)))
        assert set(served) == set(self.trained)
        for name, array in self.trained.items():
            np.testing.assert_array_equal(served[name], array, name)
            assert served[name].dtype == array.dtype, name

    @property
    def lengths(self) -> list[int]:
        return self.trained["step_lengths_0"].tolist()

    def by_row(self, values) -> list[list]:
        ends = np.cumsum(self.lengths)
        return [part.tolist() for part in np.split(np.asarray(values), ends[:-1])]

    @property
    def ids(self) -> list[list[int]]:
        return self.by_row(self.trained["step_ids_0"])

    @property
    def bags(self) -> list[list[list[tuple[int, float]]]]:
        """Returns the (row, weight) pairs of each step of each row."""
        ids, steps = self.trained["item_ids_0"], self.trained["item_steps_0"]
        weights = self.trained.get("item_weights_0", np.ones(len(ids), np.float32))
        num_steps = sum(self.lengths)
        bags = [[(int(i), float(w)) for i, w, s in zip(ids, weights, steps) if s == step] for step in range(num_steps)]
        starts = np.cumsum([0, *self.lengths])
        return [bags[start:end] for start, end in itertools.pairwise(starts)]


ID = f"embedding_dim: 4 hash_bucket_size: {ROWS}"
NUMBER = "sub_feature_type: RawFeature"


def test_each_piece_is_a_step_the_empty_one_too():
    history = History(["a|b|a", "", None, "x||y"], ID)
    assert history.lengths == [3, 1, 1, 3]
    a, b, x, y, none = map(fingerprint, ["a", "b", "x", "y", ""])
    assert history.ids == [[a, b, a], [none], [none], [x, none, y]]


def test_several_separators_split_alike():
    assert History(["a|b;c"], f'{ID} separator: "|;"').ids == [[fingerprint(one) for one in "abc"]]


def test_unknown_items_take_row_0():
    assert History(["b|z|a", ""], 'embedding_dim: 4 vocab_list: ["a", "b"]').ids == [[1, 0, 0], [0]]


def test_numbers_out_of_range_take_row_0_and_an_empty_text_is_the_zero_vector():
    assert History(["3|20|-1|7", "", "1||2"], "embedding_dim: 4 num_buckets: 10").ids == [
        [3, 0, 0, 7],
        [-1],
        [1, -1, 2],
    ]


def test_max_seq_len_keeps_the_first_steps():
    assert History(["a|b|c|d", "a"], f"{ID} max_seq_len: 2").ids == [
        [fingerprint("a"), fingerprint("b")],
        [fingerprint("a")],
    ]


@pytest.mark.parametrize(("combiner", "weight"), [("sum", 1.0), ("mean", 0.5), ("sqrtn", 0.5**0.5)])
def test_items_of_a_step_are_combined_and_trailing_empty_steps_are_none(combiner, weight):
    history = History(["a;b||c;;c|", "", ";|;", "|a"], f'{ID} seq_multi_sep: ";" combiner: "{combiner}"')
    a, b, c = map(fingerprint, "abc")
    assert history.lengths == [3, 0, 0, 2]
    both = [[(a, pytest.approx(weight)), (b, pytest.approx(weight))], [], [(c, pytest.approx(weight))] * 2]
    assert history.bags == [both, [], [], [[], [(a, 1.0)]]]


def test_boundaries_count_how_many_a_number_has_reached():
    body = f"{NUMBER} embedding_dim: 4 boundaries: [0, 1.5, 3] min_val: 0 max_val: 10"
    assert History(["-1|0|1.5|2.9|3|99", "", "1||2"], body).ids == [[0, 1, 2, 2, 3, 3], [-1], [1, -1, 2]]


def test_buckets_are_equal_shares_of_the_range():
    body = f"{NUMBER} embedding_dim: 4 num_buckets: 4 min_val: 10 max_val: 20"
    assert History(["9|10|12.4|12.5|19.9|20|30"], body).ids == [[0, 1, 1, 2, 4, 4, 4]]


def test_numbers_have_real_lengths():
    history = History(["0.5|2|nan", "", "1|2|3|4|5"], f"{NUMBER} embedding_dim: 4 sequence_length: 4")
    assert history.lengths == [3, 1, 4]
    assert history.bags == [[[(0, 0.5)], [(0, 2.0)], [(0, 0.0)]], [[(0, 0.0)]], [[(0, float(n))] for n in (1, 2, 3, 4)]]


def test_the_numbers_of_a_step_have_a_row_each():
    history = History(["1;2|3", "", "4;5;6|;7|"], f'{NUMBER} embedding_dim: 4 raw_input_dim: 2 seq_multi_sep: ";"')
    assert history.lengths == [2, 0, 2]
    assert history.bags == [[[(0, 1), (1, 2)], [(0, 3), (1, 0)]], [], [[(0, 4), (1, 5)], [(0, 0), (1, 7)]]]


def test_numbers_without_a_table_are_the_steps():
    history = History(["1;2|3", "4"], f'{NUMBER} raw_input_dim: 2 seq_multi_sep: ";"')
    assert history.by_row(history.trained["step_values_0"]) == [[[1, 2], [3, 0]], [[4, 0]]]


def test_what_is_odd_is_counted_by_row():
    history = History(["20|3|21", "4"], "embedding_dim: 4 num_buckets: 10")
    encoder = Encoder(history.features)
    tally = Tally(encoder.codes)
    tally.add(encoder(make_batch(history.pipeline, {"h": ["20|3|21", "4"]})))
    assert tally.counts["h"]["out_of_range"] == 2


@pytest.mark.parametrize(
    "body",
    [
        ID,
        f'{ID} seq_multi_sep: ";"',
        f'{NUMBER} raw_input_dim: 2 seq_multi_sep: ";"',
        f'{NUMBER} embedding_dim: 4 raw_input_dim: 2 seq_multi_sep: ";"',
    ],
)
def test_rows_are_taken_cut_and_joined_like_any_others(body):
    texts = ["1;2|3", "", "4|5;6|7", "8"]
    rows = History(texts, body).rows
    order = np.array([2, 0, 2, 1])
    expected = to_tensors(History([texts[i] for i in order], body).rows)
    for name, array in to_tensors(rows.take(order)).items():
        np.testing.assert_array_equal(array, expected[name], name)
    cut = to_tensors(type(rows).concat([rows.slice(1, 2), rows.slice(3, 1)]))
    for name, array in to_tensors(History(texts[1:], body).rows).items():
        np.testing.assert_array_equal(cut[name], array, name)


PAIR = """
feature_groups {
  group_name: "all" feature_names: "c"
  sequence_features { group_name: "seq" allow_key_transform: true seq_att_map { key: "c" hist_seq: ["h", "w"] } }
}
"""


@pytest.fixture(scope="module")
def pair():
    pipeline = make_pipeline(
        {"c": "STRING", "h": "STRING", "w": "STRING"},
        [
            f'input_names: "c" {ID}',
            f'input_names: "h" feature_type: SequenceFeature {ID}',
            f'input_names: "w" feature_type: SequenceFeature {NUMBER}',
        ],
    )
    del pipeline.model_config.feature_groups[:]
    text_format.Merge(PAIR, pipeline.model_config)
    return pipeline


def test_histories_that_are_read_side_by_side_have_equal_lengths(pair):
    features = FeatureSet(pair)
    batch = make_batch(pair, {"c": ["a", "b"], "h": ["x|y", "x|y|z"], "w": ["1|2", "1|2"]})
    with pytest.raises(BadValues, match='the history "h" has 3 steps and "w" has 2') as caught:
        Encoder(features)(batch)
    assert (caught.value.field, caught.value.first, caught.value.rows.tolist()) == ("h", "x|y|z", [False, True])
    with pytest.raises(tf.errors.InvalidArgumentError, match='the histories "h" and "w" of a row'):
        features.packed(serving_tensors(features, batch))


def test_all_that_is_computed_of_a_request_waits_for_the_check_of_its_lengths(pair):
    """What unequal lengths break further on would otherwise now and then fail first, and name nothing."""
    features = FeatureSet(pair)
    with tf.Graph().as_default():
        columns = {name: tf.compat.v1.placeholder(kind, [None]) for name, kind in features.field_types.items()}
        packed = features.packed(columns)
    assert len(packed) > 3
    for name, tensor in packed.items():
        before, left = set(), [tensor.op]
        while left:
            op = left.pop()
            if op.name not in before:
                before.add(op.name)
                left += [*(one.op for one in op.inputs), *op.control_inputs]
        assert any("assert_equal" in one for one in before), f"{name} waits for no check"


def test_steps_without_items_stay_beside_those_of_another_history(pair):
    two_levels = Pipeline()
    two_levels.CopyFrom(pair)
    two_levels.feature_config.features[1].MergeFrom(FeatureConfig(seq_multi_sep=";", combiner="mean"))
    features = FeatureSet(two_levels)
    batch = make_batch(two_levels, {"c": ["a"] * 4, "h": ["x;y|z", "", "x|", "||"], "w": ["1|2", "", "1|2", "1||3"]})
    rows = Encoder(features)(batch)
    packed = to_tensors(rows)
    served = as_trained(features, features.packed(serving_tensors(features, batch)))
    for name in [name for name in packed if name.startswith("step")]:
        np.testing.assert_array_equal(packed[name], served[name], name)
    lengths = [values.tolist() for name, values in packed.items() if name.startswith("step_lengths")]
    assert lengths == [[2, 1, 2, 3]] * 2
    # The same declarations read apart: the text has fewer steps, and the functions of one are not those of the other.
    blocks = two_levels.model_config.feature_groups[0].sequence_features
    blocks.add().CopyFrom(blocks[0])
    blocks[1].group_name = "other"
    del blocks[0].seq_att_map[0].hist_seq[1], blocks[1].seq_att_map[0].hist_seq[0]
    apart = to_tensors(Encoder(FeatureSet(two_levels))(batch))
    lengths = [values.tolist() for name, values in apart.items() if name.startswith("step_lengths")]
    assert lengths == [[2, 0, 1, 0], [2, 1, 2, 3]]


def test_only_the_row_that_is_wrong_is_left_out(pair):
    """The text of its history is right in another row."""

    class Skipped:
        def add(self, describe, count):
            self.count = count

    class Source:
        ignore_error = True
        skipped = Skipped()

    batch = make_batch(pair, {"c": ["a", "b", "c"], "h": ["x|y", "x|y", "z"], "w": ["1|2", "1", "3"]})
    left, rows = usable_rows(Encoder(FeatureSet(pair)), batch, Source(), [])
    assert left.column("c").to_pylist() == ["a", "c"]
    assert (rows.num_rows, Source.skipped.count) == (2, 1)


def test_the_steps_of_a_history_are_the_rows_of_its_table(pair):
    features = FeatureSet(pair)
    embeddings = Embeddings(features, seed=1)
    batch = make_batch(pair, {"c": ["a", "b"], "h": ["x|y", "y"], "w": ["1|2", "3"]})
    tensors = {name: tf.constant(value) for name, value in to_tensors(Encoder(features)(batch)).items()}
    vectors = embeddings.looked_up(tensors)
    slot = next(slot for slot in features.slots if slot.feature == "h")
    assert isinstance(slot.columns, StepColumns)
    table = embeddings.parameters()["all/h_embedding/embedding_weights"].read().numpy()
    found = steps_of(slot, vectors).rectangle()
    x, y = table[fingerprint("x")], table[fingerprint("y")]
    np.testing.assert_array_equal(found.values, [[x, y], [y, np.zeros(4)]])
    lookup = embeddings.lookup(tensors)[4]
    assert len(lookup.row_numbers) == 4, "x and y of the history, a and b of the candidate: each once"


def test_numbers_of_histories_widen_the_attention(pair):
    """c of width 4 is padded to the 4 + 1 of h and w; what is attended has their width, and so has the query."""
    layer = InputLayer(Build(), FeatureSet(pair))
    assert dict(layer.shapes) == {"all": 4 + 5 + 5}


def test_a_table_shared_by_an_id_and_a_history_is_one(pair):
    body = f'{ID} embedding_name: "item"'
    pipeline = make_pipeline(
        {"c": "STRING", "h": "STRING"},
        [f'input_names: "c" {body}', f'input_names: "h" feature_type: SequenceFeature {body}'],
    )
    features = FeatureSet(pipeline)
    assert [(table.name, table.rows) for table in features.tables] == [("item", ROWS)]
    other = 'input_names: "h" feature_type: SequenceFeature embedding_dim: 4 num_buckets: 5 embedding_name: "item"'
    with pytest.raises(UserError, match='shares the table "item"'):
        FeatureSet(make_pipeline({"c": "STRING", "h": "STRING"}, [f'input_names: "c" {body}', other]))
