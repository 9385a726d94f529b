"""Rules of label_values, label_transform and of the indicators of task spaces."""

import pytest

from tests.config.conftest import BASE
from tests.errors.project import replaced

STRING_CLICK = ('"click" input_type: INT32', '"click" input_type: STRING')
VALUES = '"seconds"]\n  label_values {{ label_name: "click" {} }}'
ORDER = 'label_name: "order"'
L2 = "loss_type: L2_LOSS"
FIELD = '  input_fields { input_name: "scene" input_type: %s }\n  input_fields { input_name: "user"'


def with_values(*entries: str) -> tuple[tuple[str, str], ...]:
    text = "\n".join(f'  label_values {{ label_name: "click" {entry} }}' for entry in entries)
    return STRING_CLICK, ('"seconds"]\n', f'"seconds"]\n{text}\n')


class TestLabelValues:
    def test_a_label_of_texts_needs_none_where_they_spell_numbers(self, problems):
        assert problems(STRING_CLICK, (ORDER, f'{ORDER} task_space_indicator_label: "click"')) == []

    def test_with_them_it_may_be_learned_and_be_a_space(self, problems):
        space = (ORDER, f'{ORDER} task_space_indicator_label: "click" sample_weights {{ label: "click" }}')
        assert problems(*with_values('texts: "yes"', "number: 0"), space) == []

    @pytest.mark.parametrize(
        ("entries", "says"),
        [
            (
                ['texts: "yes"', 'number: 0 texts: ["no", "yes"]'],
                'label_values[1] gives the text "yes" of "click" a seco',
            ),
            (["number: 1", "number: 0"], 'label_values[1] gives all other texts (it has no texts) of "click" a second'),
            (['texts: ["yes", " "]'], 'texts[1] " " is an empty text, which is a missing label.'),
        ],
    )
    def test_mistakes_have_their_line(self, problems, entries, says):
        (line,) = problems(*with_values(*entries))
        assert line.startswith("x.config:") and says in line

    @pytest.mark.parametrize(
        ("entry", "says"),
        [
            ('label_name: "clik" texts: "yes"', 'label_name "clik" is not in data_config.label_fields'),
            ('texts: "yes"', "label_values[0] has no label_name"),
            ('label_name: "click" texts: "yes"', '"click" is a INT32 field, whose numbers need no names'),
        ],
    )
    def test_the_label_is_a_string_field(self, problems, entry, says):
        (line,) = problems(('"seconds"]\n', f'"seconds"]\n  label_values {{ {entry} }}\n'))
        assert says in line


class TestLabelTransform:
    @pytest.mark.parametrize("transform", ["function: LOG1P", "function: SQRT divide_by: 60", "divide_by: 0.001"])
    def test_a_regression_may_have_one(self, load, transform):
        assert load((L2, f"{L2} label_transform {{ {transform} }}")).notes == []

    @pytest.mark.parametrize(
        ("losses", "says"),
        [
            ("loss_type: CLASSIFICATION", "is for L2_LOSS alone; the tower has"),
            ("loss_type: SIGMOID_L2_LOSS", "Its label lies in [0, 1]"),
            ("num_class: 3 loss_type: ZILN_LOSS", "takes the log of the label by itself"),
        ],
    )
    def test_other_losses_may_not(self, problems, losses, says):
        text = replaced(BASE, ("      metrics_set { mean_squared_error { } }\n", ""))
        (line,) = problems((L2, f"{losses}\n label_transform {{ function: LOG1P }}"), text=text)
        assert line.startswith("x.config:48:") and "task_towers[2].label_transform" in line and says in line

    def test_a_tower_with_a_parent_may_not(self, problems):
        (line,) = problems((L2, f'{L2} parent: "ctr" label_transform {{ function: LOG1P }}'))
        assert 'label_transform does not go with the parent "ctr"' in line

    def test_a_divisor_is_above_0(self, problems):
        (line,) = problems((L2, f"{L2} label_transform {{ divide_by: 0 }}"))
        assert "divide_by is 0, outside of (0, inf)" in line

    def test_one_that_does_nothing_is_noted(self, load):
        (note,) = load((L2, f"{L2} label_transform {{ divide_by: 1 }}")).notes
        assert "label_transform has no effect" in note


def space(name: str, value: str) -> tuple[str, str]:
    return ORDER, f"{ORDER} task_space_indicator_name: '{name}' task_space_indicator_value: '{value}'"


def kd(name: str, value: str) -> tuple[str, str]:
    entry = 'kd { pred_name: "logits_ctr" soft_label_name: "price" loss_type: BINARY_CROSS_ENTROPY_LOSS'
    space = f"task_space_indicator_name: '{name}' task_space_indicator_value: '{value}'"
    return "  dbmtl {", f"  {entry} {space} }}\n  dbmtl {{"


@pytest.mark.parametrize("place", [space, kd])
class TestIndicators:
    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("BOOL", "1"),
            ("BOOL", "true"),
            ("BOOL", "True"),
            ("INT32", "-1"),
            ("INT64", "1700000050000"),
            ("FLOAT", "1"),
            ("DOUBLE", "1e300"),
            ("STRING", " 1.0"),
            ("STRING", ""),
        ],
    )
    def test_a_field_that_no_feature_reads_and_a_value_of_its_type(self, load, place, kind, value):
        config = load(('  input_fields { input_name: "user"', FIELD % kind), place("scene", value))
        assert not [note for note in config.notes if "scene" in note]

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("BOOL", "yes"),
            ("BOOL", "2"),
            ("INT32", "1.0"),
            ("INT32", "3000000000"),
            ("INT64", ""),
            ("INT64", " 1"),
            ("FLOAT", "one"),
            ("FLOAT", "nan"),
            ("FLOAT", "1e39"),
            ("DOUBLE", "inf"),
        ],
    )
    def test_a_value_that_no_row_can_have(self, problems, place, kind, value):
        (line,) = problems(('  input_fields { input_name: "user"', FIELD % kind), place("scene", value))
        assert line.startswith("x.config:")
        assert f'task_space_indicator_value "{value}" is no {kind}, which is the type of "scene"' in line

    def test_neither_a_feature_nor_a_field(self, problems, place):
        (line,) = problems(place("prize", "1"))
        assert '"prize" is not in the features or data_config.input_fields' in line and 'Did you mean "price"?' in line

    def test_tags_are_compared_whole(self, load, place):
        notes = load(place("tags", "a|b")).notes
        assert any('is compared with the whole text of "tags"' in note for note in notes)

    def test_a_feature_of_two_fields_does_not_say_which(self, problems, place):
        both = ('{ input_names: "price"', '{ feature_name: "price" input_names: ["user", "tags"]')
        combined = ("feature_type: RawFeature", "feature_type: ComboFeature hash_bucket_size: 9 embedding_dim: 4")
        (line,) = problems(both, combined, place("price", "1"))
        assert '"price" reads "user", "tags"; name a feature of one field, or the field that tells.' in line
