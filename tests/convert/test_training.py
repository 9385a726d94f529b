"""Optimizers, schedules, and the rest of train_config, eval_config and export_config."""

import pytest
from google.protobuf import text_format

from easymtl.convert.report import Kind
from easymtl.protos.optimizer_pb2 import Optimizer

SPARSE = "sparse_optimizer { adam_optimizer { lr: 0.001 } constant_learning_rate { } }"
DENSE = "dense_optimizer { adam_optimizer { lr: 0.001 } constant_learning_rate { } }"
RATE = "learning_rate { constant_learning_rate { learning_rate: 0.5 } }"


def dense(small, optimizer, schedule="constant_learning_rate { }"):
    conversion = small((DENSE, f"dense_optimizer {{ {optimizer} {schedule} }}"))
    return conversion.pipeline.train_config.optimizer_config[1]


def sparse(small, optimizer):
    conversion = small((SPARSE, f"sparse_optimizer {{ {optimizer} constant_learning_rate {{ }} }}"))
    return conversion.pipeline.train_config.optimizer_config[0]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("adam_optimizer { lr: 0.5 }", f"adam_optimizer {{ {RATE} }}"),
        ("adam_optimizer { lr: 0.5 beta1: 0.8 }", f"adam_optimizer {{ {RATE} beta1: 0.8 }}"),
        ("adam_optimizer { lr: 0.5 beta2: 0.75 }", f"adam_optimizer {{ {RATE} beta2: 0.75 }}"),
        (
            "adam_optimizer { lr: 0.5 } ema { decay: 0.75 }",
            f"adam_optimizer {{ {RATE} }} use_moving_average: true moving_average_decay: 0.75",
        ),
        ("adamw_optimizer { lr: 0.5 }", f"adam_optimizer {{ {RATE} }}"),
        ("adamw_optimizer { lr: 0.5 weight_decay: 0.25 }", f"adamw_optimizer {{ {RATE} weight_decay: 0.125 }}"),
        ("sgd_optimizer { lr: 0.5 }", f"momentum_optimizer {{ {RATE} momentum_optimizer_value: 0.9 }}"),
        (
            "adagrad_optimizer { lr: 0.5 initial_accumulator_value: 0.25 }",
            f"adagrad_optimizer {{ {RATE} initial_accumulator_value: 0.25 }}",
        ),
        (
            "rmsprop_optimizer { lr: 0.5 alpha: 0.75 eps: 0.5 }",
            f"rms_prop_optimizer {{ {RATE} momentum_optimizer_value: 0 decay: 0.75 epsilon: 0.25 }}",
        ),
        (
            "adadelta_optimizer { lr: 0.5 rho: 0.75 eps: 0.5 }",
            f"rms_prop_optimizer {{ {RATE} momentum_optimizer_value: 0 decay: 0.75 epsilon: 0.5 }}",
        ),
    ],
)
def test_dense_optimizers(small, theirs, ours):
    assert dense(small, theirs) == text_format.Parse(ours, Optimizer())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sgd_optimizer { lr: 0.5 }", f"momentum_optimizer {{ {RATE} momentum_optimizer_value: 0 }}"),
        ("lamb_optimizer { lr: 0.5 }", f"adam_optimizer {{ {RATE} }}"),
        ("partial_rowwise_adam_optimizer { lr: 0.5 }", f"adam_optimizer {{ {RATE} }}"),
        ("lars_sgd_optimizer { lr: 0.5 }", f"momentum_optimizer {{ {RATE} momentum_optimizer_value: 0.9 }}"),
    ],
)
def test_optimizers_of_embeddings(small, theirs, ours):
    assert sparse(small, theirs) == text_format.Parse(ours, Optimizer())


def test_adagrad_cannot_start_at_zero(small):
    assert sparse(small, "adagrad_optimizer { lr: 0.5 }").adagrad_optimizer.initial_accumulator_value == pytest.approx(
        1e-10
    )


