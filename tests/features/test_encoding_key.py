"""What the key of encoded rows depends on: all that changes a row, and nothing that a study changes beside them."""

import itertools

import numpy as np
import pytest
from google.protobuf import text_format

from easymtl.data.rows import Ragged, Rows
from easymtl.data.sources import open_source
from easymtl.data.text_form import text_forms
from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.features.encoding_key import encoding_of, open_cache
from easymtl.features.feature_set import FeatureSet
from easymtl.features.label_rules import row_rules
from easymtl.features.labels import LabelCheck
from easymtl.features.numbers import NumberColumn
from easymtl.features.tally import ODDITIES
from easymtl.protos.pipeline_pb2 import Pipeline
from tests.features.feature_cases import make_batch, make_pipeline

CONFIG = """
train_input_path: "{folder}/train.csv"
data_config {{
  batch_size: 32
  label_fields: ["click", "buy"]
  input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "buy" input_type: INT32 }}
  input_fields {{ input_name: "item" }}
  input_fields {{ input_name: "city" }}
  input_fields {{ input_name: "price" input_type: FLOAT }}
}}
feature_config {{
  features {{ input_names: "item" feature_type: IdFeature hash_bucket_size: 40 embedding_dim: 4 }}
  features {{ input_names: "city" feature_type: TagFeature vocab_file: "{folder}/cities" embedding_dim: 4 }}
  features {{ input_names: "price" feature_type: RawFeature boundaries: [0, 1] embedding_dim: 4 }}
}}
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["item", "city", "price"] wide_deep: DEEP }}
  mmoe {{
    expert_dnn {{ hidden_units: [8, 6] }}
    num_expert: 2
    task_towers {{ tower_name: "ctr" label_name: "click" dnn {{ hidden_units: 4 }} }}
    task_towers {{ tower_name: "cvr" label_name: "buy" dnn {{ hidden_units: 4 }} }}
  }}
}}
"""


@pytest.fixture
def text(tmp_path):
    """The config above, with its files."""
    (tmp_path / "train.csv").write_text("1,0,a,x|y,0.5\n" * 20)
    (tmp_path / "cities").write_text("x\ny\n")
    return CONFIG.format(folder=tmp_path)


def encoding(text, as_served=False, keep=()):
    pipeline = text_format.Parse(text, Pipeline())
    numbers = [NumberColumn.plain(pipeline.data_config, name) for name in ("click", "buy")]
    encoder = Encoder(FeatureSet(pipeline), numbers, keep, as_served=as_served)
    labels = LabelCheck(encoder, row_rules(pipeline))
    source = open_source(
        pipeline.train_input_path, pipeline.data_config, labels.fields, forms=text_forms(pipeline), items=labels.items
    )
    return encoding_of(pipeline.data_config, source, labels)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("hash_bucket_size: 40", "hash_bucket_size: 50", ['the feature "item"', "the feature groups"]),
        ("boundaries: [0, 1]", "boundaries: [0, 2]", ['the feature "price"']),
        ('"item", "city", "price"]', '"city", "item", "price"]', ["the feature groups"]),
        ('"item" }', '"item" default_val: "b" }', ['the field "item"']),
        ('"price" input_type: FLOAT', '"price" input_type: DOUBLE', ['the field "price"']),
        ("batch_size: 32", "ignore_error: true", ["how files are read"]),
        ("batch_size: 32", 'separator: ";"', ["how files are read"]),
        ("batch_size: 32", 'sample_weight: "price"', ["labels and weights"]),
        ('tower_name: "cvr" label_name: "buy"', 'tower_name: "cvr" label_name: "click"', ["labels and weights"]),
        ('tower_name: "cvr"', 'tower_name: "cvr" num_class: 3', ["labels and weights"]),
        # What a study tries.
        ("embedding_dim: 4", "embedding_dim: 8", []),
        ("hidden_units: 4", "hidden_units: 7", []),
        ("batch_size: 32", "batch_size: 64 shuffle: false num_epochs: 3", []),
        ("mmoe {", "embedding_regularization: 0.1 mmoe {", []),
    ],
)
def test_the_key_changes_with_the_part_that_changes_rows(text, old, new, parts):
    assert old in text
    before, after = encoding(text), encoding(text.replace(old, new))
    changed = {name for name in {*before.parts, *after.parts} if before.parts.get(name) != after.parts.get(name)}
    # A field that is read otherwise is one, too.
    assert changed >= set(parts)
    assert not {name for name in changed - set(parts) if not name.startswith(("the field", "the feature groups"))}
    assert (before.key == after.key) is (not parts)


def test_words_of_a_vocabulary_are_a_part_and_its_path_is_none(text, tmp_path):
    before = encoding(text)
    (tmp_path / "moved").write_text("x\ny\n")
    assert encoding(text.replace("/cities", "/moved")).key == before.key
    (tmp_path / "cities").write_text("y\nx\n")
    changed = encoding(text)
    assert [name for name in before.parts if before.parts[name] != changed.parts[name]] == ['the vocab_file of "city"']


