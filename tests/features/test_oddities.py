from easymtl.features.oddities import describe_oddities
from easymtl.features.tally import Tally
from tests.features.feature_cases import Case, make_batch


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


def warnings_of(feature, *batches):
    case = Case({"x": "STRING"}, f'input_names: "x" embedding_dim: 4 {feature}', {"x": batches[0]})
    tally = Tally(case.encoder.codes)
    for values in batches:
        tally.add(case.encoder(make_batch(case.pipeline, {"x": values})))
    return case.encoder.warnings(tally.counts)


def test_a_vocabulary_of_which_no_value_occurs_is_told():
    says = 'not one of the 3 values of the feature "x" so far is in its vocabulary: all take row 0.'
    assert warnings_of('vocab_list: ["BJ", "SH"]', ["bj", "", "sh"], ["bj"]) == [says]
    tags = 'feature_type: TagFeature separator: "," vocab_list: ["BJ", "SH"]'
    assert warnings_of(tags, ["bj,sh", "", "sh"]) == [says]
    assert warnings_of('vocab_list: ["BJ", "SH"]', ["bj", "sh"], ["SH"]) == []
    assert warnings_of('vocab_list: ["BJ", "SH"]', ["", ""]) == [], "missing values tell nothing"
    assert warnings_of("hash_bucket_size: 9", ["bj"]) == []


def test_numbers_that_are_all_out_of_range_are_told():
    assert "in the range of its num_buckets" in warnings_of("num_buckets: 5", ["7", "8"])[0]
    assert warnings_of("num_buckets: 5", ["7", "4"]) == []
