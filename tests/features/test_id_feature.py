import math

import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features.declarations import table_sizes
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import Case, make_pipeline

# FarmHash Fingerprint64 modulo 1000.
HASHES = {"a": 939, "b": 822, "0": 735, "1": 849, "5": 971, "-1": 430, "你好": 313}


def test_text_is_hashed_and_an_empty_or_missing_one_is_the_zero_vector():
    case = Case(
        {"x": "STRING"},
        'input_names: "x" embedding_dim: 4 hash_bucket_size: 1000',
        {"x": [*HASHES, "a", "", None]},
    )
    assert case.ids("x") == [*HASHES.values(), HASHES["a"], -1, -1]
    assert case.counts == {"x": {"missing": 2}}


def test_the_hash_of_the_empty_text():
    assert tf.strings.to_hash_bucket_fast([""], 1000).numpy().tolist() == [263]


@pytest.mark.parametrize("kind", ["INT32", "INT64"])
def test_integers_hash_as_their_decimal_text_and_an_empty_one_is_zero(kind):
    case = Case({"x": kind}, 'input_names: "x" embedding_dim: 4 hash_bucket_size: 1000', {"x": [0, 1, 5, -1, None]})
    assert case.ids("x") == [735, 849, 971, 430, 735]
    assert case.counts == {"x": {"missing": 1}}


def test_floats_hash_with_their_precision_and_nan_is_the_zero_vector():
    case = Case(
        {"x": "DOUBLE", "text": "STRING"},
        [
            'input_names: "x" embedding_dim: 4 hash_bucket_size: 1000 precision: 2',
            'input_names: "text" embedding_dim: 4 hash_bucket_size: 1000',
        ],
        {"x": [0.5, 2.0, 1.239, math.nan, None, -0.0, -0.004], "text": ["0.50", "2.00", "1.24", "", *["0.00"] * 3]},
    )
    assert case.ids("x") == case.ids("text")


@pytest.mark.parametrize("table", ["hash_bucket_size: 10", 'vocab_list: ["0.50", "inf"]'])
def test_an_infinite_number_is_no_id(table):
    with pytest.raises(UserError, match=r'field "x" of "x" holds "-inf", .* An infinite number is no id'):
        Case({"x": "DOUBLE"}, f'input_names: "x" embedding_dim: 4 {table} precision: 2', {"x": [0.5, -math.inf]}).ids(
            "x"
        )


def test_floats_without_precision_are_refused():
    with pytest.raises(UserError, match=r'feature "x": .*precision'):
        FeatureSet(make_pipeline({"x": "FLOAT"}, ['input_names: "x" embedding_dim: 4 hash_bucket_size: 10']))


def test_bool_hashes_as_true_and_false():
    feature = 'input_names: "x" embedding_dim: 4 vocab_list: ["false", "true"]'
    assert Case({"x": "BOOL"}, feature, {"x": [True, False, None]}).ids("x") == [1, 0, 0]


def test_num_buckets_of_integers():
    case = Case(
        {"x": "INT64"},
        'input_names: "x" embedding_dim: 4 num_buckets: 30',
        {"x": [0, 7, 29, 30, -5, -1, None, 2**40]},
    )
    assert case.ids("x") == [0, 7, 29, 0, 0, -1, 0, 0]
    assert case.counts == {"x": {"missing": 2, "out_of_range": 3}}


def test_num_buckets_of_text():
    feature = 'input_names: "x" embedding_dim: 4 num_buckets: 30'
    case = Case({"x": "STRING"}, feature, {"x": ["0", "7", "30", "-5", "-1", "", None, "7"]})
    assert case.ids("x") == [0, 7, 0, 0, -1, -1, -1, 7]
    assert case.counts == {"x": {"missing": 3, "out_of_range": 2}}


def test_text_that_is_no_number_names_field_feature_and_value():
    with pytest.raises(UserError, match=r'field "x" of "f" holds "seven: 7", which cannot be read as a number'):
        feature = 'feature_name: "f" input_names: "x" embedding_dim: 4 num_buckets: 30'
        Case({"x": "STRING"}, feature, {"x": ["1", "seven: 7"]})


