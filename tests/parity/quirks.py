"""What EasyRec does and easymtl does not: the cases that show it, what holds in them all the same, and our test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from easymtl.config import view
from easymtl.config.expressions import COMPARISONS, Tree, parse_expression
from easymtl.config.expressions.tree import Binary
from easymtl.protos.feature_pb2 import FeatureConfig, SeqAttGroupConfig
from easymtl.protos.pipeline_pb2 import Pipeline

BEFORE_TRAINING = ("forward_eval:init/", "losses:eval_init", "metrics:init", "own_init:")
NOTHING = ("own_init:",)
UNTIL_THE_LOSS = (*BEFORE_TRAINING, "forward_eval:train_step1/")
WITHOUT_LOSSES = ("forward_eval:init/", "forward_eval:train_step1/", "metrics:init", "own_init:")
UNTIL_THE_UPDATE = (*UNTIL_THE_LOSS, "losses:step 1", "gradients_step1:", "grads_step1:")


@dataclass(frozen=True)
class Quirk:
    """A behaviour that is not copied.

    Attributes:
        reason: what is done here, and what there.
        test: `file::function` of ours that shows the behaviour; empty while the config is still to be supported.
        holds: beginnings of the comparisons that hold all the same.
    """

    reason: str
    test: str
    holds: tuple[str, ...]

    @property
    def is_trained(self) -> bool:
        """Returns whether anything of the training can be compared."""
        return not set(self.holds) <= set(BEFORE_TRAINING)


_FROZEN = Quirk(
    "batch norm of the experts trains here, and is frozen there",
    "tests/layers/test_experts.py::test_a_stack_moves_the_norms_of_each_of_its_dnns",
    BEFORE_TRAINING,
)
_SAMPLE_WEIGHTS = Quirk(
    "sample weights count here, and are ignored there",
    "tests/tasks/test_losses.py::test_sample_weights_count_in_every_loss",
    WITHOUT_LOSSES,
)
QUIRKS: dict[str, Quirk] = {
    "04_mmoe_expert_bn": _FROZEN,
    "04f_": _FROZEN,
    "06": Quirk(
        "losses are weighted means here, and sums over the batch there",
        "tests/parity/test_esmm.py::test_sums_over_the_batch_are_means_with_larger_weights",
        WITHOUT_LOSSES,
    ),
    "08_losses/two_losses": Quirk(
        "each loss has its own weight here, and all the first one's there",
        "tests/tasks/test_task.py::test_each_loss_of_a_tower_has_its_own_weight_and_the_tower_multiplies_all",
        WITHOUT_LOSSES,
    ),
    "08_losses/bce_sw": _SAMPLE_WEIGHTS,
    "08_losses/ziln_sw": _SAMPLE_WEIGHTS,
    "08_losses/listwise_rank_sw": _SAMPLE_WEIGHTS,
    "08_losses/uncertainty": Quirk(
        "the weights of the loss and its tower count here, not there; losses of an evaluation have no learned weights",
        "tests/training/balancing/test_learned_losses.py::test_weights_of_the_config_count",
        WITHOUT_LOSSES,
    ),
    "08_losses/order_calibrate": Quirk(
        "the weight of the tower counts here, not there",
        "tests/tasks/test_losses.py::test_order_calibration_has_the_weight_of_the_tower_too",
        WITHOUT_LOSSES,
    ),
    "08_losses/pair_wise_param_nosession": Quirk(
        "a loss without session_name takes all pairs of the batch here, and crashes there",
        "tests/tasks/test_losses_pairwise.py::test_a_message_without_session_name_takes_all_pairs_of_the_batch",
        WITHOUT_LOSSES,
    ),
    "09_optimizers/emb_lr_mult": Quirk(
        "the multiplier is one of the learning rate here, and there of the gradient, which Adam cancels",
        "tests/training/test_optimizers.py::test_the_multiplier_works_with_adam_too",
        UNTIL_THE_UPDATE,
    ),
    "11": Quirk(
        "l2_regularization reaches all kernels here, and there the towers only",
        "tests/models/test_model_params.py::test_the_l2_penalty_reaches_the_kernels_of_blocks",
        UNTIL_THE_LOSS,
    ),
    "13": Quirk(
        "dropout draws other numbers",
        "tests/layers/test_dense.py::test_dropout_drops_its_share_and_keeps_the_expectation",
        BEFORE_TRAINING,
    ),
    "29b_": Quirk(
        "the activation softmax is one here, and linear there",
        "tests/layers/test_mlp.py::test_no_activation_is_taken_for_another_one",
        ("own_init:",),
    ),
    "34b_": Quirk(
        "an empty value has no vector in an embedding layer here, and there that of the value ''",
        "tests/models/test_embedding_layers.py::test_an_empty_value_has_no_vector",
        ("own_init:",),
    ),
}
"""Beginning of a case's name -> the behaviour."""


