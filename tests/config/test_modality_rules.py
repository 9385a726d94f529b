"""Rules of networks over images and texts: each mistake with its line, and none where a config is right."""

import pytest
from google.protobuf import text_format

from easymtl.config.modalities import ModalityShapes, uniter_faults
from easymtl.protos.model_pb2 import UniterTower
from tests.errors.project import CONFIG, replaced

GROUPS = """  feature_groups { group_name: "image" feature_names: "img" }
  feature_groups { group_name: "general" feature_names: ["user", "tags"] }
  feature_groups { group_name: "text" feature_names: ["title", "genre"] }
  feature_groups { group_name: "other" feature_names: "price" }
"""
_HISTORY = "feature_type: SequenceFeature max_seq_len: 3"
FEATURES = f"""  features {{ input_names: "title" {_HISTORY} hash_bucket_size: 9 embedding_dim: 4 }}
  features {{ input_names: "genre" {_HISTORY} hash_bucket_size: 8 embedding_dim: 4 }}
  features {{ input_names: "img" feature_type: RawFeature raw_input_dim: 6 separator: "," }}
}}
model_config {{
"""
PRICE = '  input_fields { input_name: "price" input_type: FLOAT }\n'
FIELDS = "".join(
    f'  input_fields {{ input_name: "{name}" input_type: STRING }}\n' for name in ("title", "genre", "img")
)
UNITER = (
    "bottom_uniter { hidden_size: 4 num_attention_heads: 2 num_hidden_layers: 1 intermediate_size: 5 "
    "max_position_embeddings: 3 other_feature_dnn { hidden_units: 3 } }"
)
CMBF = (
    "bottom_cmbf { multi_head_num: 2 image_head_size: 4 text_head_size: 4 image_cross_head_size: 2 "
    "text_cross_head_size: 2 image_feature_patch_num: 2 image_self_attention_layer_num: 1 max_position_embeddings: 3 }"
)
BASE = replaced(
    CONFIG,
    (PRICE, PRICE + FIELDS),
    ("}\nmodel_config {\n", FEATURES),
    ('  feature_groups { group_name: "all" feature_names: ["user", "tags", "price"] }\n', GROUPS),
    ("bottom_dnn { hidden_units: [8, 6] }", UNITER),
)
TEXT = 'feature_names: ["title", "genre"]'
ATTENTION = 'sequence_features { group_name: "s" seq_att_map { key: "user" hist_seq: "title" } }'


@pytest.fixture
def problems_of(problems):
    return lambda *changes: problems(*changes, text=BASE)


@pytest.mark.parametrize("network", [UNITER, CMBF])
def test_the_configs_that_the_cases_start_from_are_right(load, network):
    assert load((UNITER, network), text=BASE).notes == []


@pytest.mark.parametrize("name", ["image", "general", "text"])
def test_any_of_the_groups_will_do(load, name):
    others = [line for line in GROUPS.splitlines(keepends=True) if f'"{name}"' not in line and '"other"' not in line]
    load(*((line, "") for line in others), text=BASE)


CASES = {
    "both networks": ((UNITER, f"{UNITER} {CMBF}"), "bottom_uniter stands beside bottom_cmbf, which takes its place."),
    "a DNN too": ((UNITER, f"{UNITER} bottom_dnn {{ hidden_units: 4 }}"), "bottom_dnn stands beside bottom_uniter"),
    "no group": (
        (GROUPS, '  feature_groups { group_name: "all" feature_names: "price" }\n'),
        'bottom_uniter reads the feature groups "image", "general", "text", "other", but there is none of them.',
    ),
    "a text that is no history": (
        (TEXT, 'feature_names: ["title", "user"]'),
        '"user" is a feature of type IdFeature; the group "text" holds features of type SequenceFeature.',
    ),
    "a history that is no text": (
        ('feature_names: "img"', 'feature_names: ["img", "title"]'),
        'feature_names[1] "title" is a history: move it to the group "text".',
    ),
    "attention": (
        (f"{TEXT} }}", f"{TEXT} {ATTENTION} }}"),
        'sequence_features[0] belongs to the group "text", of which each feature is a token. Remove it.',
    ),
    "widths": (
        ("hash_bucket_size: 8 embedding_dim: 4", "hash_bucket_size: 8 embedding_dim: 6"),
        "bottom_uniter needs features of one width in the group text, but they have widths 4, 6; give them one",
    ),
    "too many steps": (
        ("max_position_embeddings: 3", "max_position_embeddings: 2"),
        'bottom_uniter has max_position_embeddings 2, but the text "title" may have 3 steps (max_seq_len).',
    ),
    "heads": (
        ("num_attention_heads: 2", "num_attention_heads: 3"),
        "bottom_uniter has hidden_size 4, which is no multiple of",
    ),
    "activation": (
        ("intermediate_size: 5", "intermediate_size: 5 hidden_act: 'gelo'"),
        'bottom_uniter has hidden_act "gelo"',
    ),
    "no other features": (
        ('  feature_groups { group_name: "other" feature_names: "price" }\n', ""),
        "bottom_uniter has other_feature_dnn, but there is no feature group other; leave it out.",
    ),
    "patches": (
        (UNITER, CMBF.replace("patch_num: 2", "patch_num: 4")),
        "bottom_cmbf has image_feature_patch_num 4, but the feature of the group image has 6 numbers",
    ),
    "heads of no width": (
        (UNITER, CMBF.replace("text_head_size: 4", "")),
        "bottom_cmbf needs text_head_size, 1 or more.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_mistakes_are_told_with_their_place(problems_of, name):
    change, text = CASES[name]
    found = problems_of(change)
    assert any(text in problem for problem in found), found
    assert all(problem.startswith("x.config:") for problem in found)


def test_a_bad_name_is_told_once(problems_of):
    [found] = problems_of((TEXT, 'feature_names: ["titel", "genre"]'))
    assert 'Did you mean "title"?' in found


def test_there_may_be_as_many_images_as_positions():
    sizes = "hidden_size: 4 num_attention_heads: 2 num_hidden_layers: 1 intermediate_size: 5 max_position_embeddings: 3"
    config = text_format.Parse(sizes, UniterTower())
    assert list(uniter_faults(config, ModalityShapes(image=[4] * 3))) == []
    faults = list(uniter_faults(config, ModalityShapes(image=[4] * 4)))
    assert faults == ["reads 4 images, more than max_position_embeddings 3"]
