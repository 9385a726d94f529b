"""Histories and blocks against NumPy: the same logits in training, from the checkpoint and from the SavedModel.

What NumPy starts from are the raw rows and the weights of the checkpoint by name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.checkpoints.weights import prefix_of
from easymtl.config import load_config
from easymtl.features.encoder import to_tensors
from easymtl.layers.context import Call, Pending
from easymtl.scoring.feed import evaluation_feed
from easymtl.scoring.predictions import predict
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving import parity
from easymtl.serving.export import export
from easymtl.training.trainer import Trainer
from tests.formulas import (
    Weights,
    batch_norm,
    dense,
    encode,
    gate,
    layer_norm,
    layers,
    mask_block,
    match,
    relu,
    sigmoid,
    softmax,
    token_norm,
)
from tests.serving.raw_histories import NUM_ROWS, Vectors, joined, padded, request, write
from tests.serving.scoring_here import score_here

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]
TOWERS = """task_towers { tower_name: "ctr" label_name: "click" dnn { hidden_units: 3 use_bn: false } }
    task_towers { tower_name: "cvr" label_name: "buy" }"""
ALL = 'feature_groups { group_name: "all" feature_names: ["tags", "user", "price", "kinds"] }'
SEQUENCE = """
  feature_groups { group_name: "seq" feature_names: ["kinds", "item", "tags"] }
  feature_groups { group_name: "rest" feature_names: ["user", "price"] }
  backbone {
    blocks { name: "steps" inputs { feature_group_name: "seq" } input_layer { output_seq_and_normal_feature: true } }
    blocks { name: "plain" inputs { feature_group_name: "rest" } }
    blocks { name: "block" inputs { block_name: "steps" } keras_layer { %s } }
    concat_blocks: ["block", "plain"]
  }
"""
Logits = dict[str, np.ndarray]


def attend(scores: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    """Sums the steps of each row by the softmax of their scores; all rows have theirs one behind the other."""
    ends = np.cumsum([len(row) for row in rows])
    parts = np.split(scores, ends[:-1])
    return np.stack([softmax(own) @ row if len(row) else np.zeros(row.shape[1]) for own, row in zip(parts, rows)])


def matched(query: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    return match(np.repeat(query, [len(row) for row in rows], axis=0), np.concatenate(rows))


def towers(w: Weights, x: np.ndarray) -> Logits:
    return {
        "ctr": dense(w, "ctr/output", layers(w, ["ctr/dnn_0"], x))[:, 0],
        "cvr": dense(w, "cvr/output", x)[:, 0],
    }


# Attention over both histories with a batch norm that counts steps, and over one of them with the other one along.
ATTENTION = """
  feature_groups { group_name: "all" feature_names: ["item", "price"]
    sequence_features { group_name: "both" seq_att_map { key: ["item", "user"] hist_seq: ["tags", "kinds"] }
      seq_dnn { hidden_units: [6, 1] } }
    sequence_features { group_name: "one" seq_att_map { key: "user" hist_seq: "kinds" aux_hist_seq: "tags" }
      seq_dnn { hidden_units: [5, 1] use_bn: false activation: "tanh" } need_key_feature: false } }
  dbmtl { bottom_dnn { hidden_units: 6 use_bn: false activation: "tanh" }
    task_towers { tower_name: "ctr" label_name: "click" dnn { hidden_units: 3 use_bn: false } }
    task_towers { tower_name: "cvr" label_name: "buy" relation_tower_names: "ctr"
      relation_dnn { hidden_units: 4 use_bn: false } } }
