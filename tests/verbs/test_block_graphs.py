"""A block graph on its whole way: checked, trained, continued, exported, and scored by checkpoint and SavedModel."""

import json
from contextlib import nullcontext

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.errors.project import CONFIG, Project, replaced
from tests.tracing import traced

pytestmark = pytest.mark.usefixtures("op_by_op", "score_here")

GRAPH = """
  feature_groups { group_name: "ids" feature_names: ["user", "tags"] }
  feature_groups { group_name: "plain" feature_names: ["user_text", "price"] }
  backbone {
    packages {
      name: "enc"
      blocks {
        name: "net"
        inputs { use_package_input: true }
        keras_layer { class_name: "MLP" mlp { hidden_units: 6 dropout_ratio: 0.2 } }
      }
    }
    blocks { name: "table" inputs { feature_group_name: "ids" } embedding_layer { embedding_dim: 3 combiner: "mean" } }
    blocks { name: "raw" inputs { feature_group_name: "plain" } raw_input { } }
    blocks { name: "price" inputs { block_name: "raw" input_slice: "[1]" input_fn: "lambda x: tf.expand_dims(x, 1)" } }
    blocks {
      name: "fea"
      inputs { feature_group_name: "all" }
      input_layer { do_batch_norm: true feature_dropout_rate: 0.1 output_2d_tensor_and_feature_list: true }
    }
    blocks { name: "first" inputs { block_name: "fea" input_slice: "[0]" } }
    blocks {
      name: "score"
      inputs { block_name: "first" }
      keras_layer { class_name: "MLP" mlp { hidden_units: 1 use_final_bn: false add_to_outputs: true } }
    }
    blocks { name: "other" inputs { package_name: "enc" package_input: "first" package_input_fn: "lambda x: x * 0.5" } }
    blocks { name: "same" inputs { package_name: "enc" package_input: "first" } }
    blocks {
      name: "near"
      inputs { block_name: "same" }
      inputs { block_name: "other" }
      merge_inputs_into_list: true
      keras_layer {
        class_name: "AuxiliaryLoss"
        st_params { fields { key: "loss_type" value { string_value: "info_nce" } } }
      }
    }
    blocks {
      name: "join"
      inputs { block_name: "same" }
      inputs { block_name: "table" }
      inputs { block_name: "price" }
      inputs { block_name: "score" }
      inputs { block_name: "near" ignore_input: true }
    }
    concat_blocks: "join"
    top_mlp { hidden_units: 8 }
  }
  model_params {
    outputs: "score"
"""
USER = 'features { feature_name: "user_text" input_names: "user" hash_bucket_size: 5 embedding_dim: 2 }'
TEXT = replaced(
    CONFIG,
    ("  dbmtl {\n    bottom_dnn { hidden_units: [8, 6] }\n", GRAPH),
    (
        "feature_config {\n",
        f"feature_config {{\n  {USER}\n",
    ),
)


@pytest.mark.slow
def test_a_graph_goes_all_the_way(tmp_path):
    project = Project(tmp_path, TEXT)
    command = "--pipeline_config x.config"
    drawn = project.run(f"check {command} --network")
    assert drawn.code == 0, drawn.message
    assert "enc(first | lambda x: x * 0.5)" in " ".join(drawn.out.split())
    for steps, exporter in ((2, "none"), (4, "final")):
        # Steps are traced on the way to the first checkpoint.
        with traced() if steps == 2 else nullcontext():
            trained = project.run(
                f"train {command} --set train_config.num_steps={steps} --set export_config.exporter_type={exporter}"
            )
        assert trained.code == 0, trained.message
        assert "near_info_nce_loss" in trained.out
    results = []
    for size in (3, 12):
        judged = project.run(f"eval {command} --set data_config.eval_batch_size={size}")
        assert judged.code == 0, judged.message
        found = json.loads((tmp_path / "model/eval_result.json").read_text())
        results.append({name: value for name, value in found.items() if "loss" in name})
    assert {"near_info_nce_loss", "loss"} <= set(results[0])
    assert results[0] == pytest.approx(results[1], rel=1e-5)
    for name, where in (("a", ""), ("b", "--saved_model model/export/final")):
        scored = project.run(f"predict {command} --input eval.csv --output {name}.parquet {where}")
        assert scored.code == 0, scored.message
    first, second = (pq.read_table(tmp_path / f"{name}.parquet") for name in "ab")
    assert {"score", "probs_ctr", "probs_cvr", "y_stay"} <= set(first.column_names) == set(second.column_names)
    for name in first.column_names:
        np.testing.assert_allclose(first[name].to_numpy(), second[name].to_numpy(), rtol=1e-5, atol=1e-6)


FM = """
  feature_groups { group_name: "ids" feature_names: ["user", "tags"] }
  backbone {
    blocks { name: "fea" inputs { feature_group_name: "ids" } input_layer { only_output_feature_list: true } }
    blocks {
      name: "fm"
      inputs { block_name: "fea" }
      repeat {
        num_repeat: 2 output_concat_axis: 1
        keras_layer {
          class_name: "FM"
          st_params { fields { key: "l2_regularization" value { number_value: 0.1 } } }
        }
      }
    }
    concat_blocks: "fm"
  }
  model_params {
"""


@pytest.mark.parametrize("command", ["check", pytest.param("train", marks=pytest.mark.slow)])
def test_a_parameter_that_nothing_reads_is_noted_once_with_its_line(command, tmp_path):
    """As `fm { l2_regularization: 0.1 }` is, whose text alone says that it is ignored."""
    change = ("  dbmtl {\n    bottom_dnn { hidden_units: [8, 6] }\n", FM)
    project = Project(tmp_path, replaced(CONFIG, change))
    line = (tmp_path / "x.config").read_text().split("st_params")[0].count("\n") + 1
    done = project.run(f"{command} --pipeline_config x.config")
    assert done.code == 0, done.message
    said = f"x.config:{line}: keras_layer.st_params l2_regularization is ignored. The products have no weights"
    assert " ".join(done.out.split()).count(said) == 1, done.out
