import numpy as np
import pyarrow as pa
import pytest

from easymtl.drafting import draft_config
from easymtl.drafting.separators import text_separator
from easymtl.protos.feature_pb2 import FeatureConfig

RANDOM = np.random.default_rng(0)
ROWS = 1500


def some(words, most=6):
    return [list(RANDOM.choice(words, RANDOM.integers(1, most))) for _ in range(ROWS)]


@pytest.mark.parametrize(
    ("texts", "separator"),
    [
        (["|".join(tags) for tags in some(list("abcdefgh"))], "|"),
        (["\x01".join(tags) for tags in some(list("abcdefgh"))], "\x01"),
        ([",".join(tags) for tags in some(list("abcdefgh"))], ","),
        (["Sales, retail", "Sales, other", "Other, retail"] * 500, None),
        ([f"{n}|{n + 1}" for n in range(0, 2 * ROWS, 2)], None),
        (["one", "two"] * 750, None),
        (["A long sentence; with a clause" + "x" * n for n in range(100)], None),
        ([None, ""] * 700, None),
    ],
)
def test_what_separates_values(texts, separator):
    assert text_separator(pa.array(texts, pa.string())) == separator


def drafted(**columns):
    table = pa.table({"click": RANDOM.integers(0, 2, ROWS), **columns})
    draft = draft_config(table, ["click"])
    return {feature.input_names[0]: feature for feature in draft.pipeline.feature_config.features}, draft


def test_lists_share_the_table_of_what_they_are_about():
    items = [f"i{n}" for n in range(200)]
    history = some(items, 9)
    features, draft = drafted(
        item_id=RANDOM.choice(items, ROWS).tolist(),
        city=RANDOM.choice([f"c{n}" for n in range(200)], ROWS).tolist(),
        clicked_seconds=[[float(len(one)) for one in steps] for steps in history],
        clicked_items=history,
    )
    (block,) = draft.pipeline.model_config.feature_groups[0].sequence_features
    # The history of the key stands first: attention compares their numbers place by place.
    assert list(block.seq_att_map[0].key) == ["item_id"]
    assert list(block.seq_att_map[0].hist_seq) == ["clicked_items", "clicked_seconds"]
    one, other = features["item_id"], features["clicked_items"]
    assert one.embedding_name == other.embedding_name
    assert (one.hash_bucket_size, one.embedding_dim) == (other.hash_bucket_size, other.embedding_dim)
    assert features["clicked_seconds"].sub_feature_type == FeatureConfig.RawFeature
    assert not features["city"].embedding_name


def test_histories_stand_in_the_order_of_their_keys():
    steps = [RANDOM.integers(0, 40, RANDOM.integers(1, 8)) for _ in range(ROWS)]
    own = RANDOM.integers(0, 40, ROWS)
    kinds, brands = np.array([f"k{n}" for n in range(40)]), np.array([f"b{n}" for n in range(40)])
    _, draft = drafted(
        seen_seconds=[[float(n) for n in one] for one in steps],
        seen_brands=[brands[one].tolist() for one in steps],
        seen_kinds=[kinds[one].tolist() for one in steps],
        item_kind=kinds[own].tolist(),
        item_brand=brands[own].tolist(),
    )
    (block,) = draft.pipeline.model_config.feature_groups[0].sequence_features
    order = [name.removeprefix("item_") for name in block.seq_att_map[0].key]
    told = [name.removeprefix("seen_").removesuffix("s") for name in block.seq_att_map[0].hist_seq]
    assert sorted(order) == ["brand", "kind"] and told == [*order, "second"]


def test_histories_of_other_lengths_are_blocks_of_their_own():
    items = [f"i{n}" for n in range(200)]
    _, draft = drafted(
        item_id=RANDOM.choice(items, ROWS).tolist(), seen_items=some(items, 9), liked_items=some(items, 9)
    )
    blocks = draft.pipeline.model_config.feature_groups[0].sequence_features
    assert [list(block.seq_att_map[0].hist_seq) for block in blocks] == [["seen_items"], ["liked_items"]]


def test_lists_that_are_about_nothing_are_tags():
    features, _ = drafted(topics=some([f"t{n}" for n in range(300)]), codes=[[1, 2, 3]] * ROWS)
    assert features["topics"].feature_type == FeatureConfig.TagFeature
    assert features["topics"].combiner == "mean"


def test_numbers_of_one_length_are_vectors_and_others_their_mean():
    lengths = RANDOM.integers(0, 5, ROWS)
    features, _ = drafted(
        vector=RANDOM.normal(size=(ROWS, 5)).tolist(), scores=[RANDOM.normal(size=n).tolist() for n in lengths]
    )
    assert features["vector"].raw_input_dim == 5
    assert (features["scores"].combiner, features["scores"].seq_multi_sep) == ("mean", "|")


def test_what_separates_a_list_stands_in_none_of_its_items():
    words = ["a|b", "c;d", "e", "f"]
    features, _ = drafted(topics=some(words))
    assert features["topics"].separator not in {"|", ";"} and features["topics"].separator


def test_rare_ids_are_not_compared_where_others_tell_of_the_same_steps():
    items = np.array([f"i{n}" for n in range(1500)])
    kinds = np.array([f"k{n}" for n in range(60)])
    places = [RANDOM.integers(0, 1500, RANDOM.integers(1, 8)) for _ in range(ROWS)]
    own = RANDOM.integers(0, 1500, ROWS)
    columns = {
        "item_id": items[own].tolist(),
        "item_kind": kinds[own % 60].tolist(),
        "seen_items": [items[one].tolist() for one in places],
        "seen_kinds": [kinds[one % 60].tolist() for one in places],
    }
    features, draft = drafted(**columns)
    assert "seen_items" not in features and "too few to compare steps with" in draft.text
    assert "seen_kinds" in features


@pytest.mark.parametrize("weight", [lambda: f"{RANDOM.random():.2f}", lambda: str(RANDOM.random()), lambda: "2"])
def test_tags_with_weights_are_words_and_weights(weight):
    tags = [",".join(f"t{tag}:{weight()}" for tag in RANDOM.choice(9, 2, replace=False)) for _ in range(ROWS)]
    features, draft = drafted(tags=tags, listed=[row.split(",") for row in tags])
    for name in ("tags", "listed"):
        assert features[name].feature_type == FeatureConfig.TagFeature and features[name].kv_separator == ":"
        assert features[name].hash_bucket_size == 200
        assert any(f'"{name}" are taken for words with weights' in note for note in draft.notes)


def test_times_of_the_day_are_no_tags_with_weights():
    hours = [[f"{hour}:30" for hour in RANDOM.integers(0, 24, 2)] for _ in range(ROWS)]
    assert not drafted(hours=hours)[0]["hours"].HasField("kv_separator")


def test_prose_is_left_out_and_what_can_be_done_is_told():
    texts = [" ".join(RANDOM.choice(["red", "coat", "of", "wool", "a"], 30)) for _ in range(ROWS)]
    assert 'TagFeature with separator: " "' in drafted(title=texts, age=RANDOM.integers(0, 9, ROWS))[1].text