def _has_padding_in_norms(pipeline: Pipeline) -> bool:
    """The network of attention to histories has batch norm."""
    return any(not block.HasField("seq_dnn") or block.seq_dnn.use_bn for block in _attention(pipeline))


def _has_cut_histories(pipeline: Pipeline) -> bool:
    return bool(_attention(pipeline)) and any(feature.max_seq_len for feature in view.features(pipeline))


def _has_numbers_as_steps(pipeline: Pipeline) -> bool:
    return any(
        feature.feature_type == FeatureConfig.SequenceFeature
        and feature.sub_feature_type == FeatureConfig.RawFeature
        and not view.number_boundaries(feature)
        for feature in view.features(pipeline)
    )


def _has_nested_conditions(pipeline: Pipeline) -> bool:
    written = [feature.expression for feature in view.features(pipeline) if feature.expression]
    return any(map(_is_nested, (parse_expression(text, COMPARISONS) for text in written)))


def _is_nested(tree: Tree) -> bool:
    if not isinstance(tree, Binary):
        return False
    joined = tree.operator in "&|" and isinstance(tree.right, Binary) and tree.right.operator in "&|"
    return joined or _is_nested(tree.left) or _is_nested(tree.right)


def _has_decoupled_decay(pipeline: Pipeline) -> bool:
    rules = [entry.WhichOneof("optimizer") for entry in pipeline.train_config.optimizer_config]
    return bool({"momentumw_optimizer", "adamw_optimizer", "adam_asyncw_optimizer"} & set(rules))


def _attention(pipeline: Pipeline) -> list[SeqAttGroupConfig]:
    return [block for group in pipeline.model_config.feature_groups for block in group.sequence_features]


OF_CONFIGS: tuple[tuple[Callable[[Pipeline], bool], Quirk], ...] = (
    (
        lambda pipeline: pipeline.model_config.HasField("variational_dropout"),
        Quirk(
            "variational dropout draws other numbers",
            "tests/layers/test_variational_dropout.py::test_training_is_the_formula_of_the_noise_that_was_drawn",
            BEFORE_TRAINING,
        ),
    ),
    (lambda pipeline: pipeline.model_config.HasField("esmm"), QUIRKS["06"]),
    (
        _has_decoupled_decay,
        Quirk(
            "weight decay is taken off the weight that the gradient is of; there it is taken off in place, and what of "
            "the backward pass runs later reads another weight",
            "tests/training/test_update_rules.py::test_kernel_rows_and_numpy_agree_on_every_gradient",
            UNTIL_THE_UPDATE,
        ),
    ),
    (
        _has_nested_conditions,
        Quirk(
            "parentheses around conditions count here; there & and | go from the left: x & (y | z) is (x & y) | z",
            "tests/features/test_expr_feature.py::test_usual_precedence_in_float64",
            NOTHING,
        ),
    ),
    (
        _has_numbers_as_steps,
        Quirk(
            "a history of numbers has the steps that it has here, and sequence_length steps there",
            "tests/features/test_sequence_feature.py::test_numbers_have_real_lengths",
            NOTHING,
        ),
    ),
    (
        _has_cut_histories,
        Quirk(
            "max_seq_len keeps the first steps wherever a history is read here, and not in sequence_features there",
            "tests/features/test_sequence_feature.py::test_max_seq_len_keeps_the_first_steps",
            NOTHING,
        ),
    ),
    (
        lambda pipeline: any({"&", "|"} <= set(feature.expression) for feature in view.features(pipeline)),
        Quirk(
            "parentheses and precedence count in expressions here; there & and | are taken from left to right",
            "tests/features/test_expr_feature.py::test_usual_precedence_in_float64",
            NOTHING,
        ),
    ),
    (
        _has_padding_in_norms,
        Quirk(
            "batch norm over the steps of histories counts those that exist here, and padding there",
            "tests/layers/test_target_attention.py::test_the_default_layers_have_norms_that_count_real_steps_only",
            BEFORE_TRAINING,
        ),
    ),
)
"""What a config has -> the behaviour that follows."""


def _together(quirks: list[Quirk]) -> Quirk:
    """Returns several behaviours as one: what holds is what holds in spite of each."""
    first, *others = quirks
    holds = [name for name in first.holds if all(name.startswith(other.holds) for other in others)]
    return Quirk("; and ".join(quirk.reason for quirk in quirks), first.test, tuple(holds))


def quirk_of(folder: Path) -> Quirk | None:
    """Returns the quirk that the case in a folder shows."""
    config = folder / "pipeline.config"
    if config.exists():
        pipeline = text_format.Parse(config.read_text(encoding="utf-8"), Pipeline(), allow_unknown_field=True)
        shown = [quirk for is_shown, quirk in OF_CONFIGS if is_shown(pipeline)]
        if shown:
            return _together(shown)
    grouped = f"{folder.parent.name}/{folder.name}"
    for begin, quirk in QUIRKS.items():
        if (grouped if "/" in begin else folder.name).startswith(begin):
            return quirk
    return None
