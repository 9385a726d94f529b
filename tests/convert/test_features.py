"""What becomes of each kind of feature."""

import re

import pytest
from google.protobuf import text_format

from easymtl.convert.report import Kind
from easymtl.protos.feature_pb2 import FeatureConfig, Initializer

ID = 'id_feature { feature_name: "f" expression: "item:col" embedding_dim: 4 %s }'
RAW = 'raw_feature { feature_name: "f" expression: "item:col" %s }'
ENCODED = ("fg_mode: FG_DAG", "fg_mode: FG_NONE")
BUCKETIZE = ("fg_mode: FG_DAG", "fg_mode: FG_BUCKETIZE")


def message(text):
    return text_format.Parse(f'feature_name: "f" {text}', FeatureConfig())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("hash_bucket_size: 9 value_dim: 1", "feature_type: IdFeature hash_bucket_size: 9"),
        ("num_buckets: 9 value_dim: 1", "feature_type: IdFeature num_buckets: 9"),
        ("hash_bucket_size: 9", 'feature_type: TagFeature hash_bucket_size: 9 separator: "\\035"'),
        (
            'hash_bucket_size: 9 separator: "|" pooling: "mean"',
            'feature_type: TagFeature hash_bucket_size: 9 separator: "|" combiner: "mean"',
        ),
        (
            'hash_bucket_size: 9 weighted: true separator: ","',
            'feature_type: TagFeature hash_bucket_size: 9 separator: "," kv_separator: ":"',
        ),
        (
            'vocab_list: ["a", "b"] value_dim: 1',
            'feature_type: IdFeature vocab_list: ["<OOV>", "a", "b"]',
        ),
        (
            'vocab_list: ["a", "b"] value_dim: 1 default_value: "z"',
            'feature_type: IdFeature vocab_list: ["<OOV>", "z", "a", "b"]',
        ),
        (
            'vocab_list: ["a", "b", "c"] value_dim: 1 default_bucketize_value: 1',
            'feature_type: IdFeature vocab_list: ["b", "a", "c"]',
        ),
        (
            'vocab_list: ["a", "b"] value_dim: 1 default_bucketize_value: 2',
            'feature_type: IdFeature vocab_list: ["<OOV>", "a", "b"]',
        ),
        (
            'vocab_list: ["a", "b"] value_dim: 1 embedding_name: "s"',
            'feature_type: IdFeature vocab_list: ["<OOV>", "<default>", "a", "b"] embedding_name: "s"',
        ),
        (
            'vocab_dict: [{ key: "b" value: 1 }, { key: "a" value: 0 }] value_dim: 1 default_bucketize_value: 1',
            'feature_type: IdFeature vocab_list: ["b", "a"]',
        ),
        (
            'vocab_dict: [{ key: "b" value: 1 }, { key: "a" value: 0 }] value_dim: 1 default_bucketize_value: 2',
            'feature_type: IdFeature vocab_list: ["<OOV>", "a", "b"]',
        ),
        (
            'vocab_dict: [{ key: "b" value: 3 }, { key: "a" value: 2 }] value_dim: 1',
            'feature_type: IdFeature vocab_list: ["<OOV>", "a", "b"]',
        ),
        (
            'hash_bucket_size: 9 value_dim: 1 embedding_name: "shared"',
            'feature_type: IdFeature hash_bucket_size: 9 embedding_name: "shared"',
        ),
        (
            'hash_bucket_size: 9 value_dim: 1 init_fn: "nn.init.normal_,mean=0.5,std=0.25"',
            "feature_type: IdFeature hash_bucket_size: 9 "
            "initializer { random_normal_initializer { mean: 0.5 stddev: 0.25 } }",
        ),
        (
            'hash_bucket_size: 9 value_dim: 1 init_fn: "nn.init.constant_,val=0.5"',
            "feature_type: IdFeature hash_bucket_size: 9 initializer { constant_initializer { consts: 0.5 } }",
        ),
    ],
)
def test_ids(small, theirs, ours):
    assert small.feature(ID % theirs) == message(f'input_names: "col" embedding_dim: 4 {ours}')


