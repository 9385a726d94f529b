"""List columns of Parquet as the text that a request would hold."""

import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from easymtl.data.column_types import distinct_texts
from easymtl.data.lists import encode_items
from easymtl.data.sources import open_source
from easymtl.data.text_form import TextForm, text_forms
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline

FEATURES = """
features { input_names: "tags" input_names: "weights" feature_type: TagFeature separator: "|" }
features { input_names: "vector" feature_type: RawFeature separator: ";" raw_input_dim: 3 }
features { input_names: "ids" feature_type: TagFeature separator: "," }
features { input_names: "one" feature_type: IdFeature }
features { input_names: "number" feature_type: RawFeature }
features { input_names: "left" input_names: "many" feature_type: ComboFeature combo_input_seps: ["", "|"] }
features { feature_name: "rounded" input_names: "digits" feature_type: TagFeature precision: 2 }
"""
NAMES = ["tags", "weights", "vector", "ids", "one", "number", "left", "many", "digits", "label", "unread"]
LISTS = [
    pa.list_,
    pa.large_list,
    pa.list_view,
    pa.large_list_view,
]


def pipeline(features=FEATURES, kinds=None):
    message = Pipeline()
    for name in NAMES:
        message.data_config.input_fields.add(input_name=name, input_type=(kinds or {}).get(name, "STRING"))
    message.data_config.label_fields.append("label")
    text_format.Merge(features, message.feature_config)
    text_format.Merge('dbmtl { task_towers { tower_name: "t" label_name: "label" } }', message.model_config)
    return message


@pytest.fixture
def read(tmp_path):
    """Writes columns into a Parquet file and returns what a source with the forms of a pipeline makes of them."""

    def read_all(columns, names=None, config=None, row_group_size=2, **settings):
        config = config or pipeline()
        text_format.Merge(" ".join(f"{name}: {value}" for name, value in settings.items()), config.data_config)
        pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=row_group_size)
        names = names or list(columns)
        forms = text_forms(config)
        source = open_source(str(tmp_path / "a.parquet"), config.data_config, names, batch_rows=3, forms=forms)
        batches = [batch for block in source.blocks for batch in source.read(block)]
        return {name: [one for batch in batches for one in batch.column(name).to_pylist()] for name in names}, source

    return read_all


@pytest.mark.parametrize("kind", LISTS)
def test_items_are_joined_with_the_separator_of_their_feature(read, kind):
    columns = {
        "tags": pa.array([["a", "b"], None, [], ["c"], [None], ["", "d"]], kind(pa.string())),
        "ids": pa.array([[1, 2], [3], None, [], [-4, None], [None]], kind(pa.int64())),
        "vector": pa.array([[1.5, None, 2.0], [0.1], None, [], [None], [3.0, 4.0]], kind(pa.float32())),
        "many": pa.array([["x"], ["y", "z"], None, [], [None], ["", ""]], kind(pa.large_string())),
    }
    values, source = read(columns)
    assert values == {
        "tags": ["a|b", None, None, "c", None, "|d"],
        "ids": ["1,2", "3", None, None, "-4,", None],
        "vector": ["1.5;;2", "0.1", None, None, None, "3;4"],
        "many": ["x", "y|z", None, None, None, None],
    }
    assert source.schema.field("tags").type == pa.dictionary(pa.int32(), pa.string())


@pytest.mark.parametrize(
    "items, texts",
    [
        (pa.array([[True, False], None], pa.list_(pa.bool_(), 2)), ["true,false", None]),
        (pa.array([[17.0, np.nan], [2.0**53]], pa.list_(pa.float64())), ["17,", str(2**53)]),
        (pa.array([[decimal.Decimal("1.50")]] * 2), ["1.50"] * 2),
        (pa.array([[0], [1]], pa.list_(pa.date32())), ["1970-01-01", "1970-01-02"]),
        (pa.array([[None], [None, None]], pa.list_(pa.null())), [None, None]),
        (pa.array([[b"a"], [b"b", b"c"]]), ["a", "b,c"]),
        (pa.array([[2**64 - 1], [1]], pa.list_(pa.uint64())), [str(2**64 - 1), "1"]),
    ],
)
def test_items_of_any_type_follow_the_rule_of_their_type(read, items, texts):
    assert read({"ids": items})[0] == {"ids": texts}


def test_numbers_in_lists_read_as_the_same_float32(read):
    numbers = np.random.default_rng(5).normal(0, 10.0 ** np.arange(-20, 20).repeat(3)).astype(np.float32)
    columns = {"vector": pa.array([[number] for number in numbers], pa.list_(pa.float32()))}
    values, _ = read(columns)
    assert [np.float32(text) for text in values["vector"]] == numbers.tolist()


def test_precision_of_the_feature_writes_items(read):
    assert read({"digits": pa.array([[0.125, 1.0], [2.5]])})[0] == {"digits": ["0.12|1.00", "2.50"]}


