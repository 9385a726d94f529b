from pathlib import Path

import pytest
from base_config import BASE

from easymtl.config import Config, ConfigError, load_config


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Loads a text as the file `x.config`, after replacements of parts that must be in it."""
    monkeypatch.chdir(tmp_path)

    def load_text(*changes: tuple[str, str], text: str = BASE, overrides: tuple[str, ...] = ()) -> Config:
        for old, new in changes:
            assert old in text, f"{old!r} is not in the text"
            text = text.replace(old, new, 1)
        Path("x.config").write_text(text, encoding="utf-8")
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
