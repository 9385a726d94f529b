"""What a `serving_value` may be, found before anything is trained."""

import pytest

from easymtl.config import view

PRICE = 'input_name: "price" input_type: FLOAT'
TAGS = 'input_name: "tags" input_type: STRING'
USER = 'input_name: "user" input_type: STRING'
OF_TAGS = "feature_type: TagFeature hash_bucket_size: 20"


def served(field, text):
    return (field, f'{field} serving_value: "{text}"')


def export(text):
    return ("feature_config {", f"export_config {{ {text} }}\nfeature_config {{")


def as_number(field):
    return (field, field.replace("STRING", "INT32"))


@pytest.mark.parametrize(
    "changes",
    [
        [served(PRICE, "2.5")],
        [served(TAGS, "a|b"), served(PRICE, "0")],
        [served(TAGS, "")],
        [(USER, f'{USER.replace("STRING", "INT64")} serving_value: "7"')],
    ],
)
def test_values_of_the_type_are_right(load, changes):
    assert not [note for note in load(*changes).notes if "serving_value" in str(note)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([served(PRICE, "dear")], 'input_fields[6].serving_value "dear" is no FLOAT.'),
        ([served(PRICE, "")], 'serving_value "" is no FLOAT.'),
        ([served(PRICE, "nan")], 'serving_value "nan" is no finite FLOAT.'),
        ([served(PRICE, "1e39")], 'serving_value "1e39" is no finite FLOAT.'),
        ([(USER, f'{USER.replace("STRING", "INT32")} serving_value: "1.5"')], 'serving_value "1.5" is no INT32.'),
        ([served('input_name: "click" input_type: INT32', "1")], 'serving_value is of "click", a label, which is no'),
        ([served('input_name: "weight" input_type: FLOAT', "1")], 'is of "weight", the sample weight, which is no'),
        (
            [served(PRICE.replace("FLOAT", "STRING"), "dear"), (PRICE, PRICE.replace("FLOAT", "STRING"))][::-1],
            '"dear" is no number, and the feature "price" reads numbers.',
        ),
        (
            [served(USER, "u"), served(TAGS, "t"), served(PRICE, "1")],
            "is set, as of all other fields that features read: all rows would have the same scores.",
        ),
        (
            [
                served(TAGS, "t"),
                export('multi_value_fields { input_name: "tags" }'),
            ],
            'multi_value_fields.input_name[0] names "tags", which has a serving_value and so is no input.',
        ),
        (
            [served(TAGS, "t"), export('user_fields: ["user", "tags"]')],
            'user_fields[1] names "tags", which has a serving_value and so is no input. Leave it out.',
        ),
        (
            [served(TAGS, "t"), served(PRICE, "1"), export('user_fields: "user"')],
            "user_fields names all fields that features read, so that items would have none",
        ),
    ],
)
def test_what_cannot_be_served_is_told_with_its_line(problems, changes, says):
    (line,) = problems(*changes)
    assert line.startswith("x.config:1") or line.startswith("x.config:2")
    assert says in line


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            [served(TAGS, "a|d"), (OF_TAGS, 'feature_type: TagFeature vocab_list: ["a", "b"]')],
            'serving_value holds "d", which the feature "tags"',
        ),
        (
            [served(USER, "9"), ("hash_bucket_size: 50", "num_buckets: 9")],
            'holds "9", which the feature "user" does not',
        ),
        (
            [
                (
                    "  input_fields { " + USER,
                    f'  input_fields {{ input_name: "spot" serving_value: "1" }}\n  input_fields {{ {USER}',
                )
            ],
            'serving_value has no effect: no feature reads "spot".',
        ),
    ],
)
def test_what_is_legal_and_odd_is_a_note(load, changes, says):
    assert [note for note in load(*changes).notes if says in str(note)]


def test_rows_that_are_evaluated_need_no_such_column(load):
    changed = load(served(TAGS, "a"), served(PRICE, "1")).pipeline
    assert set(view.used_fields(changed)) - set(view.scored_fields(changed)) == {"tags", "price"}
    grouped = ("metrics_set { auc { } }", 'metrics_set { auc { } } metrics_set { gauc { uid_field: "tags" } }')
    assert "tags" in view.scored_fields(load(served(TAGS, "a"), grouped).pipeline)


def test_weights_of_constant_tags_may_be_of_the_user_alone(load):
    tags = 'input_names: "tags" feature_type: TagFeature hash_bucket_size: 20'
    weighted = (tags, tags.replace('"tags"', '["tags", "user"]'))
    groups = ('"user", "tags", "price"', '"tags", "price"')
    assert load(weighted, groups, served(TAGS, "a|b"), export('auto_multi_value: true user_fields: "user"'))
