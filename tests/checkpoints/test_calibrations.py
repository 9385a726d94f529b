"""Calibration after training: fitted once for a checkpoint, kept with it, and the same wherever it scores."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from scipy.special import expit

from easymtl.checkpoints import calibrations
from easymtl.checkpoints.calibrations import FILE
from easymtl.checkpoints.integrity import sealed
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.errors import UserError
from easymtl.scoring.calibrating import fit_curves
from easymtl.scoring.calibration_fits import fit_isotonic, fit_line
from easymtl.scoring.scorer import RankerScorer
from easymtl.serving.export import export
from easymtl.serving.saved_model_scorer import newest_export
from tests.errors.project import Project
from tests.training.small_runs import CONFIG, write_rows

pytestmark = pytest.mark.usefixtures("op_by_op")

METRICS = "metrics_set {{ calibration {{}} }} metrics_set {{ log_loss {{}} }}"
TOWERS = (
    ('tower_name: "ctr"', f'tower_name: "ctr" {METRICS} post_calibration {{{{ method: ISOTONIC }}}}'),
    ('tower_name: "cvr"', f'tower_name: "cvr" {METRICS} parent: "ctr" post_calibration {{{{ }}}}'),
    ("  num_steps: 6", "  num_steps: 40"),
    ("steps: 3", "steps: 100"),
    ("0.01 }} }} }}", "0.05 }} }} }}"),
)
EVAL = "eval --pipeline_config x.config"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A trained model, whose probabilities are calibrated on 600 rows."""
    folder = tmp_path_factory.mktemp("calibrated")
    text = CONFIG
    for old, new in TOWERS:
        assert old in text
        text = text.replace(old, new, 1)
    result = Project(folder, text.format(folder=".") + 'export_config { exporter_type: "none" }')
    write_rows(folder / "train.csv", 600, seed=1)
    write_rows(folder / "eval.csv", 600, seed=2)
    assert result.run("train --pipeline_config x.config").code == 0
    return result


@pytest.fixture
def inside(project, monkeypatch):
    monkeypatch.chdir(project.folder)
    return project


def pipeline_of(project):
    from easymtl.config import load_config

    return load_config(str(project.folder / "x.config")).pipeline


def scores(project, *flags) -> dict[str, np.ndarray]:
    command = "predict --pipeline_config x.config --input eval.csv --output scores.parquet --keep click,buy"
    outcome = project.run(" ".join([command, *flags]))
    assert outcome.code == 0, outcome.message
    table = pq.read_table(project.folder / "scores.parquet")
    return {name: table[name].to_numpy() for name in table.column_names}


def calibration_file(project):
    return find_checkpoint(pipeline_of(project)).path / FILE


def test_probabilities_go_through_what_is_fitted_on_the_evaluation_rows(inside):
    found = scores(inside)
    ones = np.ones(600)
    slope, intercept = fit_line(found["logits_cvr"].astype(float), found["buy"] > 0, ones)
    np.testing.assert_allclose(found["probs_cvr"], expit(slope * found["logits_cvr"] + intercept), rtol=1e-4)
    points = fit_isotonic(found["logits_ctr"].astype(float), found["click"] > 0, ones)
    np.testing.assert_allclose(found["probs_ctr"], np.interp(found["logits_ctr"], *points), atol=1e-5)
    given = expit(found["logits_cvr_given_ctr"].astype(float))
    np.testing.assert_allclose(found["probs_cvr_given_ctr"], given, rtol=1e-5, err_msg="it is not calibrated")
    assert found["probs_cvr"].mean() == pytest.approx(found["buy"].mean(), abs=0.005)


def test_eval_says_both_and_that_its_rows_are_those_of_the_fit(inside):
    outcome = inside.run(EVAL)
    assert "The same without post_calibration" in outcome.out
    assert "fitted on these rows" in outcome.out
    result = json.loads((inside.folder / "model" / "eval_result.json").read_text())
    assert result["calibration_cvr"] == pytest.approx(1, abs=0.02)
    assert result["log_loss_ctr"] < result["log_loss_ctr_before_calibration"]
    assert result["auc_cvr"] == pytest.approx(result["auc_cvr_before_calibration"], abs=1e-6)
    other = inside.run(f"{EVAL} --input train.csv")
    assert "The same without post_calibration" in other.out and "fitted on these rows" not in other.out