def test_counts_are_of_rows_not_of_distinct_values():
    feature = 'input_names: "x" embedding_dim: 4 vocab_list: ["bj", "sh"]'
    case = Case({"x": "STRING"}, feature, {"x": ["bj", "zz", "zz", "", "zz", "sh"]})
    assert case.ids("x") == [0, 0, 0, -1, 0, 1]
    assert case.counts == {"x": {"missing": 1, "unknown": 3}}


def test_integers_against_a_vocabulary():
    case = Case({"x": "INT32"}, 'input_names: "x" embedding_dim: 4 vocab_list: ["10", "-1"]', {"x": [10, -1, 3]})
    assert case.ids("x") == [0, 1, 0]


def test_vocab_file_takes_the_line_number(tmp_path):
    path = tmp_path / "cities.txt"
    path.write_text("bj\n北京\nx y\n")
    case = Case({"x": "STRING"}, f'input_names: "x" embedding_dim: 4 vocab_file: "{path}"', {"x": ["x y", "北京", "?"]})
    assert case.ids("x") == [2, 1, 0]
    assert case.slot("x").table.rows == 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [("a\nb\na\n", r'words\.txt:3: "a" stands on line 1 too'), ("", "empty"), ("a\n\nb\n", r"words\.txt:2: ")],
)
def test_a_vocabulary_that_cannot_be_used_is_refused(tmp_path, content, problem):
    path = tmp_path / "words.txt"
    path.write_bytes(content.encode())
    with pytest.raises(UserError, match=problem):
        FeatureSet(make_pipeline({"x": "STRING"}, [f'input_names: "x" embedding_dim: 4 vocab_file: "{path}"']))


def test_a_vocabulary_is_the_cleaned_one_in_training_in_the_size_of_its_table_and_in_the_asset(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffbj\r\n北京\r\n\r\n".encode())
    case = Case({"x": "STRING"}, f'input_names: "x" embedding_dim: 4 vocab_file: "{path}"', {"x": ["bj", "北京", ""]})
    assert case.ids("x") == [0, 1, -1]
    assert [table.rows for table in (*case.features.tables, *table_sizes(case.pipeline))] == [2, 2]
    path.write_text("other\nvalues\n")
    module = tf.Module()
    module.features = case.features
    module.serve = tf.function(
        case.features.packed, input_signature=[{"x": tf.TensorSpec([None], tf.string, "x")}], autograph=False
    )
    tf.saved_model.save(module, str(tmp_path / "model"))
    assert (tmp_path / "model" / "assets" / "words.txt").read_bytes() == "bj\n北京\n".encode()
    served = tf.saved_model.load(str(tmp_path / "model")).serve({"x": tf.constant(["北京", "bj"])})
    assert served["ids"].numpy().tolist() == [[1], [0]]


def test_a_vocabulary_file_that_is_not_there_is_named():
    with pytest.raises(UserError, match=r"nowhere\.txt"):
        FeatureSet(make_pipeline({"x": "STRING"}, ['input_names: "x" embedding_dim: 4 vocab_file: "nowhere.txt"']))


def test_hash_goes_before_vocabulary_and_vocabulary_before_num_buckets():
    hashed = 'feature_name: "h" input_names: "x" embedding_dim: 4 hash_bucket_size: 1000 vocab_list: "a" num_buckets: 5'
    listed = 'feature_name: "l" input_names: "x" embedding_dim: 4 vocab_list: ["b", "a"] num_buckets: 5'
    case = Case({"x": "STRING"}, [hashed, listed], {"x": ["a"]})
    assert case.ids("h") == [939]
    assert case.ids("l") == [1]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('input_names: "x" hash_bucket_size: 10', "embedding_dim"),
        ('input_names: "x" embedding_dim: 4', "hash_bucket_size, vocab_list, vocab_file, num_buckets"),
        ('input_names: ["x", "y"] embedding_dim: 4 hash_bucket_size: 10', "2 input_names; IdFeature takes 1"),
        ('input_names: "xx" embedding_dim: 4 hash_bucket_size: 10', 'Did you mean "x"'),
        ('input_names: "x" embedding_dim: 4 vocab_list: ["a", "a"]', '"a" twice'),
    ],
)
def test_a_declaration_that_does_not_hold_is_refused(body, problem):
    with pytest.raises(UserError, match=problem):
        FeatureSet(make_pipeline({"x": "STRING", "y": "STRING"}, [body]))