@pytest.mark.parametrize("names", [["tags", "weights"], ["weights"]])
def test_a_weight_goes_with_its_empty_tag(read, names):
    """Also when the weights are read alone, as `check` and messages do."""
    columns = {
        "tags": [["a", None, "b"], ["", "c"], [None], None, ["d"], ["e", "f"]],
        "weights": [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [4.0], [5.0], None, [0.5, None]],
    }
    values, source = read(columns, names)
    assert values["weights"] == ["1|3", "2|3", None, "5", None, "0.5|1"]
    assert source.find(source.blocks[0], "weights", "2|3").endswith("row 2 (row group 0)")


def test_a_weight_that_cannot_go_with_its_tag_is_a_row_error(read):
    columns = {"tags": [["a"], ["b", None]], "weights": ["1", "1|2"]}
    with pytest.raises(UserError, match=r'row 2 .* column "weights" weighs the tags of "tags", of which one is empty'):
        read(columns)
    values, source = read(columns, ignore_error="true")
    assert values == {"tags": ["a"], "weights": ["1"]}
    assert source.skipped_rows == 1
    other = FEATURES + 'features { input_names: "weights" feature_type: RawFeature raw_input_dim: 2 }'
    with pytest.raises(UserError, match=r"row 2 .* or has another reader"):
        read({"tags": [["a"], ["b", None]], "weights": [[1], [1, 2]]}, config=pipeline(other))


@pytest.mark.parametrize(
    "name, items, sentence",
    [
        ("tags", [["a"], ["b|c"]], r'with an item that holds "\|", the separator of its feature'),
        ("ids", [[1.0], [1.5]], r"\[1.5\], of which one is 1.5, which is no whole number.* Set precision"),
        ("ids", [[1.0], [2.0**60]], "beyond 9007199254740992"),
        ("vector", [[1.0], [np.inf]], "of which one is inf, which has no text"),
        ("weights", [[1.0], [np.nan]], "a weight of which is NaN"),
        ("tags", [[b"a"], [b"\xff"]], r"of which one is b'\\xff', binary that is no UTF-8 text"),
    ],
)
def test_a_list_that_no_request_could_say_is_named_or_left_out(read, name, items, sentence):
    with pytest.raises(UserError, match=rf'a\.parquet: row 2 \(row group 0\): column "{name}" holds .*{sentence}'):
        read({name: items})
    values, source = read({name: items, "one": ["x", "y"]}, ignore_error="true")
    assert values["one"] == ["x"]
    assert source.skipped_rows == 1


@pytest.mark.parametrize(
    "name, advice",
    [
        ("one", 'feature "one", an IdFeature, reads one value of each row: make it a TagFeature'),
        ("number", 'feature "number", a RawFeature, reads one value of each row: set its raw_input_dim'),
        ("left", 'feature "left", a ComboFeature, reads one value of each row: give it combo_input_seps'),
        ("label", "a label is one value: write one value to a row"),
    ],
)
def test_what_reads_one_value_refuses_lists_by_name(read, name, advice):
    with pytest.raises(UserError, match=rf'column "{name}" is list<.* a list of values, and {advice}'):
        read({name: [[1, 2], [3]]})


def test_features_must_agree_on_the_text(read):
    other = FEATURES + 'features { feature_name: "again" input_names: "ids" feature_type: TagFeature separator: ";" }'
    with pytest.raises(UserError, match=r'"ids" .* differ in separator .",", ";".'):
        read({"ids": [[1, 2], [3]]}, config=pipeline(other))
    assert read({"ids": ["1", "2"]}, config=pipeline(other))[0] == {"ids": ["1", "2"]}


def test_a_list_is_declared_string(read):
    config = pipeline(kinds={"vector": "FLOAT"})
    with pytest.raises(UserError, match=r'"vector" .* declared FLOAT. A list is read as the text .* to STRING'):
        read({"vector": [[0.5], [1.0]]}, config=config)


def test_what_nothing_reads_is_handed_on_as_it_is(read):
    columns = {"unread": [["a", None], None], "one": ["x", "y"]}
    assert read(columns)[0] == columns
    assert read({"unread": [{"a": 1}, None]})[0] == {"unread": [{"a": 1}, None]}


def test_lists_of_histories_maps_and_parts_become_the_text_that_a_request_holds(read):
    features = """
        features { input_names: "tags" feature_type: SequenceFeature sub_feature_type: IdFeature separator: ";"
          seq_multi_sep: "|" precision: 1 }
        features { input_names: "vector" feature_type: SequenceFeature sub_feature_type: RawFeature separator: ";"
          precision: 1 }
        features { input_names: "one" input_names: "many" feature_type: LookupFeature separator: "," kv_separator: ":" }
        features { input_names: "digits" feature_type: RawFeature seq_multi_sep: ";" combiner: "max" }
    """
    columns = {
        "tags": pa.array([["a|b", "", None, "c"], ["|d"], ["", ""], None, []], pa.list_(pa.string())),
        "vector": pa.array([[1.5, None], [0.25], [None], None, []], pa.list_(pa.float32())),
        "many": pa.array([["a:x", "b:y"], ["a:z"], [""], None, []], pa.list_(pa.string())),
        "digits": pa.array([[1.5, 2.0], [0.1], [None, 3.0], None, []], pa.list_(pa.float32())),
    }
    values, _ = read(columns, config=pipeline(features))
    assert values == {
        "tags": ["a|b;;;c", "|d", ";", None, None],
        "vector": ["1.5;", "0.25", "", None, None],
        "many": ["a:x,b:y", "a:z", None, None, None],
        "digits": ["1.5;2", "0.1", ";3", None, None],
    }
    with pytest.raises(UserError, match="reads one value of each row"):
        read({"one": columns["many"]}, config=pipeline(features))