def test_which_histories_have_to_be_of_equal_lengths_is_a_part(text):
    """Rows that were kept where lengths did not matter are not those that are refused where they do."""
    history = 'features {{ input_names: "city" feature_name: "{}" {} }}\n'
    declared = "feature_type: SequenceFeature hash_bucket_size: 9 embedding_dim: 4"
    text = text.replace("feature_config {", "feature_config {" + "".join(history.format(n, declared) for n in "gh"))
    block = (
        'sequence_features {{ group_name: "{}" allow_key_transform: true seq_att_map {{ key: "item" hist_seq: {} }} }}'
    )
    together, apart = block.format("s", '["g", "h"]'), block.format("s", '"g"') + block.format("t", '"h"')
    one, other = (
        encoding(text.replace("wide_deep: DEEP", f"wide_deep: DEEP {blocks}")) for blocks in (together, apart)
    )
    part = "histories that are read side by side"
    assert one.parts[part] != other.parts[part] and one.key != other.key


def test_tables_of_unlike_widths_are_packed_otherwise(text):
    other = text.replace("hash_bucket_size: 40 embedding_dim: 4", "hash_bucket_size: 40 embedding_dim: 8")
    assert encoding(other).key != encoding(text).key


def test_columns_are_kept_under_names_without_their_width(text):
    wide = encoding(text.replace("embedding_dim: 4", "embedding_dim: 8"))
    assert list(wide.names) == ["ids_8", "bags_8"]
    assert list(encoding(text).names.values()) == list(wide.names.values())


def test_training_and_evaluation_share_rows_unless_some_are_served_otherwise(text):
    assert encoding(text, as_served=True).key == encoding(text).key
    assert encoding(text, as_served=True, keep=["item"]).key != encoding(text).key
    with_constant = text.replace('"item" }', '"item" serving_value: "a" }')
    assert encoding(with_constant, as_served=True).key != encoding(with_constant).key
    served, trained = (encoding(with_constant, as_served, keep=["item"]) for as_served in (True, False))
    assert served.parts.keys() == trained.parts.keys()
    assert served.key != trained.key


def test_what_changes_while_rows_stay_the_same_is_not_kept(text):
    growing = text.replace("hash_bucket_size: 40", "growing { max_rows: 40 }")
    assert encoding(growing) is not None
    assert encoding(growing, as_served=True) is None


def test_a_cache_among_the_data_is_refused(text, tmp_path):
    text = text.replace("train.csv", "").replace("batch_size: 32", f'encoded_cache {{ path: "{tmp_path}/cache" }}')
    pipeline = text_format.Parse(text, Pipeline())
    encoder = Encoder(FeatureSet(pipeline))
    source = open_source(f"{tmp_path}/*", pipeline.data_config, encoder.fields)
    with pytest.raises(UserError, match=r'/cache" lies where ".*" is read: its files would be taken for data\. Name a'):
        open_cache(pipeline, source, encoder)


FIELDS = {"a": "STRING", "b": "STRING", "c": "INT64", "d": "DOUBLE", "h": "STRING", "w": "STRING", "s": "STRING"}
FEATURES = [
    'input_names: "a" feature_type: IdFeature hash_bucket_size: 9 embedding_dim: 4',
    'input_names: "a" feature_name: "a2" feature_type: IdFeature vocab_list: ["x", "y"] embedding_dim: 8',
    'input_names: "b" input_names: "w" feature_type: TagFeature hash_bucket_size: 9 embedding_dim: 4 separator: "|"',
    'input_names: "s" feature_type: TagFeature hash_bucket_size: 9 embedding_dim: 8 separator: "|"',
    'input_names: "c" feature_type: IdFeature num_buckets: 5 embedding_dim: 4',
    'input_names: "d" feature_type: RawFeature',
    'input_names: ["a", "c"] feature_name: "ac" feature_type: ComboFeature hash_bucket_size: 30 embedding_dim: 4',
    'input_names: "h" feature_type: SequenceFeature hash_bucket_size: 9 embedding_dim: 4 separator: "|"',
    'input_names: "h" feature_name: "h2" feature_type: SequenceFeature sub_feature_type: RawFeature separator: "|"',
]


def test_rows_are_the_same_whether_they_are_encoded_together_or_apart():
    """Else record batches could not be kept one by one: they are put together anew in each pass."""
    pipeline = make_pipeline(FIELDS, FEATURES)
    encoder = Encoder(FeatureSet(pipeline), [NumberColumn("c", "c")], key_fields=["a", "d"])
    columns = {
        "a": ["x", "y", None, "", "z", "x", "y", "q"],
        "b": ["u|v", "", "u", None, "v|v|u", "u", "u|w", "k"],
        "c": [1, 7, 2, -1, 0, 3, 4, 1],
        "d": [0.5, None, float("nan"), 1, 2, 3, 4, 5],
        "h": ["1|2", "", "3", None, "4|5|6", "7", "8|9", "1"],
        "w": ["1|2", "", "3", None, "1|1|1", "1", "1|1", "1"],
        "s": ["u|v", "", "u", None, "v|v|u", "u", "u|w", "k"],
    }
    batch = make_batch(pipeline, columns)
    whole = encoder(batch)
    for cuts in ([0, 4, 8], [0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 5, 6, 8]):
        parts = [encoder(batch.slice(start, end - start)) for start, end in itertools.pairwise(cuts)]
        joined = Rows.concat(parts)
        assert list(joined.columns) == list(whole.columns)
        assert joined.nbytes == whole.nbytes
        for name, column in whole.columns.items():
            assert_equal(joined[name], column, with_weights=name != ODDITIES)


def assert_equal(one, other, with_weights=True):
    if not isinstance(one, Ragged):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
        return
    assert_equal(one.values, other.values)
    assert_equal(one.lengths, other.lengths)
    if with_weights:
        assert (one.weights is None) == (other.weights is None)
    if one.weights is not None and other.weights is not None:
        np.testing.assert_array_equal(one.weights, other.weights)
