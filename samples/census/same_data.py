"""Gives every `*_on_census.config` the data part of `mmoe_on_census.config`, so that they differ in their model alone.

    python samples/census/same_data.py [--check]

Copied are data_config, feature_config and the feature group; model_dir, train_config and the model stay as they
are. To change the data of all of them, change `mmoe_on_census.config` and run this. `--check` writes nothing and fails
when a config is not current.
"""

import argparse
import re
import sys
from pathlib import Path

CONFIGS = Path(__file__).parents[1] / "configs"
BASE = "mmoe_on_census.config"
_BLOCKS = ("data_config", "feature_config", "  feature_groups")


def with_data_of(base: str, text: str) -> str:
    """Returns a config after its data part became that of a base.

    Raises:
        ValueError: a block of the data part is not there, or not once.
    """
    for block in _BLOCKS:
        text = text.replace(_block(text, block), _block(base, block))
    return text


def _block(text: str, name: str) -> str:
    indent = name[: -len(name.lstrip())]
    found = re.findall(rf"^{name} {{\n.*?^{indent}}}\n", text, re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        raise ValueError(f"{name.strip()} {{ }} is there {len(found)} times, not once")
    return found[0]


def main() -> int:
    """Writes the configs that are not current, or with `--check` names them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    is_check = parser.parse_args().check
    base = (CONFIGS / BASE).read_text(encoding="utf-8")
    stale = []
    for path in sorted(CONFIGS.glob("*_on_census.config")):
        text = path.read_text(encoding="utf-8")
        current = with_data_of(base, text)
        if current != text:
            stale.append(path.name)
            if not is_check:
                path.write_text(current, encoding="utf-8")
    for name in stale:
        print(f"{name}: {'has other data than ' + BASE if is_check else 'written'}")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
