"""easymtl: multi-task ranking models from a text config.

Importing this imports nothing heavy: what is used is imported then. See docs/guides/python.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Config",
    "Evaluation",
    "Model",
    "MultiTaskRanker",
    "Run",
    "StopTraining",
    "UserError",
    "export",
    "follow",
    "init",
    "load",
    "open",
    "train",
]

if TYPE_CHECKING:
    from easymtl.api.configs import init, load
    from easymtl.api.estimator import MultiTaskRanker
    from easymtl.api.exports import export
    from easymtl.api.model import Evaluation, Model
    from easymtl.api.opening import open
    from easymtl.api.run import Run
    from easymtl.api.training import train
    from easymtl.config import Config
    from easymtl.errors import StopTraining, UserError
    from easymtl.following.program import follow

_PLACES = {
    "Config": "config",
    "Evaluation": "api.model",
    "Model": "api.model",
    "MultiTaskRanker": "api.estimator",
    "Run": "api.run",
    "StopTraining": "errors",
    "UserError": "errors",
    "export": "api.exports",
    "follow": "following.program",
    "init": "api.configs",
    "load": "api.configs",
    "open": "api.opening",
    "train": "api.training",
}


# A type checker would take it for a promise of any name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        place = _PLACES.get(name)
        if place is None:
            raise AttributeError(f"module 'easymtl' has no attribute {name!r}")
        if place in ("api.model", "api.estimator"):
            import_module("easymtl.api.tensorflow_start").start_tensorflow()
        return getattr(import_module(f"easymtl.{place}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
