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
    monkeypatch.setattr(exporting, "check_parity", lambda *_: Parity(7, 0.25))


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
    assert seen == [
        path.stem for folder in (sample_data.CONFIGS, sample_data.TOUR) for path in sorted(folder.glob("*.config"))
    ]


def test_what_no_config_uses_is_a_failure_where_all_are_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "run_config", lambda name, *_: zoo.Outcome(name, problem="x", is_skipped=True))
    samples = [one for one in zoo.read_samples() if one.model_dir != "model_dir/made_up_rows"]
    monkeypatch.setattr(zoo, "read_samples", lambda: samples)
    assert zoo.main(["--out", str(tmp_path)]) == 1
    assert "unused: DatasetConfig.InputType: DummyInput" in capsys.readouterr().out
    assert zoo.main([NAME, "--out", str(tmp_path)]) == 0


def test_the_model_that_a_config_starts_from_is_trained_once(tmp_path, monkeypatch):
    seen = []

    def run(overrides, name, begin):
        seen.append((name, [one for one in overrides if "fine_tune" in one]))
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        return zoo.Outcome(name)

    monkeypatch.setattr(zoo, "_run", run)
    monkeypatch.setattr(zoo, "data_overrides", lambda *_: [])
    for _ in range(2):
        assert not zoo.run_config("more_tasks_from_uniter_on_posts", 3, tmp_path, num_rows=20).problem
    ours = ("more_tasks_from_uniter_on_posts", [f"train_config.fine_tune_checkpoint={tmp_path / 'uniter_on_posts'}"])
    assert seen == [("uniter_on_posts", []), ours, ours]


@pytest.mark.slow
def test_a_config_that_makes_its_rows_up_has_no_metrics_and_no_rows_to_compare(tmp_path, capsys):
    outcome = zoo.run_config("made_up_rows", 2, tmp_path, more=["data_config.batch_size=16"])
    assert not outcome.problem
    assert not outcome.metrics and outcome.num_compared == 0
    zoo.print_outcomes([outcome], open_terminal())
    assert "0 rows" in capsys.readouterr().out
