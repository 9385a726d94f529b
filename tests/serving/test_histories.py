"""Histories from the lists of a file to the texts of a request: the same scores, whatever a history holds."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.config import load_config
from easymtl.errors import UserError
from easymtl.features.encoder import to_tensors
from easymtl.scoring.feed import evaluation_feed
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
  constant_learning_rate {{ learning_rate: 0.01 }} }} }} }} }}
data_config {{
  input_type: ParquetInput batch_size: 4 num_epochs: 1 label_fields: ["click", "buy"]
  input_fields {{ input_name: "click" input_type: INT32 }} input_fields {{ input_name: "buy" input_type: INT32 }}
  input_fields {{ input_name: "item" }} input_fields {{ input_name: "seen" }} input_fields {{ input_name: "seconds" }}
  input_fields {{ input_name: "tags" }}
}}
feature_config {{
  features {{ input_names: "item" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 embedding_name: "i" }}
  features {{ input_names: "seen" feature_type: SequenceFeature hash_bucket_size: 50 embedding_dim: 4
             embedding_name: "i" max_seq_len: 3 }}
  features {{ input_names: "seconds" feature_type: SequenceFeature sub_feature_type: RawFeature max_seq_len: 3 }}
  features {{ input_names: "tags" feature_type: SequenceFeature seq_multi_sep: ";" combiner: "mean"
             hash_bucket_size: 20 embedding_dim: 4
             sequence_combiner {{ text_cnn {{ filter_sizes: 2 num_filters: 3 pad_sequence_length: 4 }} }} }}
}}
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["tags", "item"]
    sequence_features {{ group_name: "seq" allow_key_transform: true
      seq_att_map {{ key: "item" hist_seq: ["seen", "seconds"] }}
      seq_dnn {{ hidden_units: [4, 1] activation: "tanh" }} }} }}
  dbmtl {{ bottom_dnn {{ hidden_units: 4 activation: "tanh" }}
    task_towers {{ tower_name: "ctr" label_name: "click" }} task_towers {{ tower_name: "cvr" label_name: "buy" }} }}
}}
"""
SEEN = [["a", "b"], None, [], ["c"], ["a", None, "é"], ["x"] * 40, ["b", "a"], ["", None]]
SECONDS = [[1.5, 2.0], None, [], [None], [0.0, -1.0, 3.0], [0.5] * 40, [1e6, 2.0], [None, None]]
TAGS = [[["t", "u"], []], None, [], [[], ["u"]], [["t"]], [["t"], ["u", "t"]], [None], [[""]]]
# What a client writes for them: nothing is an empty text, also in between.
TEXTS = {
    "seen": ["a|b", "", "", "c", "a||é", "|".join(["x"] * 40), "b|a", "|"],
    "seconds": ["1.5|2.0", "", "", "", "0|-1|3", "|".join(["0.5"] * 40), "1000000|2", "|"],
    "tags": ["t;u|", "", "", "|u", "t", "t|u;t", "", ""],
}
ITEMS = ["a", "b", "zz", "", "é", "x", "a", "c"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The config, its checkpoint, and a folder."""
    folder = tmp_path_factory.mktemp("histories")
    columns = {
        "click": pa.array([0, 1] * 4, pa.int32()),
        "buy": pa.array([0, 0, 1, 1] * 2, pa.int32()),
        "item": pa.array(ITEMS),
        "seen": pa.array(SEEN, pa.list_(pa.string())),
        "seconds": pa.array(SECONDS, pa.list_(pa.float64())),
        "tags": pa.array(TAGS, pa.list_(pa.list_(pa.string()))),
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    (folder / "x.config").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    config = load_config(str(folder / "x.config"))
    Trainer(config, lambda event: None).run()
    return config.pipeline, find_checkpoint(config.pipeline), folder


@pytest.fixture(scope="module")
def served(trained):
    """The scores of the checkpoint on the rows of the file, and the exported function."""
    pipeline, checkpoint, folder = trained
    scorer = RankerScorer(load_ranker(pipeline, checkpoint), tf.float32)
    with evaluation_feed(pipeline, scorer.encoder([]), pipeline.eval_input_path) as feed:
        rows = next(feed).rows
    assert to_tensors(rows)["step_lengths_1"].tolist() == [2, 1, 1, 1, 3, 3, 2, 2]
    expected, _ = scorer.score(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "score_apart", score_here)
        done = export(pipeline, checkpoint, folder / "export")
    return expected, tf.saved_model.load(str(done.path)).signatures["serving_default"]


def ask(serve, **columns):
    return {
        name: value.numpy()
        for name, value in serve(**{k: tf.constant(v, tf.string) for k, v in columns.items()}).items()
    }


def test_a_client_that_sends_texts_gets_the_scores_of_the_lists(served):
    expected, serve = served
    found = ask(serve, item=ITEMS, **TEXTS)
    assert set(found) == {"probs_ctr", "probs_cvr", "logits_ctr", "logits_cvr"}
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6, err_msg=name)
    assert len(np.unique(found["logits_ctr"].round(6))) > 4, "histories make a difference"


def test_rows_are_scored_alike_alone_and_together(served):
    expected, serve = served
    for row in range(len(ITEMS)):
        one = ask(serve, item=ITEMS[row : row + 1], **{name: texts[row : row + 1] for name, texts in TEXTS.items()})
        np.testing.assert_allclose(one["probs_ctr"], expected["probs_ctr"][row : row + 1], atol=1e-6)


def test_no_rows_are_answered_with_none(served):
    _, serve = served
    found = ask(serve, item=[], seen=[], seconds=[], tags=[])
    assert {values.shape for values in found.values()} == {(0,)}


@pytest.mark.parametrize(
    "request_, says",
    [
        ({"seen": ["a|b"], "seconds": ["1"]}, "seen.*and.*seconds.*of a row have different numbers of steps"),
        ({"seen": ["a", "b"], "seconds": ["1"]}, "seen"),
        ({"seen": ["a"], "seconds": ["one"]}, "could not correctly convert string: one"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(served, request_, says):
    _, serve = served
    with pytest.raises(tf.errors.InvalidArgumentError, match=says):
        ask(serve, item=["a"], tags=[""], **request_)


@pytest.fixture(scope="module")
def asking_for_lists(trained):
    _, checkpoint, folder = trained
    return load_config(str(folder / "x.config"), ["export_config.auto_multi_value=true"]).pipeline, checkpoint


def proved_here(pipeline, checkpoint, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "score_apart", score_here)
        return export(pipeline, checkpoint, folder)


def padded(rows, padding):
    width = max(map(len, rows))
    return tf.constant([[*row, *[padding] * (width - len(row))] for row in rows])


def test_a_client_that_sends_lists_gets_these_scores_too(asking_for_lists, served, tmp_path):
    done = proved_here(*asking_for_lists, tmp_path)
    serve = tf.saved_model.load(str(done.path)).signatures["serving_default"]
    # The last row has two steps of nothing, which no list can say: its end would be padding.
    steps = [[[item or "" for item in step or []] for step in row or []] for row in TAGS[:-1]]
    request = {
        "item": tf.constant(ITEMS[:-1]),
        "seen": padded([[item or "" for item in row or []] for row in SEEN[:-1]], ""),
        "seconds": padded([[math.nan if x is None else x for x in row or []] for row in SECONDS[:-1]], math.nan),
        "tags": padded([[";".join(step) for step in row] for row in steps], ""),
    }
    for name, values in serve(**request).items():
        np.testing.assert_allclose(values.numpy(), served[0][name][:-1], atol=1e-6, err_msg=name)


def test_a_row_whose_histories_cannot_be_sent_is_told_by_predict(asking_for_lists, tmp_path):
    pipeline, checkpoint = asking_for_lists
    table = pq.read_table(pipeline.eval_input_path)
    seconds = pa.array([[1.5, None], *SECONDS[1:]], pa.list_(pa.float64()))
    pq.write_table(table.set_column(table.column_names.index("seconds"), "seconds", seconds), tmp_path / "rows.parquet")
    other = type(pipeline).FromString(pipeline.SerializeToString())
    other.eval_input_path = str(tmp_path / "rows.parquet")
    done = proved_here(other, checkpoint, tmp_path / "export")
    assert done.parity.num_rows == 7, "the first row is none of the proof"
    told = r'The data hold "1.5\|" in "seconds", which no list of values can hold: an empty one at its end'
    with pytest.raises(UserError, match=told):
        predict(other, SavedModelScorer(done.path, other), other.eval_input_path, tmp_path / "out", [])
