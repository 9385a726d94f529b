"""Programs that use the package are checked by mypy --strict, which finds what is wrong in them and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = Path(__file__).with_name("client.py")
WRONG = """import easymtl
easymtl.train(5)
easymtl.open("x", chekpoint="best")
model: easymtl.Run = easymtl.open("x")
steps: str = easymtl.train("x").step
easymtl.trian("x")
"""


@pytest.mark.slow
def test_a_program_is_checked(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    options = ["--strict", "--ignore-missing-imports", "--config-file=", f"--cache-dir={tmp_path / 'cache'}"]
    command = [sys.executable, "-m", "mypy", *options, "--follow-imports=silent", str(CLIENT), str(wrong)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    errors = [line for line in said.splitlines() if ": error:" in line]
    assert [line for line in errors if line.startswith(str(CLIENT.relative_to(ROOT)))] == []
    found = {int(line.split("wrong.py:")[1].split(":")[0]) for line in errors if "wrong.py:" in line}
    assert found == {2, 3, 4, 5, 6}, said