"""


def attention(w: Weights, v: Vectors, is_training: bool) -> Logits:
    query, both = np.concatenate([v.item, v.user], axis=1), joined(v.tags, v.kinds)
    hidden = dense(w, "seq_dnnboth/dnn_0", matched(query, both))
    hidden = relu(batch_norm(w, "seq_dnnboth/dnn_0/bn", hidden, is_training))
    first = attend(dense(w, "seq_dnnboth/dnn_1", hidden)[:, 0], both)
    hidden = np.tanh(dense(w, "seq_dnnone/dnn_0", matched(v.user, v.kinds)))
    scores = dense(w, "seq_dnnone/dnn_1", hidden)[:, 0]
    second = np.concatenate([attend(scores, v.kinds), attend(scores, v.tags)], axis=1)
    x = np.concatenate([v.item, v.price, first, query, second], axis=1)
    x = np.tanh(dense(w, "bottom_dnn/dnn_0", x))
    ctr = layers(w, ["ctr/dnn/dnn_0"], x)
    cvr = layers(w, ["cvr/relation_dnn/dnn_0"], np.concatenate([x, ctr], axis=1))
    return {"ctr": dense(w, "ctr/output", ctr)[:, 0], "cvr": dense(w, "cvr/output", cvr)[:, 0]}


DIN = SEQUENCE % 'class_name: "DIN" din { attention_dnn { hidden_units: [6, 1] use_bn: false } }'


def din(w: Weights, v: Vectors, is_training: bool) -> Logits:
    """The target is narrower than the history: it is padded, and what it attends to is cut."""
    query, history = np.pad(v.item, [(0, 0), (0, 4)]), joined(v.kinds, v.tags)
    hidden = layers(w, ["backbone/block/din_attention/layer_0/dense"], matched(query, history))
    scores = dense(w, "backbone/block/din_attention/layer_1/dense", hidden)[:, 0]
    return towers(w, np.concatenate([attend(scores, history)[:, :4], query, v.user, v.price], axis=1))


BST = (
    SEQUENCE
    % """class_name: "BST" bst { hidden_size: 6 num_attention_heads: 2 num_hidden_layers: 2
      intermediate_size: 5 max_position_embeddings: 4 target_item_position: "tail" hidden_dropout_prob: 0
      attention_probs_dropout_prob: 0 }"""
)


def bst(w: Weights, v: Vectors, is_training: bool) -> Logits:
    """Steps and target are projected; all tokens are given side by side, those of padding too."""
    values, mask = padded(joined(v.kinds, v.tags))
    steps = layers(w, ["block/seq_project"], values)
    target = layers(w, ["block/target_project"], v.item)[:, np.newaxis]
    tokens = np.concatenate([steps, target], axis=1) + w["position_embedding/block"]
    mask = np.concatenate([mask, np.ones([NUM_ROWS, 1], bool)], axis=1)
    tokens = token_norm(w, "LayerNorm", tokens)
    tokens = encode(w, "block/transformer", tokens, mask, 2, num_layers=2)
    return towers(w, np.concatenate([tokens.reshape([NUM_ROWS, -1]), v.user, v.price], axis=1))


MASK_NET = f"""{ALL}
  backbone {{ blocks {{ name: "net" inputs {{ feature_group_name: "all" }} keras_layer {{ class_name: "MaskNet"
    masknet {{ use_parallel: false input_layer_norm: true
      mask_blocks {{ aggregation_size: 7 output_size: 5 input_layer_norm: true }}
      mask_blocks {{ reduction_factor: 0.5 output_size: 4 projection_dim: 3 }}
      mlp {{ hidden_units: 6 use_final_bn: false }} }} }} }} }}
"""


def pooled(w: Weights, v: Vectors) -> np.ndarray:
    """The group `all`: plain features, and behind them what each history is as one feature, by their names."""
    sums = [
        attend((np.concatenate(rows) @ w[f"{name}_embedding/attention/kernel"])[:, 0], rows)
        for name, rows in (("kinds", v.kinds), ("tags", v.tags))
    ]
    return np.concatenate([v.user, v.price, *sums], axis=1)


def mask_net(w: Weights, v: Vectors, is_training: bool) -> Logits:
    start = layer_norm(w, "backbone/net/input_ln", pooled(w, v))
    x = mask_block(w, "backbone/net/block_0/", start, start)
    x = mask_block(w, "backbone/net/block_1/", x, start)
    return towers(w, layers(w, ["backbone/net/mlp/layer_0/dense"], x))


PPNET = f"""{ALL}
  feature_groups {{ group_name: "prior" feature_names: ["user", "item"] }}
  backbone {{ blocks {{ name: "net" inputs {{ feature_group_name: "all" }} inputs {{ feature_group_name: "prior" }}
    merge_inputs_into_list: true keras_layer {{ class_name: "PPNet"
      ppnet {{ mlp {{ hidden_units: [6, 5] use_bn: false use_final_bn: false }} }} }} }} }}
