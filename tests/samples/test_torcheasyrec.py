"""The commands of docs/guides/from-torcheasyrec.md run, and say what the guide shows."""

from pathlib import Path

import pytest

from easymtl.cli import main
from easymtl.convert import convert
from tests.docs.pages import commands_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/guides/from-torcheasyrec.md"
GUIDE = PAGE.read_text(encoding="utf-8")
CONFIG = "samples/torcheasyrec/dbmtl_on_tenrec.config"


def test_the_report_of_the_guide_is_that_of_the_command():
    conversion = convert((ROOT / CONFIG).read_text(encoding="utf-8"), CONFIG)
    assert GUIDE.split("```\n")[1] == conversion.report.text() + "\n"
    assert conversion.check("tenrec.config") == []


@pytest.mark.slow
def test_the_commands_of_the_guide_run(tmp_path, monkeypatch, op_by_op, score_here):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples/torcheasyrec").mkdir(parents=True)
    # As it is but for the rows of one table, which with the slots of Adam would take a gigabyte.
    small = (ROOT / CONFIG).read_text(encoding="utf-8").replace("zch_size: 1000000", "zch_size: 10000")
    assert "zch_size: 10000\n" in small
    (tmp_path / CONFIG).write_text(small)
    synth, conversion, train = (words[1:] for words in commands_of(PAGE)[1:])
    assert main([*synth[:-1], "5000"]) == 0
    assert main(conversion) == 0
    assert main([*train, "--set", "train_config.mixed_precision=FLOAT32"]) == 0
    assert list((tmp_path / "model_dir/converted_dbmtl_on_tenrec/export").rglob("saved_model.pb"))
