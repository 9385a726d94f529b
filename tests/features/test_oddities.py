from easymtl.features.oddities import describe_oddities
from tests.features.feature_cases import Case


def test_a_sentence_for_each_odd_kind():
    feature = 'input_names: "x" embedding_dim: 4 vocab_list: ["bj"]'
    case = Case({"x": "STRING"}, feature, {"x": ["zz"] * 1200 + ["", "bj"]})
    assert describe_oddities(case.counts) == ['feature "x": 1,200 values are not in the vocabulary and took row 0.']


def test_nothing_odd_says_nothing():
    assert describe_oddities({"x": {"missing": 5, "unknown": 0}}) == []


def test_every_kind_that_a_transform_counts_has_a_sentence():
    table = "embedding_dim: 4"
    case = Case(
        {"x": "STRING", "v": "STRING"},
        [
            f'feature_name: "listed" input_names: "x" {table} vocab_list: ["9"]',
            f'feature_name: "number" input_names: "x" {table} num_buckets: 5',
            f'feature_name: "tags" input_names: "x" feature_type: TagFeature {table} num_buckets: 5 kv_separator: ":"',
            'feature_name: "raw" input_names: "v" feature_type: RawFeature raw_input_dim: 2',
        ],
        {"x": ["7", ""], "v": ["nan|2|3", ""]},
    )
    kinds = [(name, kind) for name, counts in case.counts.items() for kind in counts if kind != "missing"]
    assert all(case.counts[name][kind] == 1 for name, kind in kinds)
    assert len(describe_oddities(case.counts)) == len(kinds) == 6
