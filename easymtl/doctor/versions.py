"""Versions of what matters, found without importing any of it."""

import platform
from importlib import metadata

from easymtl import __version__

# What each is called, and the distributions that bring it, the usual one first.
PACKAGES = {
    "TensorFlow": ("tensorflow", "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu"),
    "protobuf": ("protobuf",),
    "NumPy": ("numpy",),
    "PyArrow": ("pyarrow",),
}


def version_of(*distributions: str) -> str | None:
    """Returns the version of the first of some distributions that is installed, or None."""
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def version_text() -> str:
    """Returns what `easymtl --version` prints: two lines."""
    parts = [f"Python {platform.python_version()}"]
    parts += [f"{name} {version_of(*names) or 'not installed'}" for name, names in PACKAGES.items()]
    return f"easymtl {__version__}\n{', '.join(parts)}, {system_text()}"


def system_text() -> str:
    """Returns the operating system and the kind of processor."""
    return f"{platform.system()} {platform.machine()}"