@pytest.mark.parametrize(
    ("theirs", "ours", "is_told"),
    [
        ("zeros_", "constant_initializer { consts: 0 }", False),
        ("ones_", "constant_initializer { consts: 1 }", False),
        ("uniform_,a=1,b=4", "random_normal_initializer { mean: 2.5 stddev: 0.8660254 }", True),
        ("trunc_normal_,std=0.25", "random_normal_initializer { mean: 0 stddev: 0.25 }", False),
        (
            "trunc_normal_,mean=1,std=0.25,a=0.5,b=1.5",
            "truncated_normal_initializer { mean: 1 stddev: 0.25 }",
            False,
        ),
        ("trunc_normal_,std=0.25,a=-0.5,b=1", "truncated_normal_initializer { mean: 0 stddev: 0.25 }", True),
        ("trunc_normal_,std=0.25,a=-1,b=0.5", "truncated_normal_initializer { mean: 0 stddev: 0.25 }", True),
        ("xavier_normal_", "glorot_normal_initializer { }", True),
    ],
)
def test_how_a_table_starts(small, said, theirs, ours, is_told):
    text = ID % f'hash_bucket_size: 9 value_dim: 1 init_fn: "nn.init.{theirs}"'
    assert small.feature(text).initializer == text_format.Parse(ours, Initializer())
    assert any("init_fn" in remark for remark in said(small.with_feature(text), Kind.CHANGED)) == is_told


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("", ""),
        ("embedding_dim: 8", ""),
        ("embedding_dim: 8 mlp { }", "embedding_dim: 8"),
        (
            "embedding_dim: 8 autodis { num_channels: 5 keep_prob: 0.5 }",
            "auto_dis_embedding { embedding_dim: 8 num_bins: 5 keep_prob: 0.5 temperature: 0.1 }",
        ),
        ("value_dim: 3", 'raw_input_dim: 3 separator: "\\035"'),
        ('value_dim: 3 separator: ","', 'raw_input_dim: 3 separator: ","'),
        ("boundaries: [0.1, 0.7] embedding_dim: 4", "boundaries: [0.1, 0.7] embedding_dim: 4"),
        ('normalizer: "method=zscore,mean=2.0,standard_deviation=4.0"', "min_val: 2 max_val: 6"),
        ('normalizer: "method=minmax,min=2.5,max=3"', "min_val: 2.5 max_val: 3"),
        ('normalizer: "method=expression,expr=log(x + 1)"', 'normalizer_fn: "log1p"'),
        ('normalizer: "method=expression,expr=sqrt(x)"', 'normalizer_fn: "sqrt"'),
        ('normalizer: "method=expression,expr=ln(x)"', 'normalizer_fn: "log"'),
        ('normalizer: "method=expression,expr=rint(x)"', 'normalizer_fn: "round"'),
        ('normalizer: "method=expression,expr=exp(x)-1"', 'normalizer_fn: "expm1"'),
        ('normalizer: "method=expression,expr=1/sqrt(x)"', 'normalizer_fn: "rsqrt"'),
        ('normalizer: "method=expression,expr=x^2"', 'normalizer_fn: "square"'),
    ],
)
def test_numbers(small, theirs, ours):
    assert small.feature(RAW % theirs) == message(f'input_names: "col" feature_type: RawFeature {ours}')


@pytest.mark.parametrize(
    "normalizer",
    [
        "method=log10,threshold=1e-10,default=-10",
        "method=expression,expr=round(x)",
        "method=zscore,mean=a",
        "method=minmax,min=3,max=3",
    ],
)
def test_a_normalizer_without_counterpart_is_told(small, said, normalizer):
    conversion = small.with_feature(RAW % f'normalizer: "{normalizer}"')
    (remark,) = said(conversion, Kind.LEFT_OUT)
    assert remark.startswith(f'13 raw_feature.normalizer of "f": "{normalizer}" has no counterpart')


