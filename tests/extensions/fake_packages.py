"""Packages that are installed for a test alone: their modules, and the entry points that metadata would hold."""

import importlib.metadata
import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace

from easymtl.extensions import GROUPS
from easymtl.extensions.installed import forget


class Packages:
    """Stands for the installed environment."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self._points: list[EntryPoint] = []
        forget()
        monkeypatch.setattr(importlib.metadata, "entry_points", self._entry_points)

    def _entry_points(self, group: str) -> list[EntryPoint]:
        return [point for point in self._points if point.group == group]

    def module(self, name: str, **content) -> str:
        """Makes a module of a name that holds something; returns the name."""
        module = ModuleType(name)
        vars(module).update(content)
        self._monkeypatch.setitem(sys.modules, name, module)
        return name

    def register(self, kind: str, name: str, value: str, package: str = "team-models", version: str = "1.2.0") -> None:
        """Registers a name, as the metadata of an installed package does."""
        point = EntryPoint(name, value, GROUPS[kind])._for(SimpleNamespace(name=package, version=version))
        self._points.append(point)
        forget()

    def install(self, name: str, declaration, package: str = "team-models", version: str = "1.2.0") -> None:
        """Registers a declaration."""
        module = self.module(f"fake_{package.replace('-', '_')}_{declaration.kind}_{name}", DECLARATION=declaration)
        self.register(declaration.kind, name, f"{module}:DECLARATION", package, version)

    def clear(self) -> None:
        """Uninstalls all of them."""
        self._points.clear()
        forget()
