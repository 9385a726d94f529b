from pathlib import Path

import pytest

from easymtl.config import Config, ConfigError, load_config
from tests.errors.project import CONFIG, replaced

WEIGHT = '  input_fields { input_name: "weight" input_type: FLOAT }\n'
BASE = replaced(
    CONFIG,
    ('export_config { exporter_type: "none" }\n', ""),
    ("num_steps: 2", "num_steps: 5"),
    ("batch_size: 8\n", "batch_size: 64\n"),
    ('"seconds"]\n', '"seconds"]\n  sample_weight: "weight"\n'),
    ('  input_fields { input_name: "user"', f'{WEIGHT}  input_fields {{ input_name: "user"'),
)


@pytest.fixture
def base() -> str:
    """A small config that is right."""
    return BASE


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Loads a text as the file `x.config`, after replacements of parts that must be in it."""
    monkeypatch.chdir(tmp_path)

    def load_text(*changes: tuple[str, str], text: str = BASE, overrides: tuple[str, ...] = ()) -> Config:
        Path("x.config").write_text(replaced(text, *changes), encoding="utf-8")
        return load_config("x.config", overrides)

    return load_text


@pytest.fixture
def problems(load):
    """Returns the lines that loading a text ends in, without the first, which counts them."""

    def list_problems(*changes: tuple[str, str], **options) -> list[str]:
        try:
            load(*changes, **options)
        except ConfigError as error:
            first, *lines = str(error).split("\n")
            assert first.startswith(f"{len(lines)} problem")
            return lines
        return []

    return list_problems
