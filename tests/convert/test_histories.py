"""Histories: features of each step, and what reads them in a group."""

import pytest
from google.protobuf import text_format

from easymtl.convert import convert
from easymtl.convert.report import Kind
from easymtl.protos.feature_pb2 import FeatureConfig
from tests.convert.conftest import CONFIGS
from tests.convert.test_models import MODEL, TOWERS

SEQUENCE = (
    'feature_configs { sequence_feature { sequence_name: "clicks" sequence_length: 30 sequence_delim: "," '
    'features { id_feature { feature_name: "user" expression: "user:uid" embedding_dim: 4 hash_bucket_size: 10 } } '
    'features { raw_feature { feature_name: "age" expression: "user:age" boundaries: [1, 2] embedding_dim: 2 } } '
    'features { raw_feature { feature_name: "price" expression: "item:price" value_dim: 2 separator: "|" } } } }'
)
GROUP = 'sequence_groups { group_name: "g" feature_names: %s }'
DIN = 'sequence_encoders { din_encoder { input: "g" attn_mlp { hidden_units: [8, 4] } } }'
POOL = 'sequence_encoders { pooling_encoder { input: "g" %s } }'


def with_history(small, group, *changes, features=SEQUENCE):
    return small(
        ("model_config {", f"{features}\nmodel_config {{"),
        ('feature_names: ["user"]', f'feature_names: ["user"] {group}'),
        *changes,
    )


def features_of(conversion):
    return {feature.feature_name: feature for feature in conversion.pipeline.feature_config.features}


def message(name, text):
    return text_format.Parse(f'feature_name: "{name}" {text}', FeatureConfig())


def check(conversion):
    """Checks what was converted."""
    notes = conversion.check("out.config")
    assert [note for note in notes if "is in no feature group" not in str(note)] == []


def test_parts_of_a_sequence(small):
    conversion = with_history(small, GROUP % '["user", "clicks__user", "clicks__age", "clicks__price"]' + DIN)
    found = features_of(conversion)
    base = 'input_names: "clicks__%s" feature_type: SequenceFeature separator: "," max_seq_len: 30 %s'
    assert found["clicks__user"] == message(
        "clicks__user",
        base % ("uid", 'sub_feature_type: IdFeature hash_bucket_size: 10 embedding_dim: 4 seq_multi_sep: "\\035"'),
    )
    assert found["clicks__age"] == message(
        "clicks__age", base % ("age", "sub_feature_type: RawFeature boundaries: [1, 2] embedding_dim: 2")
    )
    assert found["clicks__price"] == message(
        "clicks__price", base % ("price", 'sub_feature_type: RawFeature raw_input_dim: 2 seq_multi_sep: "|"')
    )
    check(conversion)


def test_columns_of_encoded_sequences_have_the_names_of_features(small):
    conversion = with_history(small, GROUP % '["user", "clicks__user"]' + DIN, ("fg_mode: FG_DAG", "fg_mode: FG_NONE"))
    feature = features_of(conversion)["clicks__user"]
    assert (list(feature.input_names), feature.num_buckets, feature.hash_bucket_size) == (["clicks__user"], 10, 0)
    assert feature.seq_multi_sep == "\x03"


def test_a_sequence_of_its_own(small):
    text = (
        'feature_configs { sequence_id_feature { feature_name: "s" expression: "user:col" embedding_dim: 4 '
        'num_buckets: 9 sequence_length: 5 value_dim: 0 separator: "|" } }'
    )
    conversion = with_history(small, GROUP % '["user", "s"]' + DIN, features=text)
    assert features_of(conversion)["s"] == message(
        "s",
        'input_names: "col" feature_type: SequenceFeature sub_feature_type: IdFeature num_buckets: 9 embedding_dim: 4 '
        'separator: ";" seq_multi_sep: "|" max_seq_len: 5',
    )


@pytest.mark.parametrize("size", ["", "value_dim: 1"])
def test_an_empty_text_is_a_history_without_steps(small, size):
    """Only where steps are split again is an empty text no step, so that they are, whether items need it or not."""
    text = (
        'feature_configs { sequence_id_feature { feature_name: "s" expression: "user:col" embedding_dim: 4 '
        f"num_buckets: 9 sequence_length: 5 {size} }} }}"
    )
    conversion = with_history(small, GROUP % '["user", "s"]' + DIN, features=text)
    assert features_of(conversion)["s"].seq_multi_sep == "\x1d"