def test_a_cross_reads_several_columns_and_combines_their_values(small):
    text = (
        'combo_feature { feature_name: "f" expression: ["user:a", "item:b"] embedding_dim: 4 hash_bucket_size: 9 %s }'
    )
    base = 'input_names: ["a", "b"] feature_type: ComboFeature embedding_dim: 4 hash_bucket_size: 9'
    assert small.feature(text % "value_dim: 1") == message(base)
    assert small.feature(text % 'separator: ","') == message(f'{base} combo_input_seps: [",", ","]')


def test_a_cross_over_a_vocabulary_is_hashed(small, said):
    text = (
        'combo_feature { feature_name: "f" expression: ["a:x", "b:y"] embedding_dim: 4 vocab_list: "p_q" value_dim: 1 }'
    )
    conversion = small.with_feature(text)
    assert conversion.pipeline.feature_config.features[1].hash_bucket_size == 100
    assert any("combinations are hashed here" in remark for remark in said(conversion, Kind.CHANGED))


@pytest.mark.parametrize(("words", "size"), [(11, 120), (3, 100), (0, 100000)])
def test_a_hashed_vocabulary_has_room(small, words, size):
    vocabulary = f"vocab_list: [{', '.join(f'{chr(34)}{word}{chr(34)}' for word in range(words))}]" if words else ""
    text = f'combo_feature {{ feature_name: "f" expression: ["a:x", "b:y"] embedding_dim: 4 {vocabulary} }}'
    assert small.feature(text).hash_bucket_size == size


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (ID % "hash_bucket_size: 9 value_dim: 1", "feature_type: IdFeature num_buckets: 9 embedding_dim: 4"),
        (ID % 'vocab_list: ["a", "b"] value_dim: 1', "feature_type: IdFeature num_buckets: 4 embedding_dim: 4"),
        (
            ID % 'vocab_dict: [{ key: "b" value: 3 }, { key: "a" value: 6 }] value_dim: 1',
            "feature_type: IdFeature num_buckets: 7 embedding_dim: 4",
        ),
        (
            ID % 'vocab_list: ["a", "b"] value_dim: 1 default_bucketize_value: 1',
            "feature_type: IdFeature num_buckets: 2 embedding_dim: 4",
        ),
        (ID % "num_buckets: 9", 'feature_type: TagFeature num_buckets: 9 embedding_dim: 4 separator: "\\003"'),
        (
            RAW % "boundaries: [1, 2] embedding_dim: 4 value_dim: 1",
            "feature_type: IdFeature num_buckets: 3 embedding_dim: 4",
        ),
        (RAW % "value_dim: 2", 'feature_type: RawFeature raw_input_dim: 2 separator: "\\003"'),
        (ID % "zch { zch_size: 70 } value_dim: 1", "feature_type: IdFeature growing { max_rows: 70 } embedding_dim: 4"),
        (
            'lookup_feature { feature_name: "f" map: "u:m" key: "i:k" embedding_dim: 4 boundaries: 1 value_dim: 1 }',
            "feature_type: IdFeature num_buckets: 2 embedding_dim: 4",
        ),
        ('expr_feature { feature_name: "f" variables: "user:a" expression: "a*2" }', "feature_type: RawFeature"),
    ],
)
def test_encoded_columns_have_the_names_of_features_and_hold_rows(small, theirs, ours):
    assert small.feature(theirs, ENCODED) == message(f'input_names: "f" {ours}')


