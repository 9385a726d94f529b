"""Every form of a request scores alike: separated texts, lists of values, lines, and a fixed number of rows."""

import json
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.scoring.predictions import predict
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving import parity
from easymtl.serving.export import export
from easymtl.serving.saved_model_scorer import SavedModelScorer
from easymtl.training.trainer import Trainer
from tests.serving.scoring_here import score_here

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]

CONFIG = """
train_input_path: "{folder}/rows.parquet" eval_input_path: "{folder}/rows.parquet" model_dir: "{folder}/model"
train_config {{ mixed_precision: FLOAT32 optimizer_config {{ adam_optimizer {{ learning_rate {{
  constant_learning_rate {{ learning_rate: 0.1 }} }} }} }} }}
data_config {{
  input_type: ParquetInput batch_size: 4 num_epochs: 1 label_fields: ["click", "buy"] separator: "\\t"
  input_fields {{ input_name: "click" input_type: INT32 }} input_fields {{ input_name: "buy" input_type: INT32 }}
  input_fields {{ input_name: "level" input_type: INT32 default_val: "3" }}
  input_fields {{ input_name: "item" }} input_fields {{ input_name: "tags" }} input_fields {{ input_name: "weights" }}
  input_fields {{ input_name: "pairs" }} input_fields {{ input_name: "cats" default_val: "4|5" }}
  input_fields {{ input_name: "seen" }} input_fields {{ input_name: "ids" default_val: "0" }}
  input_fields {{ input_name: "steps" }} input_fields {{ input_name: "times" }}
  input_fields {{ input_name: "point" }}
  input_fields {{ input_name: "price" input_type: FLOAT default_val: "1.5" }}
  input_fields {{ input_name: "age" input_type: DOUBLE }} input_fields {{ input_name: "is_new" input_type: BOOL }}
  input_fields {{ input_name: "note" }}
}}
feature_config {{
  features {{ input_names: "level" feature_type: IdFeature num_buckets: 6 embedding_dim: 4 }}
  features {{ input_names: "item" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 embedding_name: "i" }}
  features {{ input_names: ["tags", "weights"] feature_type: TagFeature hash_bucket_size: 50 embedding_dim: 4
             combiner: "mean" }}
  features {{ input_names: "pairs" feature_type: TagFeature kv_separator: ":" num_buckets: 9 embedding_dim: 4 }}
  features {{ input_names: "cats" feature_type: TagFeature num_buckets: 9 embedding_dim: 4 }}
  features {{ input_names: "seen" feature_type: SequenceFeature hash_bucket_size: 50 embedding_dim: 4
             embedding_name: "i" sequence_combiner {{ attention {{}} }} }}
  features {{ input_names: "ids" feature_type: SequenceFeature num_buckets: 9 embedding_dim: 4
             sequence_combiner {{ attention {{}} }} }}
  features {{ input_names: "steps" feature_type: SequenceFeature seq_multi_sep: ";" hash_bucket_size: 20
             embedding_dim: 4 combiner: "mean" sequence_combiner {{ attention {{}} }} }}
  features {{ input_names: "times" feature_type: SequenceFeature sub_feature_type: RawFeature boundaries: [0.7, 2]
             embedding_dim: 4 sequence_combiner {{ attention {{}} }} }}
  features {{ input_names: "point" feature_type: RawFeature raw_input_dim: 3 min_val: -1 max_val: 3 }}
  features {{ input_names: "price" feature_type: RawFeature boundaries: [1, 2] embedding_dim: 4 }}
  features {{ input_names: "age" feature_type: RawFeature min_val: 0 max_val: 100 }}
  features {{ feature_name: "new" input_names: ["is_new", "item"] feature_type: ComboFeature hash_bucket_size: 20
             embedding_dim: 4 }}
}}
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["level", "item", "tags", "pairs", "cats", "seen", "ids", "steps",
    "times", "point", "price", "age", "new"] }}
  dbmtl {{ bottom_dnn {{ hidden_units: 4 activation: "tanh" }}
    task_towers {{ tower_name: "ctr" label_name: "click" }} task_towers {{ tower_name: "cvr" label_name: "buy" }} }}
}}
export_config {{ exporter_type: "none" }}
"""
N = float("nan")
# What a client that sends one text for each row writes, and what another one that sends lists does.
TEXTS = {
    "tags": ["a|b", "c", "", "a||b", "b|b|c", "a"],
    "weights": ["0.5|-1", "2", "", "0.7|3", "", "1|9"],
    "pairs": ["1:0.5|3", "8:-1", "", "2", "0:1|12:2", ""],
    "cats": ["1|2", "12", "", "0|0|7", "5", ""],
    "seen": ["a|b", "c||c", "", "é", "a|b|c|d", "zz"],
    "ids": ["1|2|3", "0", "", "7||2", "99|1", ""],
    "steps": ["t;u|v", "", "t", "|u", "t|u;v|t", "v"],
    "times": ["0.7|3", "1", "", "0.69999|2.5", "-1||2", "5"],
    "point": ["1|2|3", "-1|0.5", "", "0.1|0.2|0.3", "|7", "3|3|3"],
}
LISTS = {
    "tags": [["a", "b", ""], ["c", "", ""], ["", "", ""], ["a", "", "b"], ["b", "b", "c"], ["a", "", ""]],
    "weights": [[0.5, -1], [2, N], [N, 8], [0.7, 5], [N, N], [1, 9]],
    "pairs": [["1:0.5", "3"], ["8:-1", ""], ["", ""], ["2", ""], ["0:1", "12:2"], ["", ""]],
    "cats": [[1, 2, -1], [12, -1, -1], [-1, -1, -1], [0, 0, 7], [-1, 5, -1], [-1, -1, -1]],
    "seen": [
        ["a", "b", "", ""],
        ["c", "", "c", ""],
        [""] * 4,
        ["é", "", "", ""],
        ["a", "b", "c", "d"],
        ["zz"] + [""] * 3,
    ],
    "ids": [[1, 2, 3], [0, -1, -1], [-1, -1, -1], [7, -1, 2], [99, 1, -1], [-1, -1, -1]],
    "steps": [["t;u", "v", ""], ["", "", ""], ["t", "", ""], ["", "u", ""], ["t", "u;v", "t"], ["v", "", ""]],
    "times": [[0.7, 3, N], [1, N, N], [N, N, N], [0.69999, 2.5, N], [-1, N, 2], [5, N, N]],
    "point": [[1, 2, 3], [-1, 0.5, N], [N, N, N], [0.1, 0.2, 0.3], [N, 7, N], [3, 3, 3]],
}
# The weight at the place of no tag is none: "0.7|3" goes with "a" and "b" of ["a", "", "b"].
LISTS["weights"][3] = [0.7, 5, 3]
LISTS["weights"] = [[*row, N][:3] for row in LISTS["weights"]]
TYPES = {"weights": tf.float32, "cats": tf.int64, "ids": tf.int64, "times": tf.float32, "point": tf.float32}
SINGLE = {
    "level": [1, 2, 3, 9, -1, 0], "item": ["a", "b", "zz", "", "é", "x"], "price": [0.5, 1.5, 9, 1, 2, N],
    "age": [10, 20.5, 0, 99, 50, 1e6], "is_new": [True, False, False, True, True, False],
}  # fmt: skip
SINGLE_TYPES = {"level": tf.int32, "price": tf.float32, "age": tf.float64, "is_new": tf.bool}
# Fields that are empty are missing: 3 for level, 1.5 for price, "4|5" for cats.
LINES = [
    "\t".join(texts)
    for texts in zip(
        ["1", "2", "", "9", "-1", "0"], SINGLE["item"], *TEXTS.values(), ["0.5", "1.5", "9", " 1", "2", ""],
        ["10", "2.05e1", "", "99", "50", "1000000"], ["true", "false", "", "TRUE", "1", "0"],
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A config and its checkpoint, and a function that exports it."""
    folder = tmp_path_factory.mktemp("forms")
    arrow = {"level": pa.int32(), "price": pa.float32(), "age": pa.float64(), "is_new": pa.bool_()}
    columns = {name: pa.array(values, arrow.get(name), from_pandas=True) for name, values in (SINGLE | TEXTS).items()}
    labels = {name: pa.array([0, 1] * 3, pa.int32()) for name in ("click", "buy")}
    pq.write_table(pa.table(columns | labels | {"note": pa.array(["x"] * 6)}), folder / "rows.parquet")
    (folder / "x.config").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    config = load_config(str(folder / "x.config"))
    Trainer(config, lambda event: None).run()
    checkpoint = find_checkpoint(config.pipeline)

    def exported(*overrides, apart=False):
        pipeline = load_config(str(folder / "x.config"), [f"export_config.{one}" for one in overrides]).pipeline
        with pytest.MonkeyPatch.context() as patch:
            if not apart:
                patch.setattr(parity, "score_apart", score_here)
            done = export(pipeline, checkpoint, folder / "export")
        assert (done.parity.num_rows, done.parity.largest_difference < 1e-5) == (6, True)
        return pipeline, done

    return config.pipeline, checkpoint, exported, str(folder / "rows.parquet")


@pytest.fixture(scope="module")
def texted(case):
    """The model that takes texts, whose fields are all inputs of their own, and that tells what it has read."""
    return case[2]("export_features=true")


@pytest.fixture(scope="module")
def told(texted):
    """All that it answers."""
    return ask(texted[1].path, **singles(), **{name: tf.constant(values) for name, values in TEXTS.items()})


@pytest.fixture(scope="module")
def texts(told):
    """Its scores."""
    return {name: values for name, values in told.items() if not name.startswith("feature_")}


@pytest.fixture(scope="module")
def lists(case):
    """The model that takes lists, proved in a process of its own."""
    return case[2]("auto_multi_value=true", apart=True)


@pytest.fixture(scope="module")
def lined(case):
    """The model that takes lines."""
    return case[2]("multi_placeholder=false")


def singles(rows=slice(None)):
    return {name: tf.constant(values[rows], SINGLE_TYPES.get(name, tf.string)) for name, values in SINGLE.items()}


def in_lists(rows=slice(None)):
    return {name: tf.constant(values[rows], TYPES.get(name, tf.string)) for name, values in LISTS.items()}


@cache
def loaded(folder):
    # The function alone does not hold its variables.
    model = tf.saved_model.load(str(folder))
    return model, model.signatures["serving_default"]


def ask(folder, **request):
    return {name: value.numpy() for name, value in loaded(folder)[1](**request).items()}


def assert_alike(found, expected, rows=slice(None)):
    assert found.keys() == expected.keys() == {"probs_ctr", "probs_cvr", "logits_ctr", "logits_cvr"}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values[rows], atol=1e-6, err_msg=name)


def test_lists_score_as_the_separated_texts_do(texts, lists):
    _, done = lists
    assert done.inputs == {
        **dict.fromkeys(["item", "tags", "pairs", "seen", "steps"], "string"), "level": "int32", "price": "float32",
        "age": "float64", "is_new": "bool", "cats": "int64", "ids": "int64", "weights": "float32", "times": "float32",
        "point": "float32",
    }  # fmt: skip
    assert {name for name, shape in done.shapes.items() if shape == [None, None]} == set(LISTS)
    assert_alike(ask(done.path, **singles(), **in_lists()), texts)
    assert len(np.unique(texts["logits_ctr"].round(5))) == 6, "rows differ"
    wide = {
        name: tf.pad(column, [[0, 0], [0, 2]], constant_values={tf.string: "", tf.int64: -1}.get(column.dtype, N))
        for name, column in in_lists().items()
    }
    assert_alike(ask(done.path, **singles(), **wide), texts)


def test_rows_without_any_value_score_as_empty_texts_do(texts, lists):
    nothing = slice(2, 3)
    request = {name: column[:, :0] for name, column in in_lists(nothing).items()}
    found = ask(lists[1].path, **singles(nothing), **{**request, "steps": tf.constant([["t"]])})
    assert_alike(found, texts, nothing)


def test_lines_score_as_the_fields_do(texts, lined):
    _, done = lined
    assert done.inputs == {"features": "string"}
    fields = ["level", "item", *TEXTS, "price", "age", "is_new"]
    said = json.loads((done.path / "assets.extra/easymtl.json").read_text(encoding="utf-8"))
    assert said["line"] == {"separator": "\t", "fields": fields}
    assert_alike(ask(done.path, features=tf.constant(LINES)), texts)


@pytest.mark.parametrize(
    "line, says",
    [
        ("1\t2", r"input features: row 1 \(the first is 0\) has 2 fields, separated by .*, where 14 are read: level, "),
        (LINES[0].replace("10", "ten"), r"row 1 .* has .*ten.* in the field age, which takes a number"),
        ("1.5" + LINES[0][1:], r"row 1 .* has .*1.5.* in the field level, which takes a whole number"),
    ],
)
def test_a_wrong_line_is_told(lined, line, says):
    with pytest.raises(tf.errors.InvalidArgumentError, match=says):
        ask(lined[1].path, features=tf.constant([LINES[0], line]))


@pytest.mark.parametrize(
    "request_, says",
    [
        ({"tags": ["a|b", "c"]}, "tags 2 without a second axis, "),
        ({"cats": [[1]]}, "cats 1, "),
        ({"tags": [["a"], ["b|c"]]}, r"input tags: row 1 .* holds the value .*b\|c.*, which holds one of"),
    ],
)
def test_a_wrong_list_is_told(lists, request_, says):
    two = slice(0, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=says):
        wrong = {name: tf.constant(values, TYPES.get(name, tf.string)) for name, values in request_.items()}
        ask(lists[1].path, **{**singles(two), **in_lists(two), **wrong})


def test_predict_asks_in_the_form_of_the_model(case, lists, lined, tmp_path):
    pipeline, checkpoint, exported, path = case
    first, _ = predict(pipeline, RankerScorer(load_ranker(pipeline, checkpoint), tf.float32), path, tmp_path / "a", [])
    _, fixed = exported("batch_size=4", "multi_value_fields.input_name=[tags,ids]")
    assert {name: fixed.shapes[name] for name in ("tags", "ids", "item", "weights")} == {
        "tags": [4, None], "ids": [4, None], "item": [4], "weights": [4],
    }  # fmt: skip
    with pytest.raises(tf.errors.InvalidArgumentError):
        ask(fixed.path, **singles(), **{name: tf.constant(values) for name, values in TEXTS.items()})
    expected = pq.read_table(first)
    for number, done in enumerate((lists[1], lined[1], fixed)):
        # The config need not say what the SavedModel does.
        scorer = SavedModelScorer(done.path, pipeline)
        found = pq.read_table(predict(pipeline, scorer, path, tmp_path / str(number), [])[0])
        assert found.column_names == expected.column_names
        for name in expected.column_names:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-6, err_msg=f"{number} {name}")


def test_what_features_have_read_is_an_output(case, texted, told, tmp_path):
    pipeline, done = texted
    shown = {
        name.removeprefix("feature_"): [text.decode() for text in values]
        for name, values in told.items()
        if name.startswith("feature_")
    }
    assert shown == {
        "level": ["1", "2", "3", "9", "-1", "0"],
        "item": SINGLE["item"],
        "tags": ["a,b", "c", "", "a,b", "b,b,c", "a"],
        "tags_w": ["0.5,-1", "2", "", "0.7,3", "", "1,9"],
        "pairs": ["1,3", "8", "", "2", "0,12", ""],
        "pairs_w": ["0.5,1", "-1", "", "1", "1,2", ""],
        "cats": ["1,2", "12", "4,5", "0,0,7", "5", "4,5"],
        "seen": ["a,b", "c,,c", "", "é", "a,b,c,d", "zz"],
        "ids": ["1,2,3", "0", "0", "7,,2", "99,1", "0"],
        "steps": ["t;u,v", "", "t", ",u", "t,u;v,t", "v"],
        "times": ["0.7,3", "1", "", "0.69999,2.5", "-1,,2", "5"],
        "point": ["0.5,0.75,1", "0,0.375,0.25", "0.25,0.25,0.25", "0.275,0.3,0.325", "0.25,2,0.25", "1,1,1"],
        "price": ["0.5", "1.5", "9", "1", "2", "1.5"],
        "age": ["0.1", "0.205", "0", "0.99", "0.5", "10000"],
        "new": ["true", "false", "false", "true", "true", "false"],
        "new_1": SINGLE["item"],
    }
    target, _ = predict(pipeline, SavedModelScorer(done.path, pipeline), case[3], tmp_path, [])
    assert set(pq.read_table(target).column_names) == {"probs_ctr", "probs_cvr", "logits_ctr", "logits_cvr"}


def test_a_value_that_no_line_can_hold_is_told_of_its_field(case, lined, tmp_path):
    pipeline, _ = lined
    table = pq.read_table(case[3])
    place = table.column_names.index("item")
    table = table.set_column(place, "item", pa.array(["a", "b\tc", *["d"] * 4]))
    pq.write_table(table, tmp_path / "rows.parquet")
    scorer = SavedModelScorer(lined[1].path, pipeline)
    with pytest.raises(UserError, match=r'The data hold "b\tc" in "item", which no line can hold'):
        predict(pipeline, scorer, str(tmp_path / "rows.parquet"), tmp_path / "out", [])
    (lined[1].path / "assets.extra/easymtl.json").rename(tmp_path / "away.json")
    with pytest.raises(UserError, match=r"the rows of this SavedModel are lines, and assets.extra/easymtl.json"):
        SavedModelScorer(lined[1].path, pipeline)
    (tmp_path / "away.json").rename(lined[1].path / "assets.extra/easymtl.json")