def test_it_is_fitted_once_for_weights_data_and_methods(inside, monkeypatch):
    before = scores(inside)
    path = calibration_file(inside)
    written = path.stat().st_mtime_ns
    scores(inside)
    assert path.stat().st_mtime_ns == written
    tower = "model_config.mmoe.task_towers[1].post_calibration.method=TEMPERATURE"
    assert not np.allclose(scores(inside, f"--set {tower}")["probs_cvr"], before["probs_cvr"])
    assert path.stat().st_mtime_ns != written
    other = scores(inside, "--set eval_config.calibration_input_path=train.csv")
    assert not np.array_equal(other["probs_cvr"], before["probs_cvr"])
    np.testing.assert_array_equal(other["logits_cvr"], before["logits_cvr"])
    np.testing.assert_array_equal(scores(inside)["probs_cvr"], before["probs_cvr"])


def test_it_is_fitted_on_probabilities_of_all_rows_with_negatives_counted_so(inside):
    before = scores(inside)
    found = scores(inside, "--set model_config.mmoe.task_towers[0].negative_sampling_rate=0.1")
    np.testing.assert_allclose(found["logits_ctr"], before["logits_ctr"] + np.log(0.1), rtol=1e-5, atol=1e-5)
    weights = np.where(found["click"] > 0, 1.0, 10.0)
    points = fit_isotonic(found["logits_ctr"].astype(float), found["click"] > 0, weights)
    np.testing.assert_allclose(found["probs_ctr"], np.interp(found["logits_ctr"], *points), atol=1e-5)
    mean = np.average(found["click"], weights=weights)
    assert np.average(found["probs_ctr"], weights=weights) == pytest.approx(mean, rel=0.05)


@pytest.fixture
def fits(monkeypatch):
    """Counts how often curves are fitted."""
    found = []
    fit = calibrations.fit_curves
    monkeypatch.setattr(calibrations, "fit_curves", lambda *args: found.append(args) or fit(*args))
    return found


def curves_of(project):
    pipeline = pipeline_of(project)
    return load_ranker(pipeline, find_checkpoint(pipeline)).curves


def test_what_was_fitted_for_something_else_is_not_taken(inside, fits):
    expected = curves_of(inside)
    path = calibration_file(inside)
    document = json.loads(path.read_text())
    assert set(document["for"]) == {"weights", "averages", "data", "files", "rows", "labels", "negatives", "methods"}
    fits.clear()
    for number, name in enumerate(document["for"], 1):
        other = {key: value for key, value in document.items() if key != "checksum"}
        other["for"] = {**other["for"], name: "another"}
        other["curves"] = {**other["curves"], "cvr": {"slope": 7.0, "intercept": 0.0}}
        path.write_text(json.dumps(sealed(other)))
        assert curves_of(inside) == expected, f"it was for other {name}"
        assert len(fits) == number
    curves_of(inside)
    assert len(fits) == number, "what is fitted is kept"


def test_other_rows_under_the_same_path_are_fitted_anew_and_rows_that_are_gone_are_not_missed(inside, fits):
    before = curves_of(inside)
    rows = inside.folder / "eval.csv"
    text = rows.read_text()
    try:
        write_rows(rows, 600, seed=3)
        changed = curves_of(inside)
        assert changed != before, "the rows are others"
        fits.clear()
        rows.unlink()
        assert curves_of(inside) == changed and not fits, "a checkpoint that was brought elsewhere needs no data"
    finally:
        rows.write_text(text)
    assert curves_of(inside) == before


