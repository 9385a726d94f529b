"""What the installed packages register: names from their metadata, declarations once a config asks for one.

A config never says what is imported: its names are looked up among entry points, and nothing else is.
"""

import importlib
import importlib.metadata
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from easymtl.errors import UserError, did_you_mean
from easymtl.extensions.declarations import KINDS

GROUPS = {
    "architecture": "easymtl.architectures",
    "layer": "easymtl.layers",
    "loss": "easymtl.losses",
    "metric": "easymtl.metrics",
}
"""The group of entry points of each kind."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ARTICLES = {"architecture": "an"}


class ExtensionError(UserError):
    """A name of a config leads to no extension that works; the text goes on after the place of the name."""


@dataclass(frozen=True)
class Extension:
    """A part that an installed package brings.

    Attributes:
        name: that a config calls it by.
        package: the distribution that registers it.
        version: of the distribution.
        declaration: what the entry point leads to.
    """

    name: str
    package: str
    version: str
    declaration: Any

    @property
    def title(self) -> str:
        """Returns what a person calls it: `architecture "TwoLevel" of easymtl-toy 1.0`."""
        return f'{self.declaration.kind} "{self.name}" of {self.package} {self.version}'.rstrip()

    def target(self) -> Any:
        """Imports and returns the class or function of the declaration.

        Raises:
            ExtensionError: it cannot be imported, or there is no such thing.
        """
        module, _, attribute = self.declaration.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise ExtensionError(f"{self.title} cannot be loaded: {_cause(self.declaration.target, error)}") from error


def installed_names(kind: str) -> dict[str, str]:
    """Returns the names that packages register, each with `package version`; nothing of them is imported."""
    return {name: " and ".join(map(_origin, points)) for name, points in sorted(_registered(kind).items())}


def find_extension(kind: str, name: str, own_names: tuple[str, ...] = ()) -> Extension:
    """Returns the extension of a name.

    Args:
        kind: `architecture`, `layer`, `loss` or `metric`.
        name: as a config has it.
        own_names: of easymtl's own parts, which no package can take.

    Raises:
        ExtensionError: there is none, it is broken, two packages register it, or the name is one of ours.
    """
    points = _registered(kind).get(name, ())
    if not points:
        raise ExtensionError(_unknown(kind, name))
    require_free(kind, name, own_names)
    if len(points) > 1:
        raise ExtensionError(
            f'"{name}" is registered by {" and by ".join(map(_origin, points))}: which {kind} is meant is not known. '
            "Uninstall one of them."
        )
    return _load(kind, points[0])


def require_free(kind: str, name: str, own_names: tuple[str, ...]) -> None:
    """Refuses a name of ours that a package registers as well: what is meant by it is not known.

    Raises:
        ExtensionError: it is both.
    """
    points = _registered(kind).get(name, ())
    if points and name in own_names:
        raise ExtensionError(
            f'"{name}" is {_a(kind)} of easymtl\'s own, and {_origin(points[0])} registers the name too. Uninstall '
            "that package, or have it take another name."
        )


@cache
def _registered(kind: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Returns the entry points of a kind by name; kept, as reading the metadata of all packages takes its time."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in importlib.metadata.entry_points(group=GROUPS[kind]):
        found[point.name] = (*found.get(point.name, ()), point)
    return found


def forget() -> None:
    """Forgets what was found, for packages that are installed while the process runs."""
    _registered.cache_clear()
    _load.cache_clear()


@cache
def _load(kind: str, point: EntryPoint) -> Extension:
    package, version = (point.dist.name, point.dist.version) if point.dist else ("an unknown package", "")
    title = f'{kind} "{point.name}" of {package} {version}'.rstrip()
    try:
        declaration = point.load()
    except Exception as error:
        raise ExtensionError(f"{title} cannot be loaded: {_cause(point.value, error)}") from error
    if not isinstance(declaration, KINDS[kind]):
        raise ExtensionError(
            f"{title} cannot be used: its entry point {point.value} in the group {GROUPS[kind]} leads to "
            f"{_a(type(declaration).__name__)}, and needs easymtl.extend.{KINDS[kind].__name__}. Update the package."
        )
    if not _NAME.fullmatch(point.name):
        raise ExtensionError(f"{title} cannot be used: a name may hold letters, digits and _ only. Update the package.")
    return Extension(point.name, package, version, declaration)


def _unknown(kind: str, name: str) -> str:
    there = installed_names(kind)
    listed = [f'"{known}" ({origin})' for known, origin in there.items()]
    others = f"installed are {', '.join(listed)}" if listed else "there is no such package here"
    plural = {"loss": "losses"}.get(kind, f"{kind}s")
    return (
        f'"{name}" is {_a(kind)} of no installed package; {others}.{did_you_mean(name, there)} Install the package '
        f"that brings it beside easymtl (pip install ...): packages register {plural} in the group {GROUPS[kind]}."
    )


def _cause(target: str, error: Exception) -> str:
    return f"{target} fails with {type(error).__name__}: {error}. Mend or update the package."


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else f"an unknown package ({point.value})"


def _a(noun: str) -> str:
    return f"{_ARTICLES.get(noun, 'a')} {noun}"