"""


def ppnet(w: Weights, v: Vectors, is_training: bool) -> Logits:
    x, net = pooled(w, v), "backbone/net"
    read = np.concatenate([x, v.user, v.item], axis=1)
    for index in range(2):
        x = layers(w, [f"{net}/layer_{index}/dense"], x * gate(w, f"{net}/gate_{index}", index, read))
    return towers(w, x)


@dataclass(frozen=True)
class Case:
    """A model, its formula, and what histories become that stand in its groups alone."""

    model: str
    formula: Callable[[Weights, Vectors, bool], Logits]
    combiner: str = ""


CASES = {
    "attention": Case(ATTENTION, attention),
    "DIN": Case(f"{DIN} model_params {{ {TOWERS} }}", din),
    "BST": Case(f"{BST} model_params {{ {TOWERS} }}", bst),
    "MaskNet": Case(f"{MASK_NET} model_params {{ {TOWERS} }}", mask_net, "attention { }"),
    "PPNet": Case(f"{PPNET} model_params {{ {TOWERS} }}", ppnet, "attention { }"),
}


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_the_formula(name, tmp_path, monkeypatch):
    case = CASES[name]
    config = load_config(str(write(tmp_path, case.model, case.combiner)))
    Trainer(config, lambda event: None).run()
    pipeline, checkpoint = config.pipeline, find_checkpoint(config.pipeline)
    reader = tf.train.load_checkpoint(prefix_of(checkpoint.path))
    weights = {key: reader.get_tensor(key).astype(float) for key in reader.get_variable_to_shape_map()}
    vectors = Vectors(weights, is_side_by_side=not case.combiner)
    expected = case.formula(weights, vectors, False)
    assert all(np.ptp(logits) > 0.1 for logits in expected.values()), "rows differ"

    ranker = load_ranker(pipeline, checkpoint)
    scorer = RankerScorer(ranker, tf.float32)
    with evaluation_feed(pipeline, scorer.encoder([]), pipeline.eval_input_path) as feed:
        batch = {key: tf.constant(value) for key, value in to_tensors(next(feed).rows).items()}
    training = Call(training=True, seed=tf.constant([0, 1], tf.int64), pending=Pending())
    logits, _ = ranker.logits(batch, ranker.embeddings.lookup(batch), training)
    for task, values in case.formula(weights, vectors, True).items():
        np.testing.assert_allclose(logits[task][:, 0], values, atol=1e-5, rtol=0, err_msg=f"training: {task}")

    predict(pipeline, scorer, pipeline.eval_input_path, tmp_path / "scores.parquet", [])
    require_scores(pq.read_table(tmp_path / "scores.parquet").to_pydict(), expected, "checkpoint")

    monkeypatch.setattr(parity, "score_apart", score_here)
    done = export(pipeline, checkpoint, tmp_path / "export")
    serve = tf.saved_model.load(str(done.path)).signatures["serving_default"]
    asked = {name: tensor for name, tensor in request().items() if name in serve.structured_input_signature[1]}
    require_scores(serve(**asked), expected, "SavedModel")


def require_scores(found, expected: Logits, source: str) -> None:
    for task, values in expected.items():
        for score, right in ((f"logits_{task}", values), (f"probs_{task}", sigmoid(values))):
            np.testing.assert_allclose(found[score], right, atol=1e-5, rtol=0, err_msg=f"{source}: {score}")