def test_target_attention(small):
    conversion = with_history(small, GROUP % '["user", "clicks__user", "clicks__age"]' + DIN)
    (group,) = conversion.pipeline.model_config.feature_groups
    assert group.sequence_features[0] == text_format.Parse(
        'group_name: "g" seq_att_map { key: "user" hist_seq: ["clicks__user", "clicks__age"] } '
        "seq_dnn { hidden_units: [8, 4, 1] use_bn: false } need_key_feature: false allow_key_transform: true",
        type(group.sequence_features[0])(),
    )
    check(conversion)


def test_a_candidate_as_wide_as_a_step_is_not_transformed(small):
    conversion = with_history(small, GROUP % '["user", "clicks__user"]' + DIN)
    (group,) = conversion.pipeline.model_config.feature_groups
    assert not group.sequence_features[0].HasField("allow_key_transform")


def test_dropout_of_attention_leaves_the_score_alone(small):
    din = DIN.replace("[8, 4]", "[8, 4] dropout_ratio: 0.5")
    (group,) = with_history(small, GROUP % '["user", "clicks__user"]' + din).pipeline.model_config.feature_groups
    assert list(group.sequence_features[0].seq_dnn.dropout_ratio) == [0.5, 0.5, 0]


def test_a_key_outside_of_the_group_shares_its_table_with_other_groups(small):
    groups = 'feature_groups { group_name: "%s" feature_names: "user" group_type: DEEP }'
    pepnet = (
        'pepnet { task_towers { tower_name: "ctr" label_name: "click" losses { binary_cross_entropy { } } } '
        'task_towers { tower_name: "cvr" label_name: "buy" losses { binary_cross_entropy { } } } }'
    )
    text = with_history(small, GROUP % '["user", "clicks__user"]' + DIN).pipeline
    assert text.feature_config.features[0].embedding_name == ""
    changes = (MODEL, f"{groups % 'domain'} {pepnet}\n")
    shared = with_history(small, GROUP % '["user", "clicks__user"]' + DIN, changes).pipeline
    assert shared.feature_config.features[0].embedding_name == "user_emb"


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_a_pooled_history_is_a_bag(small, said, pooling):
    conversion = with_history(small, GROUP % '"clicks__user"' + POOL % f'pooling_type: "{pooling}"')
    found = features_of(conversion)
    combiner = 'combiner: "mean"' if pooling == "mean" else ""
    assert found["clicks__user_pooled"] == message(
        "clicks__user_pooled",
        'input_names: "clicks__uid" feature_type: TagFeature hash_bucket_size: 10 embedding_dim: 4 '
        f'separator: ",\\035" {combiner}',
    )
    assert "clicks__user" not in found
    assert list(conversion.pipeline.model_config.feature_groups[0].feature_names) == ["user", "clicks__user_pooled"]
    assert any("all steps" in remark and "not the first 30" in remark for remark in said(conversion, Kind.CHANGED))


def test_a_pooled_history_of_numbers_is_left_out(small, said):
    conversion = with_history(small, GROUP % '["clicks__user", "clicks__age"]' + POOL % "")
    assert list(conversion.pipeline.model_config.feature_groups[0].feature_names) == ["user", "clicks__user_pooled"]
    assert any('"clicks__age" holds numbers' in remark for remark in said(conversion, Kind.LEFT_OUT))


def test_a_history_that_is_pooled_and_attended_has_one_table(small):
    encoders = DIN + POOL % ""
    found = features_of(with_history(small, GROUP % '["user", "clicks__user"]' + encoders))
    assert found["clicks__user"].embedding_name == "clicks__user_emb"
    assert found["clicks__user_pooled"].embedding_name == "clicks__user_emb"