def test_rows_without_a_label_do_not_count_and_no_more_than_num_examples(inside):
    lines = (inside.folder / "eval.csv").read_text().splitlines()
    (inside.folder / "first.csv").write_text("\n".join(lines[:300]) + "\n")
    # Where there was a click, and nobody knows whether it was bought, nothing is known of buying.
    further = ["1," + line[line.index(",", 2) :] for line in lines[300:]]
    (inside.folder / "further.csv").write_text("\n".join([*lines[:300], *further]) + "\n")
    found = {}
    for name, limit in (("first.csv", 0), ("further.csv", 0), ("further.csv", 300)):
        pipeline = pipeline_of(inside)
        pipeline.eval_config.calibration_input_path = name
        pipeline.eval_config.num_examples = limit
        found[name, limit] = load_ranker(pipeline, find_checkpoint(pipeline)).curves
    of_all, of_first = (list(found[name, 0]["cvr"].document().values()) for name in ("further.csv", "first.csv"))
    assert of_all == pytest.approx(of_first, rel=1e-6), "batches are others, and with them the last digit of a score"
    assert found["further.csv", 0]["ctr"] != found["first.csv", 0]["ctr"]
    assert found["further.csv", 300] == found["first.csv", 0]


def test_final_scores_read_what_is_calibrated_and_scores_that_are_no_numbers_are_refused(inside):
    pipeline = pipeline_of(inside)
    pipeline.export_config.final_score.add(name="twice", expression="2 * probs_cvr")
    ranker = load_ranker(pipeline, find_checkpoint(pipeline))
    found = ranker.predictions({name: tf.constant([[0.5], [-1.0]]) for name in ("ctr", "cvr")})
    np.testing.assert_allclose(found["twice"], 2 * found["probs_cvr"], rtol=1e-6)
    assert not np.allclose(found["probs_cvr"], expit(found["logits_cvr"]), atol=1e-3)
    ranker.curves = {}
    ranker.dense_variables[-1].assign(ranker.dense_variables[-1] * np.nan)
    with pytest.raises(UserError, match=r'tower "c.r" on eval.csv: 600 of the scores are NaN or infinite'):
        fit_curves(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32), "eval.csv")


@pytest.mark.slow
def test_an_export_scores_as_its_checkpoint(inside, score_here):
    pipeline = pipeline_of(inside)
    done = export(pipeline, find_checkpoint(pipeline), inside.folder / "export")
    assert done.parity is not None and done.parity.num_rows
    expected = scores(inside)
    found = scores(inside, f"--saved_model {newest_export(inside.folder / 'export')}")
    for name in ("probs_ctr", "probs_cvr"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
        assert np.abs(found[name] - expit(found[name.replace("probs", "logits")])).max() > 1e-3
    outcome = inside.run(f"{EVAL} --saved_model export")
    assert "The same without post_calibration" in outcome.out


def test_a_damaged_file_is_told(inside):
    scores(inside)
    path = calibration_file(inside)
    text = path.read_text()
    for broken, says in ((text[:-5], "cannot be read"), (text.replace('"slope": ', '"slope": 1'), "has changed")):
        path.write_text(broken)
        with pytest.raises(UserError, match=says):
            load_ranker(pipeline_of(inside), find_checkpoint(pipeline_of(inside)))
    path.unlink()
    scores(inside)


def test_rows_that_do_not_determine_it_are_refused(inside):
    lines = (inside.folder / "eval.csv").read_text().splitlines()
    (inside.folder / "none.csv").write_text("\n".join("0,0" + line[3:] for line in lines) + "\n")
    outcome = inside.run(f"{EVAL} --set eval_config.calibration_input_path=none.csv")
    assert outcome.code == 2
    assert 'tower "ctr" on none.csv: all 600 rows with a label are of one kind' in outcome.message
    (inside.folder / "few.csv").write_text("\n".join(lines[:60]) + "\n")
    outcome = inside.run(f"{EVAL} --set eval_config.calibration_input_path=few.csv")
    assert outcome.code == 2
    assert 'tower "ctr" on few.csv: the 60 rows give ISOTONIC a single level' in outcome.message
    outcome = inside.run(f"{EVAL} --set eval_input_path= --input eval.csv")
    assert outcome.code == 2 and "set eval_config.calibration_input_path or eval_input_path" in outcome.message
