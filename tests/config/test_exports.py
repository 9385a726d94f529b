"""What export_config asks of inputs, outputs and files, found before anything is trained."""

from pathlib import Path

import pytest

from easymtl.config.multi_values import FLOAT, INT64, STRING, MultiValue, multi_values

ATTENTION = "sequence_combiner { attention {} }"
AT = "feature_config {"
TAGS = 'features { input_names: "tags" feature_type: TagFeature hash_bucket_size: 20 embedding_dim: 4 }'


def export(text):
    return (AT, f"export_config {{ {text} }}\n{AT}")


def features(*declared):
    """Replaces the feature of tags; each further one is declared and read by no group."""
    return (TAGS, "\n".join(declared))


def tags(rest, name="tags"):
    return f'features {{ feature_name: "{name}" input_names: "tags" embedding_dim: 4 {rest} }}'


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("feature_type: TagFeature hash_bucket_size: 20", STRING),
        ("feature_type: TagFeature vocab_list: ['a', 'b']", STRING),
        ("feature_type: TagFeature num_buckets: 20", INT64),
        ("feature_type: TagFeature num_buckets: 20 hash_bucket_size: 5", STRING),
        ("feature_type: TagFeature num_buckets: 20 kv_separator: ':'", STRING),
        ("feature_type: SequenceFeature num_buckets: 20 sequence_combiner { attention {} }", INT64),
        ("feature_type: SequenceFeature num_buckets: 20 seq_multi_sep: ';' sequence_combiner { attention {} }", STRING),
        (f"feature_type: SequenceFeature sub_feature_type: RawFeature boundaries: 1 {ATTENTION}", FLOAT),
        ("feature_type: RawFeature raw_input_dim: 2", FLOAT),
    ],
)
def test_inputs_with_several_values_are_found_by_their_features(load, declared, kind):
    config = load(features(tags(declared)), export("auto_multi_value: true"))
    is_history = "SequenceFeature" in declared and "seq_multi_sep" not in declared
    assert multi_values(config.pipeline) == {"tags": MultiValue(kind, "|", is_history=is_history)}
    assert not multi_values(load(features(tags(declared))).pipeline)


def test_weights_know_their_tags_and_fields_that_hold_one_value_stay_as_they_are(load):
    weighted = (
        'features { input_names: ["tags", "user"] feature_type: TagFeature hash_bucket_size: 9 embedding_dim: 4 }'
    )
    found = multi_values(load(features(weighted), export("auto_multi_value: true")).pipeline)
    assert found == {"tags": MultiValue(STRING, "|"), "user": MultiValue(FLOAT, "|", ("tags",))}
    of_numbers = ('input_name: "tags" input_type: STRING', 'input_name: "tags" input_type: INT64')
    assert not multi_values(load(of_numbers, export("auto_multi_value: true")).pipeline)
    assert not multi_values(load(export("multi_placeholder: false auto_multi_value: true")).pipeline)


def test_readers_of_two_types_take_texts(load):
    both = (tags("feature_type: TagFeature num_buckets: 20"), tags("feature_type: TagFeature hash_bucket_size: 9", "t"))
    names = ('"user", "tags", "price"', '"user", "tags", "t", "price"')
    found = multi_values(load(features(*both), names, export("auto_multi_value: true")).pipeline)
    assert found == {"tags": MultiValue(STRING, "|")}
    limited = [tags(f"feature_type: SequenceFeature hash_bucket_size: 9 max_seq_len: {n} {ATTENTION}", name)
               for n, name in ((3, "tags"), (5, "t"))]  # fmt: skip
    found = multi_values(load(features(*limited), names, export("auto_multi_value: true")).pipeline)
    assert found == {"tags": MultiValue(STRING, "|", most=5, is_history=True)}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ('multi_value_fields { input_name: ["tags", "tgas"] }', '"tgas" is not in data_config.input_fields'),
        ('multi_value_fields { input_name: "user" }', 'names "user", of which no feature reads several values'),
        ('multi_value_fields { input_name: ["tags", "price"] }', 'input_name[1] names "price", of which no feature'),
        ("batch_size: 0", "is 0; it needs the number of rows that each request has, or -1"),
        ('user_fields: "usr"', 'user_fields[0] "usr" is not in data_config.input_fields ('),
        ('user_fields: ["user", "user"]', 'user_fields[1] "user" is taken'),
        ('user_fields: "click"', 'names "click", which no feature reads, so that it is no input of the SavedModel'),
        ('user_fields: "user" multi_placeholder: false', "with multi_placeholder: false a row is one line"),
        ('user_fields: ["user", "tags", "price"]', "names all fields that features read, so that items would have"),
        ("formats: [SAVED_MODEL, ONNX, ONNX]", 'formats[2] "ONNX" is taken'),
        ('asset_files: ["!x.config", "nowhere.txt"]', 'asset_files[1] names "nowhere.txt", which is no file'),
        ('asset_files: ["x.config", "a/x.config"]', 'names "a/x.config", which would replace "x.config"'),
    ],
)
def test_what_cannot_be_exported_is_told_before_training(problems, tmp_path, asked, says):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.config").write_text("")
    (found,) = problems(export(asked))
    assert says in found


def test_the_saved_model_is_written_in_any_case(load):
    (note,) = load(export("formats: ONNX")).notes
    assert "formats does not name SAVED_MODEL, which is written all the same" in note
    assert not load(export("formats: [SAVED_MODEL, ONNX, OPENVINO]")).notes


