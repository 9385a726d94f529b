"""Expectations name what the sample configs report, and a mean is held against them the right way round."""

import json

import pytest

from benchmarks import accuracy, sample_data
from benchmarks.accuracy import Check
from easymtl.config import load_config, view

EXPECTED = json.loads(accuracy.EXPECTED.read_text())["configs"]


@pytest.mark.parametrize("name", EXPECTED)
def test_an_expectation_names_metrics_of_a_sample_config(name):
    entry = EXPECTED[name]
    sample = entry["draft"]["beside"] if "draft" in entry else name
    config = load_config(str(sample_data.CONFIGS / f"{sample}.config"), entry.get("set", ()))
    metrics = {wanted.get("of_beside", metric) for metric, wanted in entry["metrics"].items()}
    assert metrics <= set(view.metric_results(config.pipeline))
    assert entry["seeds"] and min(entry["rows"].values()) > 0
    for wanted in entry["metrics"].values():
        assert wanted["tolerance"] > 0
        assert set(wanted) <= {"expected", "tolerance", "bar", "of_beside"}


@pytest.mark.parametrize(
    "metric, values, bar, verdict",
    [
        ("auc_a", (0.70, 0.72), None, "pass"),
        ("auc_a", (0.70, 0.70), None, "pass"),
        ("auc_a", (0.69, 0.69), None, "FAIL"),
        ("auc_a", (0.73, 0.73), None, "better"),
        ("auc_a", (0.70, 0.70), 0.705, "BELOW BAR"),
        ("auc_a", (float("nan"), 0.71), None, "FAIL"),
        ("mean_squared_error_a", (0.73, 0.73), None, "FAIL"),
        ("mean_squared_error_a", (0.69, 0.69), None, "better"),
        ("mean_squared_error_a", (0.72, 0.72), 0.715, "BELOW BAR"),
        ("weighted_auc_a", (0.73, 0.73), None, "better"),
    ],
)
def test_the_mean_over_the_seeds_may_be_worse_by_the_tolerance(metric, values, bar, verdict):
    check = Check("x", metric, values, expected=0.71, tolerance=0.0101, bar=bar)
    assert check.verdict == verdict
    assert check.is_passed == (verdict in ("pass", "better"))


@pytest.fixture
def expectations(tmp_path, monkeypatch):
    """Writes expectations of one config; trainings are made up: the seed is the value of every metric."""

    def seed_of(config, overrides, model_dir):
        (seed,) = (text.split("=")[1] for text in overrides if text.startswith("train_config.seed="))
        return {"auc_ctr": float(seed) / 10, "auc_cvr": 0.5}

    monkeypatch.setattr(accuracy, "train", seed_of)

    def write(name="dbmtl_on_funnel", expected=0.6, seeds=(5, 7)):
        metrics = {"auc_ctr": {"expected": expected, "tolerance": 0.01} if expected else {"tolerance": 0.01}}
        entry = {"seeds": list(seeds), "rows": {"train": 40, "eval": 20}, "metrics": metrics}
        path = tmp_path / "expected.json"
        path.write_text(json.dumps({"configs": {name: entry}}))
        return ["--expected", str(path), "--out", str(tmp_path / "out")]

    return write


@pytest.mark.parametrize("expected, code, verdict", [(0.6, 0, "pass"), (0.62, 1, "FAIL"), (0.5, 0, "better")])
def test_the_table_tells_expected_and_found_and_the_exit_code_whether_all_pass(
    expectations, capsys, expected, code, verdict
):
    assert accuracy.main(expectations(expected=expected)) == code
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "auc_ctr" in line)
    words = line.split()
    assert words == ["dbmtl_on_funnel", "auc_ctr", f"{expected:.4f}", "0.0100", "0.6000", "0.5000", "0.7000", verdict]