@pytest.mark.parametrize(
    ("optimizer", "kind", "text"),
    [
        ("adam_optimizer { lr: 1 amsgrad: true }", Kind.LEFT_OUT, "adam_optimizer.amsgrad: Adam is without it"),
        (
            "adam_optimizer { lr: 1 weight_decay: 0.1 }",
            Kind.LEFT_OUT,
            "adam_optimizer.weight_decay: there is none here",
        ),
        ("adam_optimizer { lr: 1 eps: 0.001 }", Kind.LEFT_OUT, "adam_optimizer.eps: epsilon is 1e-08 here"),
        ("sgd_optimizer { lr: 1 nesterov: true }", Kind.LEFT_OUT, "sgd_optimizer.nesterov: momentum is plain"),
        ("sgd_optimizer { lr: 1 dampening: 0.5 }", Kind.LEFT_OUT, "sgd_optimizer.dampening: momentum is plain"),
        ("adam_optimizer { lr: 1 } ema { }", Kind.CHANGED, "ema: evaluations and exports read the averages"),
        ("adadelta_optimizer { lr: 1 }", Kind.CHANGED, "adadelta_optimizer: there is no Adadelta here"),
        (
            'adam_optimizer { lr: 1 } part_optimizers { regex_pattern: "x" }',
            Kind.LEFT_OUT,
            'part_optimizers[0]: the weights that "x" matches',
        ),
    ],
)
def test_remarks_on_optimizers(small, said, optimizer, kind, text):
    remarks = said(small((DENSE, f"dense_optimizer {{ {optimizer} constant_learning_rate {{ }} }}")), kind)
    assert any(remark.startswith("6 " + text) for remark in remarks)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ("constant_learning_rate { }", "the effect is the same."),
        ("exponential_decay_learning_rate { decay_size: 9 }", "there it falls with the schedule."),
    ],
)
def test_decay_of_weights_follows_the_rate_there(small, said, schedule, text):
    adamw = f"dense_optimizer {{ adamw_optimizer {{ lr: 0.5 weight_decay: 0.25 }} {schedule} }}"
    conversion = small((DENSE, adamw))
    (remark,) = said(conversion, Kind.CHANGED)
    assert "adamw_optimizer.weight_decay: it is 0.125 = weight_decay * lr here" in remark
    assert remark.endswith(text)
    assert said(conversion, Kind.LEFT_OUT) == []


def test_one_optimizer_averages_the_embeddings_too(small, said):
    averaged = (DENSE, "dense_optimizer { adam_optimizer { lr: 1 } ema { } }")
    for changes, is_told in ([averaged], False), ([averaged, (SPARSE, "")], True):
        remarks = said(small(*changes), Kind.CHANGED)
        assert (
            any("dense_optimizer: its ema is the average of the embeddings" in remark for remark in remarks) == is_told
        )
    assert not small(averaged).pipeline.train_config.optimizer_config[0].use_moving_average


def test_clipping_of_embeddings_one_by_one_is_told(small, said):
    optimizer = "adam_optimizer { lr: 1 gradient_clipping: true max_gradient: 2 }"
    conversion = small((SPARSE, f"sparse_optimizer {{ {optimizer} }}"))
    (remark,) = said(conversion, Kind.LEFT_OUT)
    assert "gradients of embeddings are not cut to 2 one by one" in remark


def rate_there(schedule, step):
    """The learning rate of a step, counted from 0, by the formulas of TorchEasyRec."""
    import math

    kind, values = schedule
    if kind == "exponential":
        if step < values["warmup"]:
            return values["start"] + (1 - values["start"]) * step / values["warmup"]
        exponent = (step - values["warmup"]) / values["size"]
        return max(values["factor"] ** (math.floor(exponent) if values["staircase"] else exponent), values["least"])
    if kind == "manual":
        passed = [rate for size, rate in zip(values["sizes"], values["rates"]) if size < step]
        if passed:
            return passed[-1]
        first, target = values["sizes"][0], values["rates"][0]
        return 1 + (target - 1) * step / first if values["warmup"] else 1
    if step < values["warmup"]:
        return values["start"] + (1 - values["start"]) * step / values["warmup"]
    return 0.5 * (1 + math.cos(math.pi * min(step - values["warmup"], values["size"]) / values["size"]))