@pytest.mark.parametrize(
    ("declared", "is_text"),
    [
        ('"user" feature_type: IdFeature hash_bucket_size: 9 embedding_dim: 4', True),
        ('"user" feature_type: IdFeature vocab_list: ["a"] embedding_dim: 4', True),
        ('"user" feature_type: PassThroughFeature', True),
        ('"price" feature_type: PassThroughFeature', False),
        ('"user" feature_type: IdFeature num_buckets: 9 embedding_dim: 4', False),
    ],
)
def test_texts_that_blocks_read_stay_in_the_saved_model(load, problems, declared, is_text):
    graph = """  feature_groups { group_name: "raw" feature_names: "raw" }
      backbone {
        blocks { name: "columns" inputs { feature_group_name: "raw" } raw_input { } }
        blocks { name: "read" inputs { feature_group_name: "all" } input_layer { } }
        concat_blocks: ["columns", "read"]
      }
      model_params {
    """
    changes = (
        (TAGS, f'{TAGS}\n  features {{ feature_name: "raw" input_names: {declared} }}'),
        ("  dbmtl {\n    bottom_dnn { hidden_units: [8, 6] }\n", graph),
    )
    assert not problems(*changes, export("formats: SAVED_MODEL"))
    found = problems(*changes, export("formats: [SAVED_MODEL, OPENVINO]"))
    assert len(found) == is_text, found
    if is_text:
        assert "formats[1] is OPENVINO, which has no operations of texts, and a block with raw_input" in found[0]


def test_features_that_split_a_field_in_two_ways_leave_no_list(problems):
    both = (
        tags("feature_type: TagFeature hash_bucket_size: 9"),
        tags("feature_type: TagFeature hash_bucket_size: 9 separator: ';'", "t"),
    )
    names = ('"user", "tags", "price"', '"user", "tags", "t", "price"')
    for asked in ("auto_multi_value: true", 'multi_value_fields { input_name: "tags" }'):
        (found,) = problems(features(*both), names, export(asked))
        assert 'features split its text in different ways ("|", ";")' in found
    assert not problems(features(*both), names)


def test_a_field_of_numbers_holds_one_value(problems):
    of_numbers = ('input_name: "tags" input_type: STRING', 'input_name: "tags" input_type: INT64')
    (found,) = problems(of_numbers, export('multi_value_fields { input_name: "tags" }'))
    assert 'names "tags", a field of type INT64, which holds one value in the data: declare it as STRING' in found


@pytest.mark.parametrize(
    ("declared", "separator", "is_split"),
    [
        ("feature_type: TagFeature hash_bucket_size: 9", "|", True),
        ("feature_type: TagFeature hash_bucket_size: 9 kv_separator: ':'", ":", True),
        ("feature_type: TagFeature hash_bucket_size: 9", ",", False),
        ("feature_type: IdFeature hash_bucket_size: 9", "|", False),
        ("feature_type: RawFeature", "|", False),
        ("feature_type: RawFeature raw_input_dim: 2", "|", True),
    ],
)
def test_a_line_is_not_split_inside_of_a_field(problems, declared, separator, is_split):
    own = ("batch_size: 64", f'batch_size: 64 separator: "{separator}"')
    found = problems(own, features(tags(declared)), export("multi_placeholder: false"))
    assert len(found) == is_split
    assert all(
        f'is split at data_config.separator {separator!r}, and so would be the values of "tags"' in one for one in found
    )
    assert not problems(own, features(tags(declared)))


def test_lists_of_values_have_no_effect_on_lines(load):
    config = load(export("multi_placeholder: false auto_multi_value: true"))
    assert any("auto_multi_value has no effect with multi_placeholder: false" in str(note) for note in config.notes)


def test_two_features_do_not_make_one_output(problems):
    both = (
        tags("feature_type: TagFeature hash_bucket_size: 9 kv_separator: ':'"),
        tags("feature_type: TagFeature hash_bucket_size: 9", "tags_w"),
    )
    names = ('"user", "tags", "price"', '"user", "tags", "tags_w", "price"')
    (found,) = problems(features(*both), names, export("export_features: true"))
    assert 'makes an output "feature_tags_w" of "tags" and one of "tags_w"' in found
    assert not problems(features(*both), names)


def test_a_vocabulary_that_is_listed_is_in_the_export_anyway_and_is_not_replaced(problems):
    Path("words.txt").write_text("a\nb\n")
    Path("other").mkdir()
    Path("other/words.txt").write_text("c\n")
    vocabulary = features(tags("feature_type: TagFeature vocab_file: 'words.txt'"))
    assert not problems(vocabulary, export('asset_files: "!./words.txt"'))
    (found,) = problems(vocabulary, export('asset_files: "other/words.txt"'))
    assert 'names "other/words.txt", which would replace "words.txt" in the folder assets' in found


def test_what_means_nothing_here_is_ignored(load):
    shape = ('input_name: "tags" input_type: STRING', 'input_name: "tags" input_type: STRING input_shape: 3')
    config = load(shape, export("placeholder_named_by_input: true"))
    notes = " ".join(str(note) for note in config.notes)
    assert "Only BatchTFRecordInput reads it" in notes
    assert "called as their fields" in notes


def test_weights_that_are_a_list_belong_to_the_user_if_their_tags_do(problems, load):
    weighted = features(
        'features { input_names: ["tags", "user"] feature_type: TagFeature hash_bucket_size: 9 embedding_dim: 4 }'
    )
    names = ('"user", "tags", "price"', '"tags", "price"')
    apart = export('auto_multi_value: true user_fields: "tags"')
    [found] = problems(weighted, names, apart)
    assert 'names one of "tags" and "user", and not the other: weights of a list stand at the places of its' in found
    assert load(weighted, names, export('auto_multi_value: true user_fields: ["tags", "user"]'))
    assert load(weighted, names, export('user_fields: "tags"')), "texts are paired by features, whoever has them"