@pytest.mark.parametrize("named, code", [([], 1), (["mmoe_on_census"], 1)])
def test_missing_data_is_named_and_nothing_checked_is_no_success(
    expectations, monkeypatch, tmp_path, capsys, named, code
):
    monkeypatch.setattr(sample_data, "ROOT", tmp_path)
    assert accuracy.main([*named, *expectations(name="mmoe_on_census")]) == code
    assert "mmoe_on_census: left out: samples/data/census/train.parquet is not there" in capsys.readouterr().out


def test_what_is_found_may_become_the_expectation(expectations, tmp_path, capsys):
    flags = expectations(expected=None)
    assert accuracy.main(flags) == 1
    assert "NEW" in capsys.readouterr().out
    accuracy.main([*flags, "--write"])
    written = json.loads((tmp_path / "expected.json").read_text())["configs"]["dbmtl_on_funnel"]
    assert written["metrics"] == {"auc_ctr": {"tolerance": 0.01, "expected": 0.6}}
    assert accuracy.main(flags) == 0


def test_a_config_without_an_entry_gets_one(expectations, tmp_path, monkeypatch):
    flags = expectations(name="esmm_on_funnel")
    monkeypatch.setattr(accuracy, "data_overrides", lambda *_: [])
    accuracy.main(["dbmtl_on_funnel", *flags, "--write"])
    written = json.loads((tmp_path / "expected.json").read_text())["configs"]["dbmtl_on_funnel"]
    assert written["metrics"]["auc_ctr"] == {"tolerance": 0.01, "expected": 0.15}


def test_the_file_is_written_as_it_is_kept():
    text = accuracy.EXPECTED.read_text()
    assert accuracy._json_text(json.loads(text)) == text


def test_a_name_without_an_expectation_is_refused(expectations):
    with pytest.raises(SystemExit, match=r'expects nothing of "dbmtl_on_funel".*Did you mean "dbmtl_on_funnel"'):
        accuracy.main(["dbmtl_on_funel", *expectations()])


def test_a_training_that_fails_is_told_with_its_last_words(tmp_path):
    with pytest.raises(accuracy.TrainingFailed, match="--set: train_config has no field"):
        accuracy.train(sample_data.CONFIGS / "dbmtl_on_funnel.config", ["train_config.num_stebs=1"], tmp_path / "model")
    assert "num_stebs" in (tmp_path / "model" / "train.log").read_text()


def test_a_draft_is_held_against_the_config_that_is_written_by_hand(tmp_path, monkeypatch):
    trained = []

    def train(config, overrides, model_dir):
        trained.append((config.name, overrides))
        return {"auc_ctr": 0.7} if config.parent == sample_data.CONFIGS else {"auc_order": 0.698}

    monkeypatch.setattr(accuracy, "train", train)
    entry = {
        "draft": {"labels": "click,order", "beside": "esmm_on_funnel", "within": 0.005, "set_beside": ["a=1"]},
        "seeds": [3],
        "rows": {"train": 400, "eval": 200},
        "metrics": {"auc_order": {"expected": 0.7, "tolerance": 0.01, "of_beside": "auc_ctr"}},
    }
    [check] = accuracy.check_config("drafted_on_funnel", entry, tmp_path)
    assert (check.bar, check.verdict) == (pytest.approx(0.695), "pass")
    (hand, of_hand), (draft, of_draft) = trained
    assert (hand, draft) == ("esmm_on_funnel.config", "drafted_on_funnel.config")
    assert "a=1" in of_hand and of_draft == ["train_config.seed=3"]
    pipeline = load_config(str(tmp_path / "drafted_on_funnel.config")).pipeline
    assert pipeline.data_config.label_fields == ["click", "order"]
    assert str(tmp_path / "data") in pipeline.train_input_path
    entry["draft"]["labels"] = "clik"
    with pytest.raises(accuracy.TrainingFailed, match="clik"):
        list(accuracy.check_config("drafted_on_funnel", entry, tmp_path))