def test_a_history_that_is_pooled_in_two_ways_is_two_features_over_one_table(small):
    encoders = "".join(POOL % f'pooling_type: "{kind}"' for kind in ("sum", "mean", "sum"))
    conversion = with_history(small, GROUP % '"clicks__user"' + encoders)
    found = features_of(conversion)
    names = ["clicks__user_pooled", "clicks__user_pooled_2"]
    assert list(conversion.pipeline.model_config.feature_groups[0].feature_names) == ["user", *names]
    assert [found[name].combiner for name in names] == ["sum", "mean"]
    assert {found[name].embedding_name for name in names} == {"clicks__user_emb"}
    check(conversion)


def test_a_history_that_two_groups_pool_is_one_feature(small):
    pooled = GROUP % '"clicks__user"' + POOL % ""
    domain = f'feature_groups {{ group_name: "domain" feature_names: "user" group_type: DEEP {pooled} }}'
    pepnet = (MODEL, f"{domain} pepnet {{ {TOWERS} }}\n")
    conversion = with_history(small, pooled, pepnet)
    names = [feature.feature_name for feature in conversion.pipeline.feature_config.features]
    assert names.count("clicks__user_pooled") == 1
    for group in conversion.pipeline.model_config.feature_groups:
        assert list(group.feature_names) == ["user", "clicks__user_pooled"]
    assert features_of(conversion)["clicks__user_pooled"].embedding_name == "clicks__user_emb"
    check(conversion)


@pytest.mark.parametrize(
    ("encoders", "table"),
    [
        (DIN, "clicks__user_embedding"),
        (POOL % "", "clicks__user_pooled_embedding"),
        (DIN + POOL % "", "clicks__user_emb"),
    ],
)
def test_the_table_of_a_history_is_frozen_under_the_name_that_it_has(small, encoders, table):
    features = SEQUENCE.replace("hash_bucket_size: 10 }", "hash_bucket_size: 10 trainable: false }")
    conversion = with_history(small, GROUP % '["user", "clicks__user"]' + encoders, features=features)
    assert list(conversion.pipeline.train_config.freeze_gradient) == [f"/{table}/embedding_weights$"]


def test_a_sequence_group_without_a_name_has_that_of_its_group_there(small):
    renamed = ('group_name: "all"', 'group_name: "deep"')
    part = (GROUP % '["user", "clicks__user"]').replace('group_name: "g" ', "")
    other = (GROUP % '["user", "clicks__age"]').replace('"g"', '"h"')
    conversion = with_history(small, part + other + DIN.replace('"g"', '"deep"'), renamed)
    (attention,) = conversion.pipeline.model_config.feature_groups[0].sequence_features
    assert list(attention.seq_att_map[0].hist_seq) == ["clicks__user"]


def test_attention_groups_have_names_of_their_own(small):
    group = GROUP % '["user", "clicks__user"]'
    encoders = DIN + DIN + DIN.replace('"g"', '"g_2"')
    conversion = with_history(small, group + group.replace('"g"', '"g_2"') + encoders)
    attentions = conversion.pipeline.model_config.feature_groups[0].sequence_features
    assert [attention.group_name for attention in attentions] == ["g", "g_2", "g_2_2"]
    check(conversion)


def test_simple_attention_gets_a_network(small, said):
    simple = 'sequence_encoders { simple_attention { input: "g" } }'
    conversion = with_history(small, GROUP % '["user", "clicks__user"]' + simple)
    (attention,) = conversion.pipeline.model_config.feature_groups[0].sequence_features
    assert not attention.HasField("seq_dnn")
    assert any("a small network scores the steps" in remark for remark in said(conversion, Kind.CHANGED))


@pytest.mark.parametrize(
    ("encoder", "text"),
    [
        ('multi_window_din_encoder { input: "g" windows_len: 3 }', "there is none here"),
        ('self_attention_encoder { input: "g" }', "there is none here"),
        ('din_encoder { input: "h" }', 'its sequence group "h" has no history'),
    ],
)
def test_encoders_without_counterpart(small, said, encoder, text):
    conversion = with_history(small, GROUP % '["user", "clicks__user"]' + f"sequence_encoders {{ {encoder} }}")
    assert not conversion.pipeline.model_config.feature_groups[0].sequence_features
    assert any(text in remark for remark in said(conversion, Kind.LEFT_OUT))


