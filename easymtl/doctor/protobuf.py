"""Whether the compiled protos and the protobuf that is installed fit each other, and TensorFlow.

A protobuf may be newer than what has compiled the protos, by less than two major versions, and never older.
"""

import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from easymtl.doctor.finding import BROKEN, NOTE, Finding
from easymtl.doctor.versions import version_of

_COMPILED = Path(__file__).resolve().parents[1] / "protos"
_SOURCES = _COMPILED.parents[1] / "protos"
_GENERATED = re.compile(r"^# Protobuf Python Version: (\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_COMPILE = "In a checkout run make proto; otherwise install a wheel: pip install --force-reinstall easymtl."


def find_protobuf() -> Iterator[Finding]:
    """Yields how protobuf is installed, what TensorFlow asks of it, and how the compiled protos are."""
    places = installed_places()
    if len(places) > 1:
        advice = "Run pip uninstall protobuf until it says that there is none, then pip install protobuf."
        yield Finding("protobuf", f"is installed {len(places)} times: {', '.join(places)}", BROKEN, advice)
    runtime = version_of("protobuf")
    if runtime is None:
        return
    yield from pin_of_tensorflow(runtime)
    yield of_compiled(runtime, _COMPILED, _SOURCES)
    yield from _kind()


def installed_places() -> list[str]:
    """Returns where protobuf is installed; more than one place is a clash."""
    found = (one for one in metadata.distributions() if (one.metadata["Name"] or "").lower() == "protobuf")
    return sorted({f"{one.version} in {one.locate_file('')}" for one in found})


def pin_of_tensorflow(runtime: str, required: Sequence[str] | None = None) -> Iterator[Finding]:
    """Yields whether TensorFlow takes a version of protobuf.

    Args:
        runtime: the version.
        required: what TensorFlow requires; that of the installed one by default.
    """
    from packaging.requirements import Requirement

    if required is None:
        required = metadata.requires("tensorflow") or () if version_of("tensorflow") else ()
    for text in required:
        requirement = Requirement(text)
        if requirement.name != "protobuf" or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        if requirement.specifier.contains(runtime, prereleases=True):
            yield Finding("TensorFlow's protobuf", f"{requirement.specifier or 'any'}, and there is {runtime}")
        else:
            text = f"TensorFlow requires {requirement.specifier}, and there is {runtime}"
            advice = f"pip install 'protobuf{requirement.specifier}'"
            yield Finding("TensorFlow's protobuf", text, BROKEN, advice)


def of_compiled(runtime: str, compiled: Path, sources: Path) -> Finding:
    """Returns whether a version of protobuf can read the compiled protos of a folder.

    Args:
        runtime: the version of protobuf that is installed.
        compiled: the folder of `*_pb2.py`.
        sources: that of `*.proto`, which is there in a checkout alone.
    """
    name = "compiled protos"
    files = sorted(compiled.glob("*_pb2.py"))
    absent = {path.stem for path in sources.glob("*.proto")} - {path.stem.removesuffix("_pb2") for path in files}
    if not files or absent:
        return Finding(name, f"missing: {', '.join(sorted(absent)) or 'all of them'}", BROKEN, _COMPILE)
    generated = max(_generated(path) for path in files)
    text = f"by protobuf {'.'.join(map(str, generated))}, read by {runtime}"
    installed = tuple(int(number) for number in re.findall(r"\d+", runtime)[:3])
    if installed < generated:
        advice = f"pip install 'protobuf>={'.'.join(map(str, generated))}'"
        return Finding(name, f"{text}, which is older", BROKEN, advice)
    if installed[0] > generated[0] + 1:
        advice = f"Compile them anew (make proto), or pip install 'protobuf<{generated[0] + 2}'."
        return Finding(name, f"{text}, which is too new", BROKEN, advice)
    newest = max((path.stat().st_mtime for path in sources.glob("*.proto")), default=0.0)
    if newest > min(path.stat().st_mtime for path in files) + 1:
        return Finding(name, f"{text}; a .proto has changed since", NOTE, "make proto")
    return Finding(name, text)


def _generated(path: Path) -> tuple[int, ...]:
    found = _GENERATED.search(path.read_text(encoding="utf-8"))
    return tuple(int(number) for number in found.groups()) if found else (0, 0, 0)


def _kind() -> Iterator[Finding]:
    from google.protobuf.internal import api_implementation

    if api_implementation.Type() == "python":
        advice = "Unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, or reinstall protobuf from a wheel."
        yield Finding("protobuf in C", "is not used: reading configs and TFRecords is slow", NOTE, advice)
