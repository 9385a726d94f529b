import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.cli import main
from easymtl.config import load_config

RANDOM = np.random.default_rng(0)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = 600
    age = RANDOM.integers(18, 80, rows)
    table = {
        "age": age,
        "city": RANDOM.choice(["a", "b", "c"], rows),
        "click": (RANDOM.random(rows) < np.where(age > 40, 0.8, 0.2)).astype(int),
    }
    (tmp_path / "shop").mkdir()
    pq.write_table(pa.table(table), tmp_path / "shop" / "train.parquet")
    return "shop/train.parquet"


def test_a_config_is_named_after_the_data_and_tells_what_to_do_next(shop, tmp_path, capsys):
    assert main(["init", shop, "--labels", "click"]) == 0
    shown = capsys.readouterr()
    assert "wrote shop.config: 2 features" in shown.out
    assert "Next:\n  easymtl check shop.config" in shown.out and "  easymtl train shop.config" in shown.out
    config = load_config("shop.config")
    assert config.notes == []
    assert config.pipeline.model_dir == "model_dir/shop"
    rows = [pq.read_metadata(path).num_rows for path in ("shop.train.parquet", "shop.eval.parquet")]
    assert sum(rows) == 600 and rows[1] < 120
    assert main(["check", "--pipeline_config", "shop.config"]) == 0
    assert "warning" not in capsys.readouterr().out


def test_another_number_of_passes_than_that_of_the_draft_is_told_by_check(shop, capsys):
    assert main(["init", shop, "--labels", "click"]) == 0
    assert main(["check", "shop.config"]) == 0
    assert "total_steps" not in capsys.readouterr().out
    edited = ["shop.config", "--set", "data_config.num_epochs=2"]
    assert main(["check", *edited]) == 0
    assert "it ends before the rate has come down" in " ".join(capsys.readouterr().out.split())


def test_what_was_done_is_a_note_and_what_was_guessed_is_unsure(shop, capsys):
    rows = pq.read_table(shop)
    pq.write_table(rows.append_column("sample_weight", pa.array(np.ones(600) + np.arange(600) % 2)), shop)
    assert main(["init", shop, "--labels", "click"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("note: the rows were divided: ")]
    unsure = [line for line in lines if line.startswith("unsure: ")]
    assert unsure and all('"sample_weight"' in line for line in unsure)


def test_what_was_left_out_is_told_with_why_to_people_and_to_programs(shop, capsys):
    rows = pq.read_table(shop)
    for place in range(9):
        rows = rows.append_column(f"order_{place}", pa.array([f"o{place}_{row:05}" for row in range(600)]))
    rows = rows.append_column("paid", pa.array([f"{row / 100:.2f}€" for row in range(600)]))
    pq.write_table(rows, shop)
    assert main(["init", shop, "--labels", "click", "--ignore", "city"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("left out: ")]
    assert line.startswith("left out: city (left out by --ignore), order_0 (another one in nearly every row: a key")
    assert line.endswith(" ... and 5 more (all in shop.config)")
    assert any(line.startswith('unsure: the texts of "paid" look like numbers with a sign') for line in lines)
    assert main(["init", shop, "--labels", "click", "--ignore", "city", "--force", "--log_format", "json"]) == 0
    (record,) = [one for one in map(json.loads, capsys.readouterr().out.splitlines()) if one.get("of") == "drafted"]
    assert list(record["left_out"]) == ["city", *(f"order_{place}" for place in range(9)), "paid"]
    assert record["left_out"]["city"] == "left out by --ignore"


def test_a_wrong_label_is_told_before_parts_that_are_there(shop, capsys):
    Path("shop.train.parquet").write_bytes(b"")
    assert main(["init", shop, "--labels", "clik"]) == 2
    assert 'there is no column "clik". Did you mean "click"?' in capsys.readouterr().err


def test_nothing_is_written_over_without_force(shop, capsys):
    assert main(["init", shop, "--labels", "click", "--eval", shop, "--out", "x.config"]) == 0
    with open("x.config", "a") as file:
        file.write("# by hand\n")
    assert main(["init", shop, "--labels", "click", "--eval", shop, "--out", "x.config"]) == 2
    assert "--force" in capsys.readouterr().err and "# by hand" in Path("x.config").read_text()
    assert main(["init", shop, "--labels", "click", "--eval", shop, "--out", "x.config", "--force"]) == 0
    assert "# by hand" not in Path("x.config").read_text()


def test_another_file_system_does_not_become_a_folder_here(shop, capsys):
    assert main(["init", shop, "--labels", "click", "--out", "s3://b/x.config"]) == 2
    assert "--out: s3://b/x.config is no local file. Name a local one, and copy it." in capsys.readouterr().err
    assert not Path("s3:").exists()


def test_data_are_never_written_over(shop, capsys):
    before = Path(shop).read_bytes()
    assert main(["init", shop, "--labels", "click", "--out", shop, "--force"]) == 2
    assert "would be written over" in capsys.readouterr().err
    assert main(["init", "shop", "--labels", "click", "--out", "shop/x.config", "--force"]) == 2
    assert "all files are read" in capsys.readouterr().err
    assert Path(shop).read_bytes() == before


@pytest.mark.slow
def test_from_a_table_to_a_trained_model(shop, capsys):
    assert main(["init", shop, "--labels", "click", "--out", "x.config", "--model_dir", "model"]) == 0
    assert main(["train", "--pipeline_config", "x.config", "--set", "export_config.exporter_type=none"]) == 0
    result = json.loads(Path("model/eval_result.json").read_text())
    # The label is told by the age alone, with an AUC of .8.
    assert result["auc_click"] > 0.7
