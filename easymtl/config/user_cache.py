"""Where the user's machine keeps what can be found again."""

import os
from collections.abc import Mapping
from pathlib import Path


def user_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Returns our folder in the cache of the user: below `XDG_CACHE_HOME` if that is absolute, else `~/.cache`."""
    home = environ.get("XDG_CACHE_HOME", "")
    folder = Path(home) if home and Path(home).is_absolute() else Path("~/.cache").expanduser()
    return folder / "easymtl"