def test_a_candidate_wider_than_a_step_is_told(small, said):
    conversion = with_history(small, GROUP % '["user", "clicks__age"]' + DIN)
    assert any("are 4 wide and those of a step 2" in remark for remark in said(conversion, Kind.LEFT_OUT))


@pytest.mark.parametrize("length", ["sequence_length: 30", ""])
def test_a_shorter_history_of_an_encoder_is_told(small, said, length):
    din = DIN.replace('input: "g"', 'input: "g" max_seq_length: 10')
    features = SEQUENCE.replace("sequence_length: 30", length)
    conversion = with_history(small, GROUP % '["user", "clicks__user"]' + din, features=features)
    assert any("set sequence_length of the features to 10" in remark for remark in said(conversion, Kind.LEFT_OUT))


@pytest.mark.parametrize(
    ("feature", "text"),
    [
        ("weighted: true", "the items of a history have no weights"),
        ('sequence_fields: "other"', '"col" is no history'),
    ],
)
def test_what_an_item_of_a_history_cannot_be_is_told(small, said, feature, text):
    features = SEQUENCE.replace('"user:uid" embedding', f'"user:col" {feature} embedding')
    conversion = with_history(small, GROUP % '["user", "clicks__user"]' + DIN, features=features)
    assert any(text in remark for remark in said(conversion, Kind.LEFT_OUT))
    assert not features_of(conversion)["clicks__user"].HasField("kv_separator")


def test_numbers_of_a_history_are_not_scaled(small, said):
    features = SEQUENCE.replace("value_dim: 2", 'normalizer: "method=zscore,mean=1,standard_deviation=2"')
    conversion = with_history(small, GROUP % '["user", "clicks__price"]' + DIN, features=features)
    found = features_of(conversion)["clicks__price"]
    assert not (found.HasField("min_val") or found.HasField("max_val"))
    assert any("numbers of a history stay as they are" in remark for remark in said(conversion, Kind.LEFT_OUT))


def test_autodis_is_no_part_of_a_history(small, said):
    features = SEQUENCE.replace("value_dim: 2", "embedding_dim: 8 autodis { num_channels: 5 }")
    conversion = with_history(small, GROUP % '["user", "clicks__price"]' + DIN, features=features)
    assert features_of(conversion)["clicks__price"].embedding_dim == 8
    assert any("takes the place of AutoDis" in remark for remark in said(conversion, Kind.CHANGED))
    check(conversion)


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ('["clicks__user"]', "are 0 wide and those of a step 4"),
        ('["user", "clicks__user"] embedding_name_suffix: "s"', "tables are apart by embedding_name"),
        ('["user", "clicks__user", "clicks__usr"]', '"clicks__usr" is no feature. Did you mean "clicks__user"?'),
    ],
)
def test_remarks_on_sequence_groups(small, said, group, text):
    (remark,) = said(with_history(small, GROUP % group + DIN), Kind.LEFT_OUT)
    assert text in remark


def test_a_history_without_encoder_is_told(small, said):
    conversion = with_history(small, "", ('feature_names: ["user"', 'feature_names: ["user", "clicks__user"'))
    assert any(
        '"clicks__user" is a history: it needs a sequence encoder' in text for text in said(conversion, Kind.LEFT_OUT)
    )


def test_keys_for_a_server_are_not_needed(small, said):
    features = SEQUENCE.replace("sequence_length: 30", 'sequence_length: 30 sequence_pk: "user:pk"')
    conversion = with_history(small, GROUP % '["user", "clicks__user"]' + DIN, features=features)
    assert any("sequence_pk" in remark for remark in said(conversion, Kind.NOT_NEEDED))


def test_the_example(said):
    path = CONFIGS / "ple_histories.config"
    conversion = convert(path.read_text(), path.name)
    (group,) = conversion.pipeline.model_config.feature_groups
    assert list(group.feature_names) == ["user", "item_id", "buy_seq_pooled"]
    assert [list(entry.key) for entry in group.sequence_features[0].seq_att_map] == [["item_id", "cate"]]
    tables = {name: feature.embedding_name for name, feature in features_of(conversion).items()}
    assert tables["item_id"] == tables["click_50__item_id"] == tables["buy_seq_pooled"] == "item"
    check(conversion)
