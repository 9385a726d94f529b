"""All rules of a config, applied one after the other; every rule runs, whatever the others found."""

from collections.abc import Callable
from dataclasses import dataclass

from easymtl.config.problems import Findings, Problem
from easymtl.config.rules import (
    balancing,
    block_features,
    block_graphs,
    data,
    exports,
    extensions,
    features,
    final_scores,
    funnels,
    groups,
    histories,
    input_blocks,
    labels,
    losses,
    metrics,
    modalities,
    model,
    saving,
    serving_values,
    spaces,
    tasks,
    training,
    values,
)
from easymtl.config.rules.review import Review
from easymtl.protos.pipeline_pb2 import Pipeline

RULES: tuple[Callable[[Review], None], ...] = (
    values.check_values,
    data.check_inputs,
    data.check_input_fields,
    data.check_labels,
    data.check_defaults_of_numbers,
    serving_values.check_serving_values,
    labels.check_label_values,
    data.check_sample_weight,
    data.check_dialect,
    features.check_features,
    features.check_shared_features,
    features.check_shared_tables,
    features.check_growing_ids,
    features.note_leaks,
    groups.check_groups,
    groups.check_model_groups,
    groups.check_tower_groups,
    groups.check_table_names,
    groups.check_unused_features,
    histories.check_attention,
    histories.check_histories_in_groups,
    model.check_model,
    model.check_towers,
    model.check_architecture,
    model.check_networks,
    extensions.check_extensions,
    extensions.check_custom_losses,
    modalities.check_modal_bottom,
    block_graphs.check_graph,
    block_graphs.check_expressions,
    block_graphs.check_outputs,
    block_graphs.note_gates,
    input_blocks.check_input_layers,
    input_blocks.check_wide_groups,
    input_blocks.check_feature_dropout,
    block_features.check_block_features,
    block_features.check_passed_through,
    tasks.check_tower_labels,
    tasks.check_unused_labels,
    tasks.check_losses,
    tasks.check_sampling,
    tasks.check_calibrations,
    labels.check_label_transforms,
    losses.check_loss_names,
    losses.check_sessions,
    losses.check_order_calibration,
    losses.check_distillation,
    spaces.check_spaces,
    tasks.check_relations,
    funnels.check_parents,
    funnels.check_chains,
    metrics.check_metrics,
    metrics.check_best_metric,
    training.check_length,
    training.check_compilation,
    training.check_optimizers,
    training.note_averages,
    training.note_schedules,
    training.note_starting_weights,
    training.check_schedules,
    training.check_patterns,
    saving.note_deltas,
    saving.note_rollback,
    exports.check_inputs,
    exports.check_line,
    exports.check_outputs,
    exports.check_assets,
    exports.check_formats,
    exports.check_users,
    final_scores.check_final_scores,
    balancing.check_task_balancing,
    balancing.check_learned_losses,
)
"""Each reports what it finds to the review; none depends on another."""


@dataclass
class Checked:
    """All problems of a config, those of reading it included, and its notes."""

    problems: list[Problem]
    notes: list[Problem]


def validate(pipeline: Pipeline, findings: Findings) -> Checked:
    """Applies every rule to a message that was read.

    When braces or quotes of the text do not match, fields may have landed in the wrong message; then only what
    reading found is returned.
    """
    review = Review(pipeline, findings)
    if not findings.is_broken:
        for rule in RULES:
            rule(review)
    return Checked([*findings.problems, *review.problems], review.notes)