SCHEDULES = [
    (
        "exponential_decay_learning_rate { decay_size: 10 decay_factor: 0.5 staircase: false warmup_size: 4 "
        "warmup_learning_rate: 0.1 min_learning_rate: 0.01 }",
        ("exponential", {"warmup": 4, "start": 0.1, "size": 10, "factor": 0.5, "staircase": False, "least": 0.01}),
    ),
    (
        "exponential_decay_learning_rate { decay_size: 10 decay_factor: 0.5 }",
        ("exponential", {"warmup": 0, "start": 0, "size": 10, "factor": 0.5, "staircase": True, "least": 0}),
    ),
    (
        "manual_step_learning_rate { schedule_sizes: [5, 20] learning_rates: [0.5, 0.25] }",
        ("manual", {"sizes": [5, 20], "rates": [0.5, 0.25], "warmup": False}),
    ),
    (
        "manual_step_learning_rate { schedule_sizes: [5, 20] learning_rates: [0.5, 0.25] warmup: true }",
        ("manual", {"sizes": [5, 20], "rates": [0.5, 0.25], "warmup": True}),
    ),
    (
        "cosine_annealing_learning_rate { T_max: 30 warmup_size: 6 warmup_learning_rate: 0.25 }",
        ("cosine", {"size": 30, "warmup": 6, "start": 0.25}),
    ),
]


@pytest.mark.parametrize(
    ("theirs", "formula"), SCHEDULES, ids=[text.split()[0] + str(i) for i, (text, _) in enumerate(SCHEDULES)]
)
def test_schedules_are_the_same_function_of_the_step(small, theirs, formula):
    from easymtl.training.schedules import make_schedule

    optimizer = dense(small, "adam_optimizer { lr: 1 }", theirs).adam_optimizer
    schedule = make_schedule(optimizer.learning_rate)
    for step in range(45):
        assert float(schedule(step)) == pytest.approx(rate_there(formula, step), abs=1e-6), f"at step {step}"


def test_schedules_in_epochs_and_with_restarts_are_told(small, said):
    conversion = small(
        (
            DENSE,
            DENSE.replace(
                "constant_learning_rate { }", "exponential_decay_learning_rate { decay_size: 1 by_epoch: true }"
            ),
        )
    )
    assert any("counts epochs" in remark for remark in said(conversion, Kind.LEFT_OUT))
    rate = conversion.pipeline.train_config.optimizer_config[1].adam_optimizer.learning_rate
    assert rate.constant_learning_rate.learning_rate == pytest.approx(0.001)
    conversion = small(
        (
            DENSE,
            DENSE.replace(
                "constant_learning_rate { }", "cosine_annealing_warm_restarts_learning_rate { T_0: 9 warmup_size: 2 }"
            ),
        )
    )
    assert any("no schedule restarts" in remark for remark in said(conversion, Kind.LEFT_OUT))
    rate = conversion.pipeline.train_config.optimizer_config[1].adam_optimizer.learning_rate
    assert rate.cosine_decay_learning_rate.total_steps == 11


@pytest.mark.parametrize(
    ("schedule", "kind", "text"),
    [
        (
            "manual_step_learning_rate { schedule_sizes: [5, 9] learning_rates: 0.5 }",
            Kind.LEFT_OUT,
            "there are 2 sizes for 1 learning_rates",
        ),
        ("cosine_annealing_learning_rate { T_max: 9 min_learning_rate: 0.1 }", Kind.CHANGED, "the rate falls to 0"),
    ],
)
def test_what_a_schedule_does_not_take_over_is_told(small, said, schedule, kind, text):
    (remark,) = said(small((DENSE, DENSE.replace("constant_learning_rate { }", schedule))), kind)
    assert text in remark


@pytest.mark.parametrize(
    ("theirs", "field", "value"),
    [
        ("num_steps: 7", "num_steps", 7),
        ("save_checkpoints_steps: 7", "save_checkpoints_steps", 7),
        ("", "save_checkpoints_steps", 1000),
        ("save_checkpoints_epochs: 1", "save_checkpoints_steps", 0),
        ("keep_checkpoint_max: 3", "keep_checkpoint_max", 3),
        ("log_step_count_steps: 9", "log_step_count_steps", 9),
        ("", "log_step_count_steps", 100),
        ("is_profiling: true", "is_profiling", True),
        ("use_tensorboard: false", "save_summary_steps", 0),
        ("save_checkpoints_timestamp_interval: 60", "save_checkpoints_secs", 60),
        ('mixed_precision: "BF16"', "mixed_precision", 2),
        ('grad_clipping { clipping_type: "norm" max_gradient: 5 }', "gradient_clipping_by_norm", 5),
    ],
)
def test_fields_of_train_config(small, theirs, field, value):
    conversion = small(("num_epochs: 1", f"num_epochs: 1 {theirs}"))
    assert getattr(conversion.pipeline.train_config, field) == value
    assert conversion.pipeline.data_config.num_epochs == 1
    assert conversion.check("out.config") == []


