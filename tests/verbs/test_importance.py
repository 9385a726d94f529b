"""`easymtl importance` from a training on: a cause, its twin, noise, and a feature that is the same in all rows."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from easymtl.cli import main
from easymtl.config import load_config
from easymtl.reporting import importance_plot, learnt_rates
from tests.training.small_runs import CONFIG

NAMES = ("cause", "twin", "noise", "flat")
DROPOUT = "variational_dropout { regularization_lambda: 0.5 %s }"


def write(path, number, seed):
    random = np.random.default_rng(seed)
    cause, noise = random.integers(0, 10, number), random.integers(0, 10, number)
    click = random.random(number) < 1 / (1 + np.exp(4.5 - cause))
    buy = random.random(number) < 1 / (1 + np.exp(cause - 4.5))
    rows = zip(click.astype(int), buy.astype(int), cause, cause, noise, [1] * number)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))


def write_config(folder: Path, rest: str, num_steps: int) -> Path:
    text = CONFIG.format(folder=folder)
    before, after = text.index('  input_fields { input_name: "item"'), text.index("  mmoe {")
    fields = "".join(f'input_fields {{ input_name: "{name}" }}\n' for name in NAMES)
    features = "".join(
        f'features {{ input_names: "{name}" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }}\n'
        for name in NAMES
    )
    group = 'feature_groups {{ group_name: "all" feature_names: ["{}"] wide_deep: DEEP }}'.format('", "'.join(NAMES))
    text = (
        f"{text[:before]}{fields}}}\nfeature_config {{ {features} }}\nmodel_config {{ {group}\n{rest}\n{text[after:]}"
        'export_config { exporter_type: "none" }\n'
    )
    path = folder / "x.config"
    path.write_text(text.replace("num_steps: 6", f"num_steps: {num_steps}").replace("save_checkpoints_steps: 3", ""))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("importance")
    write(folder / "train.csv", 4000, 1)
    write(folder / "eval.csv", 2000, 2)
    path = write_config(folder, DROPOUT % "", 250)
    assert main(["train", "--pipeline_config", str(path)]) == 0
    return path


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def importance(config: Path, *options: str) -> int:
    return main(["importance", "--pipeline_config", str(config), *options])


@pytest.mark.slow
def test_the_cause_counts_the_flat_is_exactly_0_and_noise_may_be_0(trained, tmp_path, capsys):
    target = tmp_path / "new" / "ranking.json"
    assert importance(trained, "--output", str(target), "--plot", f"{tmp_path}/a.svg", "--repeats", "3") == 0
    out = capsys.readouterr().out
    assert "2,000 rows, 3 permutations of each feature" in out and "ctr: auc_ctr 0.8" in out
    rows = json.loads(target.read_text())
    assert (tmp_path / "a.svg").stat().st_size > 1000
    for task in ("ctr", "cvr"):
        own = {row["part"]: row for row in rows if row["task"] == task}
        assert list(own)[:2] in (["cause", "twin"], ["twin", "cause"]) and own.keys() == set(NAMES)
        assert own["flat"]["loss"] == own["flat"]["low"] == own["flat"]["high"] == 0
        assert own["noise"]["low"] <= 0 <= own["noise"]["high"]
        assert own["cause"]["low"] > 0 and own["twin"]["low"] > 0
    assert importance(trained, "--by", "group", "--output", str(tmp_path / "group.csv"), "--repeats", "2") == 0
    (group, _) = read(tmp_path / "group.csv")
    cause = next(row for row in rows if row["part"] == "cause")
    assert float(group["loss"]) > cause["loss"], "each twin stands in for the other"
    assert float(group["loss"]) == pytest.approx(float(group["value"]) - 0.5, abs=0.05), "nothing is left to rank by"


@pytest.mark.slow
def test_single_rows_are_explained(trained, tmp_path, capsys):
    assert importance(trained, "--by_row", "3", "--repeats", "2000", "--output", f"{tmp_path}/why.csv") == 0
    out = capsys.readouterr().out
    assert "row 0: probs_ctr 0." in out and "row 2: probs_cvr 0." in out and "row 3" not in out
    rows = read(tmp_path / "why.csv")
    assert len(rows) == 3 * 2 * len(NAMES)
    for row in rows:
        assert float(row["error"]) == 0, "all others were drawn"
        if row["part"] == "flat":
            assert float(row["effect"]) == pytest.approx(0, abs=1e-6)
        if row["part"] in ("cause", "twin"):
            raises = (float(row["found"]) > 4.5) == (row["score"] == "probs_ctr")
            assert (float(row["effect"]) > 0) == raises, row


@pytest.mark.slow
def test_what_a_training_has_learnt_is_written_at_its_end_and_by_the_command(trained, capsys):
    model_dir = Path(load_config(str(trained), []).pipeline.model_dir)
    names = ("feature_importance_all.csv", "feature_importance_all.svg")
    of_training = {name: (model_dir / name).read_bytes() for name in names}
    for name in names:
        (model_dir / name).unlink()
    assert importance(trained, "--variational") == 0
    assert {name: (model_dir / name).read_bytes() for name in names} == of_training
    assert "Group all: rates at which features are dropped" in capsys.readouterr().out
    learnt = read(model_dir / names[0])
    rates = [float(row["rate"]) for row in learnt]
    assert rates == sorted(rates) and {row["feature"] for row in learnt[:2]} == {"cause", "twin"}
    assert [row["rank"] for row in learnt] == ["1", "2", "3", "4"]


@pytest.mark.slow
def test_rates_of_elements_are_ranked_too_and_averages_are_what_an_evaluation_has(tmp_path, monkeypatch, capsys):
    write(tmp_path / "train.csv", 300, 1)
    shutil.copy(tmp_path / "train.csv", tmp_path / "eval.csv")
    config = write_config(tmp_path, DROPOUT % "embedding_wise_variational_dropout: true", 8)
    averages = ("--set", "train_config.optimizer_config[0].use_moving_average=true")
    low = ("--set", "train_config.mixed_precision=BFLOAT16")
    assert main(["train", "--pipeline_config", str(config), *averages, *low]) == 0
    assert "feature_importance_all.elements.csv" in capsys.readouterr().out
    features, elements = (read(tmp_path / "model" / f"feature_importance_all{end}.csv") for end in ("", ".elements"))
    assert len(elements) == 16 and [int(row["rank"]) for row in elements] == list(range(1, 17))
    rates = [float(row["rate"]) for row in elements]
    assert rates == sorted(rates) and len(set(rates)) == 16
    for row in features:
        own = {int(one["element"]): float(one["rate"]) for one in elements if one["feature"] == row["feature"]}
        assert own.keys() == {0, 1, 2, 3}
        assert float(row["rate"]) == pytest.approx(np.mean(list(own.values())), rel=1e-6)
    monkeypatch.setattr(learnt_rates, "can_draw", lambda: False)
    assert importance(config, "--variational", *averages, *low) == 0
    assert read(tmp_path / "model" / "feature_importance_all.csv") == features, "of the averages, as at the end"
    panels = importance_plot.bars_of_rates({"all": {"a": np.array([0.25, 0.75]), "b": np.array([0.1, 0.2])}})
    assert panels["group all: kept"] == [("b", pytest.approx(0.85), 0.0), ("a", 0.5, 0.0)]
    assert [name for name, *_ in panels["group all: kept, by element"]] == ["b[0]", "b[1]", "a[0]", "a[1]"]
