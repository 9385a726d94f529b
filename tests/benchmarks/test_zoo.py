"""The zoo runs a config from data to a reloaded SavedModel, and says what it leaves out and what fails."""

import pytest

from benchmarks import sample_data, zoo
from easymtl.reporting.terminal import open_terminal
from easymtl.serving import export as exporting
from easymtl.serving.parity import Parity

pytestmark = pytest.mark.usefixtures("op_by_op")

NAME = "dbmtl_on_funnel"
TINY = ("data_config.batch_size=64", "data_config.eval_batch_size=200")


@pytest.fixture
def no_other_process(monkeypatch):
    """What a process of its own finds is tested in tests/serving, and costs seconds."""
    monkeypatch.setattr(exporting, "check_parity", lambda folder, columns, expected: Parity(7, 0.25))


def test_a_config_is_trained_evaluated_exported_and_reloaded(tmp_path, no_other_process, capsys):
    outcome = zoo.run_config(NAME, 3, tmp_path, num_rows=300, more=TINY)
    assert not outcome.problem
    assert set(outcome.metrics) == {"auc_ctr", "auc_cvr"}
    assert all(0 <= value <= 1 for value in outcome.metrics.values())
    assert set(outcome.num_parameters) == {"dense", "embedding"}
    assert (outcome.num_compared, outcome.largest_difference) == (7, 0.25)
    assert (tmp_path / "data" / "funnel_300" / "train.parquet").is_file()
    assert list((tmp_path / NAME / "export" / "final").glob("*/saved_model.pb"))
    zoo.print_outcomes([outcome], open_terminal())
    shown = capsys.readouterr().out
    assert f"auc_ctr {outcome.metrics['auc_ctr']:.4f}" in shown
    assert f"{outcome.num_parameters['dense']:,}" in shown
    assert "7 rows" in shown


def test_data_that_is_not_there_is_named_and_is_no_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sample_data, "ROOT", tmp_path)
    assert zoo.main(["mmoe_on_census", "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "mmoe_on_census: left out: samples/data/census/train.parquet is not there: samples/README.md says" in shown


def test_a_config_that_fails_is_told_and_the_exit_code_is_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "run_config", lambda name, *_: zoo.Outcome(name, problem="the loss is not finite."))
    assert zoo.main([NAME, "--out", str(tmp_path)]) == 1
    assert f"{NAME}: FAILED: the loss is not finite." in capsys.readouterr().out


def test_without_names_it_is_every_sample_config(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        zoo, "run_config", lambda name, *_: seen.append(name) or zoo.Outcome(name, problem="x", is_skipped=True)
    )
    assert zoo.main(["--out", str(tmp_path)]) == 0
    assert seen == sorted(path.stem for path in sample_data.CONFIGS.glob("*.config"))