@pytest.mark.parametrize(
    ("theirs", "kind", "text"),
    [
        ("gradient_accumulation_steps: 4", Kind.LEFT_OUT, "multiply data_config.batch_size by 4"),
        ('fine_tune_checkpoint: "m"', Kind.LEFT_OUT, "checkpoints of PyTorch are not read"),
        ('grad_clipping { clipping_type: "value" }', Kind.LEFT_OUT, "only the Euclidean norm"),
        ('grad_clipping { clipping_type: "norm" norm_type: 1 }', Kind.LEFT_OUT, "only the Euclidean norm"),
        ('mixed_precision: "TF32"', Kind.LEFT_OUT, 'there is no "TF32"'),
        ("save_checkpoints_timestamp_interval: 60", Kind.CHANGED, "seconds of the clock"),
        ("save_checkpoints_epochs: 1", Kind.LEFT_OUT, "checkpoints are counted in steps"),
        ("delta_embedding_dump_config { }", Kind.LEFT_OUT, "changes are not streamed"),
        ("grad_scaler { }", Kind.NOT_NEEDED, "bfloat16 needs none"),
        ("cudnn_allow_tf32: false", Kind.NOT_NEEDED, "a switch of PyTorch"),
        ('mixed_precision: "FP16"', Kind.CHANGED, "bfloat16, not float16"),
    ],
)
def test_remarks_on_train_config(small, said, theirs, kind, text):
    assert any(text in remark for remark in said(small(("num_epochs: 1", f"num_epochs: 1 {theirs}")), kind))


def test_a_training_ends(small, said):
    conversion = small(("  num_epochs: 1\n", ""))
    assert conversion.pipeline.data_config.num_epochs == 1
    assert any("neither num_steps nor num_epochs" in remark for remark in said(conversion, Kind.GUESSED))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("", ""),
        ('export_config { exporter_type: "latest" }', ""),
        (
            'export_config { exporter_type: "best" best_exporter_metric: "grouped_auc_ctr" }',
            'exporter_type: "best" best_exporter_metric: "gauc_ctr" metric_bigger: true',
        ),
        (
            'export_config { exporter_type: "best" best_exporter_metric: "grouped_auc" }',
            'exporter_type: "best" best_exporter_metric: "gauc" metric_bigger: true',
        ),
        (
            'export_config { exporter_type: "best" best_exporter_metric: "grouped_xauc_ctr" }',
            'exporter_type: "best" metric_bigger: true',
        ),
        ('export_config { exporter_type: "each" }', ""),
        (
            'export_config { exporter_type: "best" best_exporter_metric: "auc" metric_larger_is_better: false }',
            'exporter_type: "best" best_exporter_metric: "auc" metric_bigger: false',
        ),
    ],
)
def test_exports(small, theirs, ours):
    exported = small(("data_config {", f"{theirs}\ndata_config {{")).pipeline.export_config
    assert exported == text_format.Parse(ours, type(exported)())


@pytest.mark.parametrize(
    ("theirs", "text"),
    [
        ('exporter_type: "best" best_exporter_metric: "grouped_xauc_ctr"', 'there is no "grouped_xauc_ctr"'),
        ('exporter_type: "each"', '"each" is neither "latest" nor "best"'),
    ],
)
def test_what_an_export_cannot_be_is_told(small, said, theirs, text):
    (remark,) = said(small(("data_config {", f"export_config {{ {theirs} }}\ndata_config {{")), Kind.LEFT_OUT)
    assert text in remark


def test_evaluations_count_rows_here(small):
    changes = ("data_config {", "eval_config { num_steps: 10 }\ndata_config { eval_batch_size: 32")
    assert small(changes).pipeline.eval_config.num_examples == 320