def test_what_is_encoded_by_default_and_by_the_older_field(small):
    text = ID % "hash_bucket_size: 9 value_dim: 1"
    for mode in (" fg_encoded: true", ""):
        assert small.feature(text, (" fg_mode: FG_DAG", mode)).num_buckets == 9
    assert small.feature(text, (" fg_mode: FG_DAG", " fg_encoded: false")).hash_bucket_size == 9


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            'lookup_feature { feature_name: "f" map: "user:m" key: "item:k" embedding_dim: 4 boundaries: [1, 2] }',
            "feature_type: RawFeature embedding_dim: 4 boundaries: [1, 2]",
        ),
        (
            'match_feature { feature_name: "f" nested_map: "user:m" pkey: "item:k" skey: "item:s" '
            "embedding_dim: 4 hash_bucket_size: 9 need_discrete: true value_dim: 1 }",
            "feature_type: IdFeature embedding_dim: 4 hash_bucket_size: 9",
        ),
        (
            'overlap_feature { feature_name: "f" query: "user:q" title: "item:t" method: "is_equal" }',
            "feature_type: RawFeature",
        ),
        ('kv_dot_product { feature_name: "f" query: "user:q" document: "item:t" }', "feature_type: RawFeature"),
        (
            'expr_feature { feature_name: "f" variables: ["user:a", "item:b"] expression: "a>b" }',
            "feature_type: RawFeature",
        ),
        (
            'bool_mask_feature { feature_name: "f" expression: ["user:a", "item:b"] '
            "embedding_dim: 4 num_buckets: 9 value_dim: 1 }",
            "feature_type: IdFeature embedding_dim: 4 num_buckets: 9",
        ),
        (
            'combine_feature { feature_name: "f" expression: "user:a" value_map: [{ key: "p" value: 1 }] }',
            "feature_type: RawFeature",
        ),
        (
            'custom_feature { feature_name: "f" operator_name: "X" operator_lib_file: "x.so" expression: "user:a" }',
            "feature_type: RawFeature",
        ),
    ],
)
def test_what_is_computed_there_is_read_as_a_column_here(small, said, theirs, ours):
    assert small.feature(theirs) == message(f'input_names: "f" {ours}')
    conversion = small.with_feature(theirs)
    assert any('read as a column "f" here' in remark for remark in said(conversion, Kind.CHANGED))
    assert said(conversion, Kind.LEFT_OUT) == []
    # In the mode in which the column is there already nothing is to be done.
    assert small.feature(theirs, BUCKETIZE) == message(f'input_names: "f" {ours}')
    assert said(small.with_feature(theirs, BUCKETIZE), Kind.CHANGED) == []


def test_a_formula_of_one_column_is_its_function(small):
    text = 'expr_feature { feature_name: "f" variables: "user:clicks" expression: "log(1 + clicks)" }'
    assert small.feature(text) == message('input_names: "clicks" feature_type: RawFeature normalizer_fn: "log1p"')


@pytest.mark.parametrize(
    ("feature", "text"),
    [
        (
            'tokenize_feature { feature_name: "f" expression: "item:t" embedding_dim: 4 vocab_file: "t.json" }',
            "the rows of its table are known to its tokenizer alone",
        ),
        (ID % "hash_bucket_size: 9 stub_type: true", "an input of other features only"),
        (ID % "", "it says nowhere how a value finds its row"),
        (RAW % "boundaries: 1 embedding_dim: 4 value_dim: 2", "several numbers have no buckets here"),
    ],
)
def test_what_cannot_be_converted_is_left_out_with_a_reason(small, said, feature, text):
    conversion = small.with_feature(feature)
    assert [one.feature_name for one in conversion.pipeline.feature_config.features] == ["user"]
    assert list(conversion.pipeline.model_config.feature_groups[0].feature_names) == ["user"]
    assert len(said(conversion, Kind.LEFT_OUT)) == 1
    assert text in said(conversion, Kind.LEFT_OUT)[0]
    assert conversion.check("out.config") == []


