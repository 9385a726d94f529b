"""The table of a network: sizes against the variables that exist."""

import pytest
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.network import module_name, modules_of, print_network, training_memory
from easymtl.reporting.terminal import open_terminal
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers

COMMON = """
    data_config {
      label_fields: ["click", "buy"]
      input_fields { input_name: "click" input_type: INT32 }
      input_fields { input_name: "buy" input_type: INT32 }
      input_fields { input_name: "user" input_type: STRING }
      input_fields { input_name: "item" input_type: STRING }
      input_fields { input_name: "last" input_type: STRING }
      input_fields { input_name: "price" input_type: FLOAT }
    }
    feature_config {
      features { input_names: "user" feature_type: IdFeature hash_bucket_size: 1000 embedding_dim: 4 }
      features { input_names: "item" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4
                 embedding_name: "item" }
      features { input_names: "last" feature_type: TagFeature hash_bucket_size: 50 embedding_dim: 4
                 embedding_name: "item" }
      features { input_names: "price" feature_type: RawFeature }
    }
    model_config { feature_groups { group_name: "all" feature_names: ["user", "item", "last", "price"] } }
"""
DBMTL = """model_config { dbmtl {
    bottom_dnn { hidden_units: [8] }
    expert_dnn { hidden_units: [6, 5] }
    num_expert: 3
    task_towers { tower_name: "click" label_name: "click" dnn { hidden_units: [4] } }
    task_towers { tower_name: "buy" label_name: "buy" dnn { hidden_units: [4] }
                  relation_tower_names: "click" relation_dnn { hidden_units: [3] } }
} }"""
MMOE = """model_config { mmoe {
    experts { dnn { hidden_units: [6] } }
    experts { dnn { hidden_units: [7, 6] } }
    experts { dnn { hidden_units: [6] } }
    task_towers { tower_name: "click" label_name: "click" dnn { hidden_units: [4] } }
    task_towers { tower_name: "buy" label_name: "buy" }
} }"""
CGC = """model_config { cgc {
    expert_num_per_task: 2 share_num: 3 task_expert_net { hidden_units: 6 } share_expert_net { hidden_units: 6 }
    task_towers { tower_name: "click" label_name: "click" dnn { hidden_units: [4] } }
    task_towers { tower_name: "buy" label_name: "buy" }
} }"""
RATE = "learning_rate { constant_learning_rate { learning_rate: 0.1 } }"
ADAM = f"train_config {{ optimizer_config {{ adam_optimizer {{ {RATE} }} }} }}"
MIXED = (
    f"train_config {{ optimizer_config {{ adagrad_optimizer {{ {RATE} }} }} "
    f"optimizer_config {{ adam_optimizer {{ {RATE} }} }} }}"
)


def build(model: str, train: str = ADAM) -> tuple[Ranker, Pipeline]:
    pipeline = text_format.Parse(COMMON, Pipeline())
    for part in (model, train):
        pipeline.MergeFrom(text_format.Parse(part, Pipeline()))
    return Ranker(pipeline), pipeline


def layers(ranker: Ranker) -> dict:
    tables = ranker.embeddings.parameters()
    found = modules_of(p for name, p in ranker.parameters.items() if name not in tables)
    return {module.name: module for module in found}


@pytest.mark.parametrize(
    "parameter, module",
    [
        ("bottom_dnn/dnn_0/kernel", "bottom_dnn"),
        ("mmoe/expert_10/dnn_1/bn/moving_mean", "mmoe/expert_10"),
        ("mmoe/gate_0/dnn/bias", "mmoe/gate_0/dnn"),
        ("mmoe/gate_0/hidden/dnn_0/kernel", "mmoe/gate_0/hidden"),
        ("click/dnn/dnn_0/dice/bn/count", "click/dnn"),
        ("click/relation_dnn/dnn_0/kernel", "click/relation_dnn"),
        ("dnn_output_0/kernel", "dnn_output_0"),
        ("expert_7/dnn_0/prelu/slope", "expert_7"),
    ],
)
def test_a_parameter_belongs_to_the_module_above_its_layer(parameter, module):
    assert module_name(parameter) == module


def test_modules_have_the_widths_of_the_config():
    modules = layers(build(DBMTL)[0])
    assert {name: module.widths for name, module in modules.items()} == {
        "bottom_dnn": [13, 8],
        "mmoe/expert_*": [8, 6, 5],
        "mmoe/gate_*/dnn": [8, 3],
        "click/dnn": [5, 4],
        "buy/dnn": [5, 4],
        "buy/relation_dnn": [8, 3],
        "click/output": [4, 1],
        "buy/output": [3, 1],
    }
    assert len(modules["mmoe/expert_*"].members) == 3 and len(modules["mmoe/gate_*/dnn"].members) == 2


def test_experts_of_other_widths_stand_alone():
    modules = layers(build(MMOE)[0])
    assert [m.members for m in modules.values() if "expert" in m.name] == [
        ["mmoe/expert_0", "mmoe/expert_2"],
        ["mmoe/expert_1"],
    ]


def test_experts_of_a_level_are_one_line_for_each_owner():
    modules = layers(build(CGC)[0])
    assert {name: len(module.members) for name, module in modules.items() if "cgc" in name} == {
        "cgc_task_0_expert_*/dnn": 2,
        "cgc_task_1_expert_*/dnn": 2,
        "cgc_share/dnn_expert_*/dnn": 3,
        "cgc_task_0_gate/dnn": 1,
        "cgc_task_1_gate/dnn": 1,
    }


@pytest.mark.parametrize("model", [DBMTL, MMOE, CGC])
def test_every_number_is_counted_once(model):
    ranker, _ = build(model)
    modules = layers(ranker).values()
    assert sum(m.num_trained for m in modules) == sum(v.shape.num_elements() for v in ranker.model.trainable_variables)
    fixed = sum(v.shape.num_elements() for v in ranker.model.variables) - sum(m.num_trained for m in modules)
    assert sum(m.num_fixed for m in modules) == fixed > 0


@pytest.mark.parametrize("train", [ADAM, MIXED])
def test_memory_is_that_of_the_variables_of_training(train):
    ranker, pipeline = build(DBMTL, train)
    tables = list(ranker.embeddings.variables_by_width.values())
    optimizers = Optimizers(pipeline.train_config.optimizer_config, tables, ranker.dense_variables)
    slots = [
        slot for optimizer in (optimizers.embedding, optimizers.dense) for by in optimizer.slots for slot in by.values()
    ]
    memory = training_memory(ranker, pipeline)
    assert memory.slots == 4 * sum(slot.shape.num_elements() for slot in slots)
    assert memory.weights == 4 * sum(variable.shape.num_elements() for variable in ranker.variables)
    assert memory.gradients == 4 * sum(variable.shape.num_elements() for variable in ranker.dense_variables)


def test_the_tables_as_printed(make_pipe):
    pipe = make_pipe("ascii")
    print_network(*build(DBMTL), open_terminal(pipe))
    lines = [" ".join(line.replace("|", " ").split()) for line in pipe.text().splitlines()]
    for expected in (
        "all 2 1 1 13",
        "all/user all/user 1,000 x 4 16 KiB",
        "item all/item, all/last 50 x 4 800 B",
        "mmoe/expert_* 8 > 6 > 5 3 300",
        "click click binary cross_entropy_loss click",
        "buy buy binary cross_entropy_loss buy, click",
        "embedding parameters 4,200 in 2 tables",
    ):
        assert expected in lines