def test_an_empty_step_counts_where_a_tag_reads_the_list_too(read):
    features = """
        features { input_names: "tags" feature_type: SequenceFeature sub_feature_type: IdFeature separator: "|" }
        features { feature_name: "bag" input_names: "tags" feature_type: TagFeature separator: "|" }
    """
    columns = {"tags": pa.array([["", ""], ["a", None], []], pa.list_(pa.string()))}
    assert read(columns, config=pipeline(features))[0] == {"tags": ["|", "a|", None]}


def test_lists_of_lists_are_the_steps_and_items_of_a_history(read):
    features = """
        features { input_names: "tags" feature_type: SequenceFeature separator: ";" seq_multi_sep: "|" }
        features { input_names: "vector" feature_type: SequenceFeature sub_feature_type: RawFeature separator: ";"
          seq_multi_sep: "|" raw_input_dim: 2 }
    """
    columns = {
        "tags": pa.array([[["a", "b"], [], None, ["c"]], [[]], [[], []], None, []], pa.list_(pa.list_(pa.string()))),
        "vector": pa.array([[[1.5, 2.0], [0.25]], [[None, 3.0]], None, [], [[]]], pa.list_(pa.list_(pa.float64()))),
    }
    values, _ = read(columns, config=pipeline(features))
    assert values["tags"] == ["a|b;;;c", "", ";", None, None]
    assert values["vector"] == ["1.5|2;0.25", "|3", None, None, ""]


@pytest.mark.parametrize("item", ["x|y", "x;y"])
def test_an_item_of_a_list_in_a_list_that_holds_a_separator_is_refused(read, item):
    features = 'features { input_names: "tags" feature_type: SequenceFeature separator: ";" seq_multi_sep: "|" }'
    column = pa.array([[["a"]], [["b"], [item]]], pa.list_(pa.list_(pa.string())))
    with pytest.raises(UserError, match=r'row 2 .*with an item that holds ";", "\|", the separator of its feature'):
        read({"tags": column}, config=pipeline(features))


def test_lists_of_lists_have_no_reader_without_a_separator_of_items(read):
    features = 'features { input_names: "tags" feature_type: SequenceFeature separator: ";" }'
    with pytest.raises(UserError, match="no input_type reads that"):
        read({"tags": pa.array([[["a"]]], pa.list_(pa.list_(pa.string())))}, config=pipeline(features))


def test_a_step_of_empty_items_is_written_as_one_without_items(read):
    features = 'features { input_names: "tags" feature_type: SequenceFeature separator: ";" seq_multi_sep: "|" }'
    column = pa.array([[["a"], ["", None]], [["", ""], ["b", ""]]], pa.list_(pa.list_(pa.string())))
    assert read({"tags": column}, config=pipeline(features))[0] == {"tags": ["a;", ";b|"]}


@pytest.mark.parametrize("item", ["b|c", "b,c"])
def test_an_item_that_holds_any_of_the_characters_that_features_split_at_is_refused(read, item):
    config = pipeline('features { input_names: "tags" feature_type: TagFeature separator: "|," }')
    assert read({"tags": [["a", "b"], ["c"]]}, config=config)[0] == {"tags": ["a|b", "c"]}
    with pytest.raises(UserError, match=r"row 2 .*with an item that holds"):
        read({"tags": [["a"], [item]]}, config=config)


def test_empty_tags_behind_the_last_weight_take_none_of_another_row(read):
    columns = {"tags": [["a", "b", "c", None, ""], ["d"], ["e"]], "weights": [[1, 2], [3], [4]]}
    assert read(columns)[0]["weights"] == ["1|2", "3", "4"]


def test_rows_that_no_text_stands_for_are_null_and_told_once_each():
    form = TextForm(separators=("|",))
    column = pa.array([[b"a|b", b"c"], [b"\xff", b"x|y"], [b"d"], None, [b"e", b"f|g", b"h|i"]], pa.list_(pa.binary()))
    lists, bad = encode_items(column, form, lambda items: distinct_texts(items, form))
    assert bad.tolist() == [0, 1, 4]
    assert lists.to_pylist() == [None, None, ["d"], None, None]
    lists, bad = encode_items(pa.array([[b"\xff"], [b"a|b"]]), form, lambda items: distinct_texts(items, form))
    assert (lists.to_pylist(), bad.tolist()) == ([None, None], [0, 1])
