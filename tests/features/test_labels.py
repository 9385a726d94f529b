"""Labels that a task may not have are refused or left out, and towers without any are known."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from easymtl.data.feed import Feed
from easymtl.data.rows import Rows
from easymtl.data.sources import open_source
from easymtl.errors import UserError
from easymtl.features.label_rules import LabelRule, TeacherRule, WeightRule, label_rules, number_rules, row_rules
from easymtl.features.labels import LabelCheck
from easymtl.features.numbers import NumberColumn, read_numbers
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline


class Numbers:
    """An encoder of the row numbers."""

    fields = ("i", "y")

    def __call__(self, batch, known):
        np.testing.assert_array_equal(known["y"], read_numbers(batch, [NumberColumn("y", "y")])[:, 0])
        return Rows({"i": batch.column("i").to_numpy()})


def declared(label, more=""):
    fields = f'input_fields {{ input_name: "i" input_type: INT32 }} input_fields {{ input_name: "y" {label} }}'
    return text_format.Parse(f"{fields} {more}", DatasetConfig())


def read(paths, kind="INT32", num_classes=1, more=""):
    fields = (
        f'input_fields {{ input_name: "i" input_type: INT32 }} input_fields {{ input_name: "y" input_type: {kind} }}'
    )
    config = text_format.Parse(f"{fields} {more}", DatasetConfig())
    source = open_source(str(paths), config, Numbers.fields, block_bytes=64)
    check = LabelCheck(Numbers(), [LabelRule("t", "y", num_classes)])
    with Feed(source, check, 1000, chunk_rows=1) as feed:
        numbers = []
        for batch in feed:
            check.count(batch.rows)
            numbers += batch.rows["i"].tolist()
    return numbers, check, source


@pytest.fixture
def csv(tmp_path):
    def write(labels, name="a.csv"):
        text = "".join(f"{place},{label}\n" for place, label in enumerate(labels)).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize(
    ("kind", "written", "shown"),
    [("INT32", "2", "2"), ("FLOAT", "1.50", "1.5"), ("STRING", " 3", " 3"), ("INT64", "-1", "-1")],
)
def test_the_line_of_a_wrong_label_is_named(csv, name, kind, written, shown):
    labels = [*("01" * 20), written, 1]
    with pytest.raises(UserError, match=rf'{name}:41: column "y" holds {shown}, the label of the tower "t": 0, 1, or'):
        read(csv(labels, name), kind)
    numbers, check, source = read(csv(labels, name), kind, more="ignore_error: true")
    assert numbers == [*range(40), 41]
    assert source.skipped_rows == 1
    assert check.num_labels == {"y": 41}


def test_the_row_of_a_wrong_label_in_parquet_is_named(tmp_path):
    table = pa.table({"i": pa.array(range(6), pa.int32()), "y": pa.array([0.0, 0.5, None, 1.0, 1.25, 7.0])})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    with pytest.raises(UserError, match=r'a.parquet: row 5 \(row group 2\): column "y" holds 1.25'):
        read(tmp_path / "a.parquet", "DOUBLE")
    numbers, _, source = read(tmp_path / "a.parquet", "DOUBLE", more="ignore_error: true")
    assert (numbers, source.skipped_rows) == ([0, 1, 2, 3], 2)


def test_soft_labels_and_missing_ones_are_allowed(csv):
    numbers, check, _ = read(csv(["0", "0.25", "", "1", "nan"]), "FLOAT")
    assert numbers == [*range(5)]
    assert check.num_labels == {"y": 3}
    assert not check.unlearnt("rows")


@pytest.mark.parametrize("label", ["3", "-1", "0.5", "inf"])
def test_classes_are_whole_numbers_below_their_count(csv, label):
    read(csv(["0", "2", ""]), "FLOAT", num_classes=3)
    with pytest.raises(UserError, match=r"whole numbers from 0 to 2 are allowed \(num_class is 3\)"):
        read(csv(["0", label]), "FLOAT", num_classes=3)


def test_any_number_is_a_label_of_a_regression(csv):
    read(csv(["-7", "1e9", ""]), "FLOAT", num_classes=0)


def test_a_default_that_is_no_label_is_found_where_the_field_is_empty(csv):
    config = declared('input_type: INT32 default_val: "-1"')
    source = open_source(str(csv(["1", "", "0"])), config, Numbers.fields)
    check = LabelCheck(Numbers(), [LabelRule("t", "y", 1)])
    with pytest.raises(UserError, match=r"a\.csv:2:.*holds -1"), Feed(source, check, 8) as feed:
        next(feed)


def test_towers_without_a_label_are_known(csv):
    _, check, _ = read(csv(["", ""]), "INT32")
    assert [(rule.learner, why) for rule, why in check.unlearnt("rows")] == [
        ('the tower "t"', 'no row has a label "y"')
    ]


def test_the_losses_of_a_tower_say_what_its_label_is():
    pipeline = text_format.Parse(
        """
        data_config { label_fields: ["a", "b", "c", "d", "e"] }
        model_config { simple_multi_task {
          task_towers { tower_name: "event" }
          task_towers { tower_name: "classes" num_class: 4 }
          task_towers { tower_name: "value" loss_type: L2_LOSS }
          task_towers { tower_name: "pairs" losses { loss_type: PAIR_WISE_LOSS } }
          task_towers { tower_name: "both" losses { loss_type: PAIR_WISE_LOSS } losses { loss_type: CLASSIFICATION } }
          task_towers { tower_name: "amount" label_name: "a" num_class: 3 loss_type: ZILN_LOSS }
        } }
        """,
        Pipeline(),
    )
    found = {rule.tower: (rule.field, rule.num_classes) for rule in label_rules(pipeline)}
    assert found == {
        "event": ("a", 1),
        "classes": ("b", 4),
        "value": ("c", 0),
        "pairs": ("d", 0),
        "both": ("e", 1),
        "amount": ("a", 0),
    }


def test_numbers_that_are_not_there_are_not_bad():
    assert not LabelRule("t", "y", 1).is_bad(np.array([np.nan, 0, 1, 0.5], np.float32)).any()


@pytest.mark.parametrize("label", ["inf", "-inf", "1e39"])
def test_no_label_of_a_regression_is_infinite(csv, label):
    with pytest.raises(UserError, match=r"a\.csv:2: .* finite numbers are allowed"):
        read(csv(["1", label]), "DOUBLE", num_classes=0)


def test_the_label_of_a_transform_is_not_negative():
    rule = LabelRule("t", "y", 0, transform="LOG1P")
    assert rule.is_bad(np.array([-0.5, np.nan, 0, -0.0, 3, np.inf], np.float32)).tolist() == [1, 0, 0, 0, 0, 1]
    assert "at least 0 are allowed (its label_transform is LOG1P)" in rule.problem(-0.5)


def weigh(paths, kind, rule=WeightRule, more="", **limits):
    source = open_source(str(paths), declared(f"input_type: {kind}", more), Numbers.fields, block_bytes=64)
    check = LabelCheck(Numbers(), [rule(NumberColumn("y", "y"), **limits)])
    with Feed(source, check, 1000, chunk_rows=1) as feed:
        return [row for batch in feed for row in batch.rows["i"].tolist()], source


BAD_WEIGHTS = [
    ("FLOAT", "-1"),
    ("FLOAT", "nan"),
    ("DOUBLE", "inf"),
    ("DOUBLE", "-inf"),
    ("DOUBLE", "1e39"),
    ("INT32", "-3"),
]


@pytest.mark.parametrize(("kind", "written"), [*BAD_WEIGHTS, ("DOUBLE", "nan"), ("INT64", "-3")])
def test_a_weight_is_finite_and_not_negative_and_may_be_missing(csv, kind, written):
    path = csv(["1", "0", "", *("1" * 20), written, "2"])
    with pytest.raises(
        UserError, match=r'a\.csv:24: column "y" holds .*, a sample weight: finite numbers of at least 0'
    ):
        weigh(path, kind)
    rows, source = weigh(path, kind, more="ignore_error: true")
    assert rows == [*range(23), 24]
    assert source.skipped_rows == 1


@pytest.mark.parametrize(("kind", "written"), BAD_WEIGHTS)
def test_the_row_of_a_wrong_weight_in_parquet_is_named(tmp_path, kind, written):
    table = pa.table({"i": pa.array(range(4), pa.int32()), "y": pa.array([1.0, None, float(written), 2.0])})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    with pytest.raises(UserError, match=r"a\.parquet: row 3 \(row group 1\): column \"y\" holds"):
        weigh(tmp_path / "a.parquet", kind)
    assert weigh(tmp_path / "a.parquet", kind, more="ignore_error: true")[0] == [0, 1, 3]


def test_the_soft_labels_of_a_teacher_are_finite_and_probabilities_where_they_say_so(csv):
    assert weigh(csv(["7", "-7", "", "nan"]), "FLOAT", TeacherRule)[0] == [0, 1, 2, 3]
    with pytest.raises(UserError, match=r"a\.csv:2: .*probabilities from 0 to 1 \(label_is_logits is false\)"):
        weigh(csv(["0.5", "1.5"]), "FLOAT", TeacherRule, least=0, most=1)
    with pytest.raises(UserError, match=r"a\.csv:2: .*finite numbers are allowed"):
        weigh(csv(["0.5", "inf"]), "FLOAT", TeacherRule)


TOWERS = """
    data_config { label_fields: ["click", "buy"] sample_weight: "w" }
    model_config {
      kd { pred_name: "logits_a" soft_label_name: "p" label_is_logits: false loss_type: BINARY_CROSS_ENTROPY_LOSS }
      kd { pred_name: "y_b" soft_label_name: "q" loss_type: L2_LOSS }
      simple_multi_task {
        task_towers { tower_name: "a" sample_weights { column: "v" } sample_weights { label: "click" } }
        task_towers {
          tower_name: "b" use_sample_weight: false loss_type: L2_LOSS label_transform { function: SQRT }
          sample_weights { label: "buy" }
        }
      }
    }"""


def test_every_number_that_a_loss_is_multiplied_with_or_held_against_has_a_rule():
    pipeline = text_format.Parse(TOWERS, Pipeline())
    rules = {rule.column.field: rule for rule in number_rules(pipeline)}
    assert {name for name, rule in rules.items() if isinstance(rule, WeightRule)} == {"w", "v", "click", "buy"}
    assert [name for name, rule in rules.items() if getattr(rule, "is_label", False)] == ["click", "buy"]
    assert (rules["p"].least, rules["p"].most, rules["q"].least) == (0, 1, 0)
    assert [rule.transform for rule in label_rules(pipeline)] == ["", "SQRT"]


def test_a_missing_label_that_is_a_weight_is_no_mistake(csv):
    assert weigh(csv(["1", "nan", ""]), "FLOAT", is_label=True)[0] == [0, 1, 2]
    with pytest.raises(UserError, match=r"holds -1\.0, a sample weight"):
        weigh(csv(["1", "-1"]), "FLOAT", is_label=True)


class TestUnlearnt:
    """Towers that no row counts for are told with the reason."""

    def why(self, tower: str, numbers: dict[str, list], more: str = "") -> list[tuple[str, str]]:
        text = f"""data_config {{ label_fields: ["click", "buy"] sample_weight: "w"
            input_fields {{ input_name: "buy" input_type: FLOAT }} }} model_config {{ {more}
            simple_multi_task {{ task_towers {{ tower_name: "t" label_name: "click" {tower} }} }} }}"""
        check = LabelCheck(lambda batch, known: Rows({}), row_rules(text_format.Parse(text, Pipeline())))
        for place in range(2):
            columns = {
                name: pa.array(np.array(values[place::2], float), from_pandas=True) for name, values in numbers.items()
            }
            check.count(check(pa.RecordBatch.from_pydict(columns)))
        return [(rule.learner, why) for rule, why in check.unlearnt("rows")]

    space = 'task_space_indicator_label: "buy" out_task_space_weight: 0'
    click, w, buy = [1, 0, np.nan, 1], [1, 1, 1, 1], [1, 0, 1, 0]

    def test_a_row_that_counts_is_enough(self):
        assert not self.why(self.space, {"click": self.click, "w": [0, 0, 0, 2], "buy": [0, 0, 1, 1]})

    @pytest.mark.parametrize(
        ("tower", "w", "buy", "why"),
        [
            ("", [0, 0, 1, np.nan], buy, 'the weight "w" is 0 or missing in all rows with a label'),
            (space, w, [0, 0, 1, np.nan], 'none of the rows with a label is in its task space ("buy" above 0)'),
            (space, [1, 0, 1, 1], [0, 1, 0, 0], "the weight of all rows with a label is 0, by one factor or another"),
            ("weight: 0", w, buy, "the weight of the tower or of its losses is 0 in the config"),
            ("losses { loss_type: CLASSIFICATION weight: 0 }", w, buy, "the weight of the tower or of its losses is 0"),
        ],
    )
    def test_the_reason_is_told(self, tower, w, buy, why):
        ((name, found),) = self.why(tower, {"click": self.click, "w": w, "buy": buy})
        assert name == 'the tower "t"' and found.startswith(why)

    def test_no_label_is_the_first_reason(self):
        numbers = {"click": [np.nan] * 4, "w": [0] * 4, "buy": self.buy}
        assert self.why("weight: 0", numbers) == [('the tower "t"', 'no row has a label "click"')]

    nobody = 'task_space_indicator_name: "buy" task_space_indicator_value: "7" out_task_space_weight: 0'
    kd = 'kd { pred_name: "logits_t" soft_label_name: "p" loss_type: L2_LOSS'

    def test_a_tower_of_weight_0_may_have_a_teacher(self):
        numbers = {"click": self.click, "w": self.w, "buy": self.buy, "p": [np.nan, 0, 1, 2]}
        assert not self.why("weight: 0", numbers, self.kd + " }")
        assert self.why("weight: 0", numbers, self.kd + " loss_weight: 0 }") == [
            ('the tower "t"', "the weight of the tower or of its losses is 0 in the config"),
            ('model_config.kd[0] of "logits_t"', "its loss_weight is 0 in the config"),
        ]

    @pytest.mark.parametrize(
        ("kd", "p", "w", "why"),
        [
            ("", [np.nan] * 4, w, 'no row has a label "p"'),
            ("", [1, 2, np.nan, np.nan], [0, 0, 1, 1], 'the weight "w" is 0 or missing in all rows with a label'),
            (
                'task_space_indicator_name: "buy" task_space_indicator_value: "7" out_task_space_weight: 0',
                w,
                w,
                "none of",
            ),
        ],
    )
    def test_a_teacher_that_teaches_nothing_is_told(self, kd, p, w, why):
        numbers = {"click": [1, 0, 1, 1], "w": w, "buy": self.buy, "p": p}
        (*_, (name, found)) = self.why("", numbers, f"{self.kd} {kd} }}")
        assert name == 'model_config.kd[0] of "logits_t"' and found.startswith(why)
