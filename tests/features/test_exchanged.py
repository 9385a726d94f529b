"""Packed rows with one feature of other rows are what the encoder makes of raw rows with its fields of other rows."""

import numpy as np
import pytest
from google.protobuf import text_format

from easymtl.data.rows import Rows
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from easymtl.features.kinds import KINDS
from tests.features.feature_cases import make_batch, make_pipeline

NUM_ROWS = 40
TABLE = "embedding_dim: 4 hash_bucket_size: 50"
HISTORY = f"feature_type: SequenceFeature {TABLE}"
FEATURES = {
    "id": f"feature_type: IdFeature {TABLE}",
    "shared": f'feature_type: IdFeature embedding_name: "t" {TABLE}',
    "sharing": f'feature_type: IdFeature embedding_name: "t" {TABLE}',
    "tags": f"feature_type: TagFeature {TABLE}",
    "weighted": f'feature_type: TagFeature kv_separator: ":" {TABLE}',
    "more_tags": f'feature_type: TagFeature combiner: "mean" {TABLE}',
    "number": "feature_type: RawFeature",
    "numbers": "feature_type: RawFeature raw_input_dim: 3",
    "last": "feature_type: RawFeature",
    "steps": HISTORY,
    "items": f'seq_multi_sep: ";" combiner: "mean" {HISTORY}',
    "seconds": "feature_type: SequenceFeature sub_feature_type: RawFeature",
    "plain": "feature_type: RawFeature raw_input_dim: 2",
    "text": f"feature_type: IdFeature {TABLE}",
}
PLAIN = ("plain", "text")
KIND_OF = {
    **dict.fromkeys(("id", "shared", "sharing"), "ids"),
    **dict.fromkeys(("tags", "weighted", "more_tags"), "bags"),
    **dict.fromkeys(("number", "numbers", "last"), "dense"),
    **dict.fromkeys(("steps", "items", "seconds"), "steps"),
    **dict.fromkeys(PLAIN, "plain"),
}


def block(group: str) -> str:
    """Returns a block that reads a group: the histories step by step, those of `PLAIN` as they are."""
    steps = "input_layer { output_seq_and_normal_feature: true concat_seq_feature: false }"
    reads = "raw_input { }" if group in PLAIN else steps
    return f'blocks {{ name: "{group}" inputs {{ feature_group_name: "{group}" }} {reads} }}'


def texts(random: np.random.Generator, name: str) -> list[str | None]:
    """Returns a value of a feature for each row; some are empty, some missing."""

    def number() -> str:
        return f"{random.normal():.3f}"

    def word() -> str:
        return f"w{random.integers(30)}"

    def several(make, separator: str, most: int = 4) -> str:
        return separator.join(make() for _ in range(random.integers(most + 1)))

    makers = {
        "tags": lambda: several(word, "|"),
        "weighted": lambda: several(lambda: f"{word()}:{number()}", "|"),
        "more_tags": lambda: several(word, "|"),
        "number": number,
        "numbers": lambda: several(number, "|", 3),
        "last": number,
        "steps": lambda: several(word, "|"),
        "items": lambda: several(lambda: several(word, ";", 3) or "x", "|"),
        "seconds": lambda: several(number, "|"),
        "plain": lambda: f"{number()}|{number()}",
    }
    make = makers.get(name, word)
    return [None if random.random() < 0.1 else make() for _ in range(NUM_ROWS)]


@pytest.fixture(scope="module")
def case():
    """An encoder of features of all kinds, each of fields of its own, and raw columns."""
    random = np.random.default_rng(3)
    bodies = [f'feature_name: "{name}" input_names: "{name}" {body}' for name, body in FEATURES.items()]
    usual = [name for name in FEATURES if name not in PLAIN]
    groups = {"all": usual, "again": ["numbers", "weighted", "id", "items"], **{name: [name] for name in PLAIN}}
    pipeline = make_pipeline(dict.fromkeys(FEATURES, "STRING"), bodies, groups)
    text_format.Parse(" ".join(map(block, groups)), pipeline.model_config.backbone)
    features = FeatureSet(pipeline)
    return Encoder(features), pipeline, {name: texts(random, name) for name in FEATURES}


def encoded(case, columns: dict[str, list]) -> Rows:
    encoder, pipeline, _ = case
    return encoder(make_batch(pipeline, columns))


def exchanged(case, rows: Rows, name: str, order: np.ndarray) -> Rows:
    columns = dict(rows.columns)
    for column, kind in case[0].feature_set.layout.columns.items():
        slots = [slot for slot in kind.slots if slot.feature.split("/")[-1] == name]
        if slots:
            columns[column] = kind.exchanged(columns[column], slots, order)
    return Rows(columns)


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_of_other_rows_is_what_encoding_other_values_of_its_field_gives(case, name):
    columns = case[2]
    rows = encoded(case, columns)
    before = {key: value.copy() for key, value in to_tensors(rows).items()}
    random = np.random.default_rng(5)
    # A permutation, and rows of which some come twice.
    for order in (random.permutation(NUM_ROWS), random.integers(0, NUM_ROWS, NUM_ROWS)):
        wanted = to_tensors(encoded(case, {**columns, name: [columns[name][row] for row in order]}))
        found = to_tensors(exchanged(case, rows, name, order))
        assert found.keys() == wanted.keys()
        changed = set()
        for key, value in wanted.items():
            np.testing.assert_array_equal(found[key], value, key)
            assert found[key].dtype == value.dtype
            if not np.array_equal(value, before[key]):
                changed.add(key)
        assert changed, "other rows have other values"
    for key, value in to_tensors(rows).items():
        np.testing.assert_array_equal(value, before[key], "what was given stays")


def test_all_kinds_are_among_them(case):
    kinds = {slot.feature.split("/")[-1]: type(slot.columns) for slot in case[0].feature_set.slots}
    assert kinds == {name: KINDS[kind] for name, kind in KIND_OF.items()}
    assert set(kinds.values()) == set(KINDS.values())
