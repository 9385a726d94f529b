"""The config parts of docs/guides/losses.md are right."""

import re

import pytest

from easymtl.config import load_config
from tests.verbs.sample_rows import CONFIGS

GUIDE = CONFIGS[0].parents[2] / "docs" / "guides" / "losses.md"


@pytest.fixture
def parts():
    return re.findall(r"```protobuf\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def test_they_make_a_config_with_the_sample_data(parts, tmp_path):
    (sample,) = [path for path in CONFIGS if path.stem == "dbmtl_on_livestream"]
    text = sample.read_text(encoding="utf-8")
    teacher = '  input_fields { input_name: "teacher_click" input_type: FLOAT }\n  input_fields {'
    text = text.replace("  input_fields {", teacher, 1)
    *towers, distillation = parts
    text = f"{text[: text.index('  dbmtl {')]} dbmtl {{ {' '.join(towers)} }} }} {distillation}"
    path = tmp_path / "guide.config"
    path.write_text(text, encoding="utf-8")
    model = load_config(str(path)).pipeline.model_config
    assert [len(tower.losses) for tower in model.dbmtl.task_towers] == [2, 0, 0]
    assert [len(tower.sample_weights) for tower in model.dbmtl.task_towers] == [0, 0, 2]
    assert model.kd[0].temperature == 2
