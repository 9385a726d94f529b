"""Whether what easymtl requires is installed in versions that it works with, and which extras there are."""

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from easymtl import __version__
from easymtl.doctor.finding import BROKEN, NOTE, OK, Finding
from easymtl.doctor.versions import system_text, version_of

EXTRAS = {
    "gpu": "TensorFlow with the CUDA libraries of a GPU",
    "serve": "easymtl serve, and easymtl verify over REST and gRPC",
    "onnx": "exports as ONNX",
    "openvino": "exports as OpenVINO",
    "tune": "easymtl tune",
    "plot": "pictures: easymtl importance --plot, and run.plot() in Python",
    "bench": "pictures of benchmarks",
    "fuzz": "fuzzing readers and configs: make fuzz",
    "docs": "the documentation as a site: make docs-site",
    "dev": "tests and checks of a checkout: make test",
}
"""What each extra of the package is for."""

_SHOWN = 3
_PYTHONS = ((3, 10), (3, 14))


def find_versions() -> Iterator[Finding]:
    """Yields easymtl itself, Python, and each package that easymtl requires."""
    yield Finding("easymtl", f"{__version__} in {_home_as_tilde(Path(__file__).resolve().parents[1])}")
    first, behind = _PYTHONS
    is_fine = first <= sys.version_info[:2] < behind
    yield Finding(
        "Python",
        f"{platform.python_version()}, {platform.python_implementation()}, {system_text()}",
        OK if is_fine else BROKEN,
        "" if is_fine else f"easymtl needs Python {first[0]}.{first[1]} to {behind[0]}.{behind[1] - 1}.",
    )
    if version_of("easymtl") is None:
        text = "unknown: easymtl runs from its sources, and is not installed"
        yield Finding("requirements", text, NOTE, "pip install --editable .")
        return
    if not _can_judge():
        yield from _missing()
        return
    for name, text in requirements():
        yield _required(name, text)


def _can_judge() -> bool:
    """Returns whether the package is there that reads requirements, which TensorFlow brings."""
    return version_of("packaging") is not None


def _missing() -> Iterator[Finding]:
    """Yields what is not installed where little else is, either."""
    texts = [text for text in metadata.requires("easymtl") or () if "extra ==" not in text]
    for name in (re.split(r"[^\w.-]", text)[0] for text in texts):
        if version_of(name) is None:
            yield Finding(name, "is not installed", BROKEN, "pip install easymtl, which brings all that it requires")


def requirements(extra: str = "") -> list[tuple[str, str]]:
    """Returns the name and the whole text of what easymtl, or one of its extras, requires here."""
    return _requirements_of("easymtl", extra)


def _requirements_of(distribution: str, extra: str) -> list[tuple[str, str]]:
    from packaging.requirements import Requirement

    found = []
    for text in metadata.requires(distribution) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        is_of_extra = marker is not None and marker.evaluate({"extra": extra})
        is_plain = marker is None or marker.evaluate({"extra": ""})
        if (is_of_extra and not is_plain) if extra else is_plain:
            found.append((requirement.name, text))
    return found


def _required(name: str, text: str) -> Finding:
    from packaging.requirements import Requirement

    specifier = Requirement(text).specifier
    version = version_of(name)
    install = f"pip install '{name}{specifier}'"
    if version is None:
        return Finding(name, "is not installed", BROKEN, install)
    if not specifier.contains(version, prereleases=True):
        return Finding(name, f"{version}, and easymtl works with {specifier}", BROKEN, install)
    return Finding(name, version)


def find_extras() -> Iterator[Finding]:
    """Yields each extra, with what of it is missing; one that is not installed is nothing broken."""
    if version_of("easymtl") is None or not _can_judge():
        return
    for extra in metadata.metadata("easymtl").get_all("Provides-Extra") or ():
        missing = [name for name in _names_of_extra(extra) if version_of(name) is None]
        purpose = f" ({EXTRAS[extra]})" if extra in EXTRAS else ""
        if missing:
            install = f"pip install 'easymtl[{extra}]'"
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            text = f"not installed{purpose}: no {', '.join(missing[:_SHOWN])}{more}"
            yield Finding(extra, text, NOTE, install)
        else:
            yield Finding(extra, f"installed{purpose}")


def find_extensions() -> Iterator[Finding]:
    """Yields each part that an installed package registers for configs; nothing of it is imported."""
    try:
        from easymtl.extensions.installed import GROUPS, installed_names
    except ImportError:
        # What cannot be imported is told of elsewhere.
        return
    for kind in GROUPS:
        for name, origin in installed_names(kind).items():
            is_twice = " and " in origin
            yield Finding(
                f"{kind} {name}",
                f"of {origin}",
                NOTE if is_twice else OK,
                "Uninstall one of them: which is meant is not known." if is_twice else "",
            )


def _names_of_extra(extra: str) -> list[str]:
    """Returns the distributions of an extra, and those of the extras that it names itself (`tensorflow[and-cuda]`)."""
    from packaging.requirements import Requirement

    names = []
    for name, text in requirements(extra):
        names.append(name)
        if version_of(name) is not None:
            for inner in sorted(Requirement(text).extras):
                names += [found for found, _ in _requirements_of(name, inner)]
    return list(dict.fromkeys(names))


def requirements_of_cuda() -> list[str]:
    """Returns the distributions that bring the CUDA libraries of the installed TensorFlow."""
    return [name for name, _ in _requirements_of("tensorflow", "and-cuda")] if version_of("tensorflow") else []


def _home_as_tilde(path: Path) -> str:
    """Returns a path that can be shown to others: without the name of who is at home there."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)
