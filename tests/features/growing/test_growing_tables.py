"""Batches with keys become batches with rows: once for each id, in each table, and nothing else is touched."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.features.feature_set import FeatureSet
from easymtl.features.tally import Tally
from tests.features.feature_cases import make_pipeline

FIELDS = {"user": "STRING", "item": "INT64", "seen": "STRING", "place": "STRING"}
ITEMS = 'embedding_name: "items" embedding_dim: 4 growing { max_rows: 4 admit_after: 3 }'
FEATURES = [
    'input_names: "user" embedding_dim: 4 growing { max_rows: 9 admit_after: 2 }',
    f'input_names: "item" {ITEMS}',
    f'input_names: "seen" feature_type: SequenceFeature {ITEMS}',
    'input_names: "place" embedding_dim: 4 hash_bucket_size: 7',
]
COLUMNS = {
    "user": ["a", "b", "", "a"],
    "item": [7, -8, 7, 9],
    "seen": ["7|8", "", "-8|-8", "x|x"],
    "place": ["p", "q", "p", ""],
}


@pytest.fixture
def features():
    return FeatureSet(make_pipeline(FIELDS, FEATURES, {"one": ["place", "user", "item", "seen"], "two": ["user"]}))


def encoded(features, **columns):
    data = COLUMNS | columns
    types = {"item": pa.int64()}
    return Encoder(features)(
        pa.record_batch({name: pa.array(values, types.get(name)) for name, values in data.items()})
    )


def own_rows(features, rows, group, feature):
    slot = next(slot for slot in features.slots if (slot.group, slot.feature) == (group, feature))
    ids = slot.columns.keys(rows.columns[slot.columns.name], slot)
    return np.where(ids < 0, -1, ids - slot.offset).tolist()


def test_an_id_is_one_in_all_groups_and_features_that_share_a_table(features):
    assert sorted(features.growing.ids) == ["items", "user"]
    before = encoded(features)
    rows = features.growing.assign(before)
    # "a" is seen twice, not four times in two groups; 7 three times in two features; "x" and -8 as text too.
    for group in ("one", "two"):
        assert own_rows(features, rows, group, "user") == [1, 0, -1, 1]
    assert own_rows(features, rows, "one", "item") == [1, 2, 1, 0]
    assert own_rows(features, rows, "one", "seen") == [1, 0, -1, 2, 2, 0, 0]
    hashed = features.transforms["place"].lookup
    assert own_rows(features, rows, "one", "place")[0] == int(hashed(tf.constant(["p"])).ids[0])
    assert rows.columns["ids_4"].dtype == np.int32 and before.columns["ids_4"].dtype == np.int64


def test_what_was_not_kept_is_not_there_and_keys_stay_in_the_rows(features):
    rows = encoded(features)
    features.growing.assign(rows)
    assert own_rows(features, features.growing.look_up(rows), "one", "item") == [0, 0, 0, 0]
    features.growing.assign(rows)
    features.growing.keep()
    # The same rows, looked up later, have what there is by then.
    assert own_rows(features, features.growing.look_up(rows), "one", "item") == [1, 2, 1, 0]


def test_rows_may_be_taken_sliced_and_joined_before_they_are_looked_up(features):
    rows = encoded(features)
    features.growing.assign(rows)
    features.growing.keep()
    turned = rows.take(np.array([3, 2, 1, 0])).slice(1, 3)
    assert own_rows(features, features.growing.look_up(turned), "one", "seen") == [2, 2, -1, 1, 0]


def test_ids_without_a_row_are_counted_where_rows_are_scored(features):
    features.growing.assign(encoded(features))
    features.growing.keep()
    encoder = Encoder(features, as_served=True)
    tally = Tally(encoder.codes)
    types = {"item": pa.int64()}
    tally.add(encoder(pa.record_batch({name: pa.array(values, types.get(name)) for name, values in COLUMNS.items()})))
    assert {name: kinds.get("unseen") for name, kinds in tally.counts.items()} == {
        "user": 1,
        "item": 1,
        "seen": 3,
        "place": None,
    }


def test_a_table_grows_for_all_that_share_it_or_for_none():
    shared = 'embedding_name: "t" embedding_dim: 4'
    features = [
        f'input_names: "user" {shared} growing {{ max_rows: 6 }}',
        f'input_names: "place" {shared} hash_bucket_size: 7',
    ]
    with pytest.raises(UserError, match='"place": shares the table "t", which grows for one feature and not for the'):
        FeatureSet(make_pipeline(FIELDS, features))


def test_words_of_easyrec_mean_the_same():
    said = 'input_names: "user" embedding_dim: 4 ev_params { filter_freq: 3 steps_to_live: 50 max_capacity: 99 }'
    [ids] = FeatureSet(make_pipeline(FIELDS, [said])).growing.ids.values()
    assert (ids.settings.max_rows, ids.settings.admit_after, ids.expire_after, ids.num_rows) == (99, 3, 50, 100)
    plain = FeatureSet(make_pipeline(FIELDS, ['input_names: "user" embedding_dim: 4 ev_params { }'])).growing.ids
    assert plain["user"].settings.admit_after == 1
