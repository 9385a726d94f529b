"""Losses within sessions and metrics of groups that a package brings, from training to results; and its versions."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from easymtl.extensions import Loss, Metric, Parameter
from tests.errors.project import CONFIG, Project, replaced, rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]
NAMES = ("click", "order", "seconds", "user", "tags", "price")
LOSS = 'losses { loss_type: CUSTOM custom { name: "Behind" parameters { key: "by" text: "user" } } }'
METRIC = 'metrics_set { custom { name: "Spread" parameters { key: "by" text: "user" } } }'
TEXT = replaced(CONFIG, ("metrics_set { auc { } }", f"{METRIC} {LOSS}"))


def behind_the_best(inputs):
    """How far a row is behind the best of its session."""
    sessions, places = tf.unique(inputs.keys[inputs.parameters.by])
    best = tf.math.unsorted_segment_max(inputs.logits, places, tf.size(sessions))
    return tf.gather(best, places) - inputs.logits


def spread(inputs):
    """How far apart the predictions of a group are, on average."""
    groups = [inputs.predictions[inputs.groups == group] for group in np.unique(inputs.groups)]
    return np.mean([np.ptp(group) for group in groups])


def install(packages, version: str) -> None:
    packages.clear()
    packages.module("team", behind=behind_the_best, spread=spread)
    by = [Parameter("by", str)]
    packages.install("Behind", Loss("team:behind", by, session="by"), version=version)
    packages.install("Spread", Metric("team:spread", by, groups="by"), version=version)


def test_sessions_and_groups_are_whole_and_another_major_version_is_noted(tmp_path, packages):
    install(packages, "1.0.0")
    project = Project(tmp_path / "project", TEXT)
    project.write("eval.csv", rows(50))
    flags = "--pipeline_config x.config --set data_config.eval_batch_size=8"
    trained = project.run(f"train {flags}")
    assert trained.code == 0, trained.message
    assert "note:" not in project.run(f"eval {flags}").out
    result = json.loads((project.folder / "model" / "eval_result.json").read_text())
    assert project.run(f"predict {flags} --input eval.csv --output scores.parquet").code == 0
    scores = pq.read_table(project.folder / "scores.parquet")
    logits, probabilities = (scores[name].to_numpy() for name in ("logits_ctr", "probs_ctr"))
    by_user = [np.arange(50) % 7 == user for user in range(7)]
    behind = sum((logits[rows].max() - logits[rows]).sum() for rows in by_user) / 50
    np.testing.assert_allclose(result["Behind_ctr"], behind, rtol=1e-4)
    np.testing.assert_allclose(
        result["Spread_ctr"], np.mean([np.ptp(probabilities[rows]) for rows in by_user]), rtol=1e-4
    )

    install(packages, "2.0.0")
    note = 'The loss "Behind" is that of team-models 2.0.0 here, and was that of version 1.0.0 in the training'
    assert f"note: {note}" in project.run(f"eval {flags}").out
    assert f"note: {note}" in project.run(f"predict {flags} --input eval.csv --output scores.parquet").out
    resumed = project.run(f"train {flags} --set train_config.num_steps=4")
    assert resumed.code == 0 and note in " ".join((resumed.out + resumed.message).split()), resumed
    assert f"note: {note}" not in project.run(f"eval {flags}").out
