import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import funnel
from easymtl.config import load_config
from easymtl.synth import read_batches

pytestmark = pytest.mark.usefixtures("op_by_op")


def test_the_expected_auc_is_the_mean_over_drawn_labels():
    random = np.random.default_rng(0)
    probabilities = random.random(400) ** 2
    scores = np.round(probabilities + 0.3 * random.standard_normal(400), 1)
    expected = funnel.expected_auc(probabilities, scores)
    pairs = probabilities[:, None] * (1 - probabilities)[None, :]
    wins = (scores[:, None] > scores[None, :]) + 0.5 * (scores[:, None] == scores[None, :])
    assert expected == pytest.approx((pairs * wins).sum() / pairs.sum())
    drawn = [roc_auc_score(random.random(400) < probabilities, scores) for _ in range(500)]
    assert expected == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 500**0.5 + 1e-3)


def test_the_truth_has_no_bias_and_the_best_auc():
    rows = pa.Table.from_batches(read_batches("funnel", 60_000, seed=2))
    given, order = funnel.truth(rows)
    best = funnel.against_truth(rows, given, order)
    assert best["bias"] == best["bias_unclicked"] == best["error"] == 0
    worse = funnel.against_truth(rows, given + 0.1, None)
    assert worse["bias"] == worse["error"] == pytest.approx(0.1)
    assert worse["auc"] == best["auc"]
    assert worse["auc_order"] == ""
    noisy = given + np.random.default_rng(0).normal(0, 0.05, len(given))
    assert funnel.against_truth(rows, noisy, None)["auc"] < best["auc"]


def test_the_mean_of_clicked_rows_is_biased_for_the_others():
    rows = pa.Table.from_batches(read_batches("funnel", 60_000, seed=2))
    given, _ = funnel.truth(rows)
    clicked = rows["click"].to_numpy() > 0
    constant = np.full(len(given), given[clicked].mean())
    measures = funnel.against_truth(rows, constant, None)
    assert measures["bias_unclicked"] > measures["bias"] > 0.1


def test_outputs_are_brought_to_one_form():
    scores = pa.table({"probs_ctr": [0.5, 0.2], "probs_cvr": [0.1, 0.4], "probs_order": [0.25, 0.3]})
    given, order = funnel.Outputs(given="probs_cvr").read(scores)
    np.testing.assert_allclose(given, [0.1, 0.4])
    np.testing.assert_allclose(order, [0.05, 0.08])
    given, order = funnel.Outputs(order="probs_order").read(scores)
    np.testing.assert_allclose(given, [0.5, 1])
    np.testing.assert_allclose(order, [0.25, 0.3])
    assert funnel.Outputs(click=None, given="probs_cvr").read(scores)[1] is None


@pytest.mark.parametrize("name", funnel.MODELS)
def test_no_model_reads_the_truth(name, tmp_path):
    path = tmp_path / "x.config"
    path.write_text(funnel.config_text(name))
    pipeline = load_config(str(path)).pipeline
    assert not [field for field in pipeline.data_config.input_fields if field.input_name.startswith("true_")]
    assert {path.stem for path in Path(funnel.FOLDER / "configs" / "funnel").glob("*.config")} >= {name}


def test_a_tiny_run_is_kept_and_not_done_again(tmp_path, capsys):
    path = tmp_path / "results.csv"
    options = ["--rows", "1500", "--eval_rows", "1500", "--seeds", "1", "--results", str(path)]
    options += ["--models", "naive", "dbmtl_parent"]
    funnel.main(options)
    with path.open() as file:
        rows = {line["model"]: line for line in csv.DictReader(file)}
    assert list(rows) == ["truth", "naive", "dbmtl_parent"]
    assert float(rows["truth"]["bias"]) == 0
    assert all(-1 < float(line["bias"]) < 1 and 0 < float(line["auc"]) < 1 for line in rows.values())
    assert [name for name, line in rows.items() if not line["auc_order"]] == ["naive"]
    before = path.read_bytes()
    funnel.main([*options, "--table"])
    assert path.read_bytes() == before
    assert "dbmtl_parent" in capsys.readouterr().out