@pytest.mark.parametrize(
    ("theirs", "kind", "text"),
    [
        ("zch { zch_size: 70 lfu { } }", Kind.CHANGED, "growing { max_rows: 70 } takes its place"),
        ('zch { zch_size: 70 threshold_filtering_func: "lambda x: x" }', Kind.LEFT_OUT, "admit_after"),
        ("dynamicemb { max_capacity: 70 }", Kind.CHANGED, "growing { max_rows: 70 } takes its place"),
        ("hash_bucket_size: 9 use_mask: true", Kind.LEFT_OUT, "features are not masked"),
        ('hash_bucket_size: 9 data_type: "FP16"', Kind.LEFT_OUT, "tables are in float32"),
        ('hash_bucket_size: 9 fg_value_type: "int64"', Kind.NOT_NEEDED, "input_fields says the type"),
        (
            'hash_bucket_size: 9 embedding_constraints { sharding_types: "row_wise" }',
            Kind.NOT_NEEDED,
            "places the tables",
        ),
        ('hash_bucket_size: 9 init_fn: "nn.init.uniform_,a=-0.01,b=0.01"', Kind.CHANGED, "is a normal distribution"),
        ('hash_bucket_size: 9 init_fn: "my.fn"', Kind.LEFT_OUT, 'there is no "my.fn"'),
        ('vocab_file: "v.txt" default_bucketize_value: 2', Kind.CHANGED, "move line 3 of the file to the front"),
        (
            'vocab_dict: [{ key: "a" value: 2 }, { key: "b" value: 2 }]',
            Kind.CHANGED,
            "words that share a row there have rows of their own",
        ),
    ],
)
def test_remarks_on_ids(small, said, theirs, kind, text):
    remarks = said(small.with_feature(ID % f"{theirs} value_dim: 1"), kind)
    assert [remark for remark in remarks if text in remark and ' of "f": ' in remark and remark.startswith("13 ")]


def test_an_input_that_is_no_column_is_told(small, said):
    text = ID.replace("item:col", "feature:other") % "hash_bucket_size: 9 value_dim: 1"
    assert any(
        '"other" is the output of another feature' in remark for remark in said(small.with_feature(text), Kind.CHANGED)
    )
    # Without the graph of features such an output is a column there, too.
    conversion = small.with_feature(text, ("FG_DAG", "FG_NORMAL"))
    assert said(conversion, Kind.CHANGED) == []
    text = ID.replace("item:col", "const:7") % "hash_bucket_size: 9 value_dim: 1"
    assert any('"const:7" is a constant' in remark for remark in said(small.with_feature(text), Kind.CHANGED))


def test_a_table_that_is_not_trained_is_frozen(small):
    conversion = small.with_feature(ID % "hash_bucket_size: 9 value_dim: 1 trainable: false")
    assert list(conversion.pipeline.train_config.freeze_gradient) == ["/f_embedding/embedding_weights$"]


def test_a_name_of_dense_layers_freezes_the_table_alone(small):
    conversion = small.with_feature(ID % 'hash_bucket_size: 9 value_dim: 1 trainable: false embedding_name: "dnn"')
    (pattern,) = conversion.pipeline.train_config.freeze_gradient
    assert re.search(pattern, "input_layer/dnn/embedding_weights")
    assert not re.search(pattern, "ctr/dnn/dnn_0/kernel")


def test_tables_that_share_a_name_are_frozen_once(small):
    frozen = 'hash_bucket_size: 10 value_dim: 1 trainable: false embedding_name: "s"'
    conversion = small.with_feature(ID % frozen, ("hash_bucket_size: 10 value_dim: 1 }", f"{frozen} }}"))
    assert list(conversion.pipeline.train_config.freeze_gradient) == ["/s/embedding_weights$"]


def test_a_second_feature_of_a_name_is_told(small, said):
    text = ID.replace('"f"', '"user"') % "hash_bucket_size: 9 value_dim: 1"
    conversion = small.with_feature(text, group=" ")
    assert [one.hash_bucket_size for one in conversion.pipeline.feature_config.features] == [9]
    assert said(conversion, Kind.CHANGED) == [
        '13 id_feature.feature_name of "user": another feature has this name (line 11): the last of them counts.'
    ]


def test_lists_are_expected_where_nothing_says_otherwise(small, said):
    assert any(
        '"f" may hold several values' in text
        for text in said(small.with_feature(ID % "hash_bucket_size: 9"), Kind.GUESSED)
    )
    for theirs in ("hash_bucket_size: 9 value_dim: 1", 'hash_bucket_size: 9 separator: "|"'):
        assert not any("several" in text for text in said(small.with_feature(ID % theirs), Kind.GUESSED))
