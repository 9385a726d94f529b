"""The sizes of tables, told before anything is built."""

import pytest

from easymtl.features.declarations import TableSize, readers_of_tables, table_sizes
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import make_pipeline

WORDS = ["x", "y", "北京"]


@pytest.mark.parametrize(
    "body, rows",
    [
        ("hash_bucket_size: 50", 50),
        ("num_buckets: 7", 7),
        ('vocab_list: ["p", "q", "r"]', 3),
        ('vocab_file: "{words}"', 3),
        ('vocab_file: "{words_without_end}"', 3),
        ("feature_type: RawFeature boundaries: [1, 2, 5]", 4),
        ("feature_type: RawFeature num_buckets: 5 min_val: 0 max_val: 10", 6),
        ("feature_type: RawFeature", 1),
        ('feature_type: RawFeature separator: "," raw_input_dim: 3', 3),
    ],
)
def test_tables_have_the_size_that_they_are_built_with(tmp_path, body, rows):
    files = {"words": tmp_path / "words.txt", "words_without_end": tmp_path / "open.txt"}
    files["words"].write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    files["words_without_end"].write_text("\n".join(WORDS), encoding="utf-8")
    kind = "DOUBLE" if "RawFeature" in body and "separator" not in body else "STRING"
    pipeline = make_pipeline({"x": kind}, [f'input_names: "x" embedding_dim: 4 {body.format(**files)}'])
    assert table_sizes(pipeline) == [TableSize("all/x", rows, 4)]
    (built,) = FeatureSet(pipeline).tables
    assert (built.name, built.rows, built.width) == ("all/x", rows, 4)


def test_numbers_and_a_table_that_is_shared():
    bodies = [
        'feature_name: "a" input_names: "x" embedding_dim: 4 hash_bucket_size: 5 embedding_name: "shared"',
        'feature_name: "b" input_names: "x" embedding_dim: 4 hash_bucket_size: 5 embedding_name: "shared"',
        'feature_name: "n" input_names: "n" feature_type: RawFeature',
    ]
    pipeline = make_pipeline({"x": "STRING", "n": "FLOAT"}, bodies)
    assert table_sizes(pipeline) == [TableSize("shared", 5, 4)]
    assert readers_of_tables(pipeline) == {"shared": ["a", "b"]}
