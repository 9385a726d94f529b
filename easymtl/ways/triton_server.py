"""The Triton server that the wheel of nvidia-pytriton holds, started for one model."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from easymtl.errors import UserError

PYTHON = "EASYMTL_TRITON_PYTHON"
"""Environment variable: the Python of an environment in which nvidia-pytriton and onnxruntime are installed."""

PACKAGES = "EASYMTL_TRITON_PACKAGES"
"""Environment variable that tells the model where these are."""

_FIND = (
    "import os, sys, importlib.util as u; s = u.find_spec('pytriton'); assert s and u.find_spec('onnxruntime'); "
    "import numpy; print(os.path.dirname(s.origin)); print('%d.%d' % sys.version_info[:2]); print(numpy.__version__)"
)
_OF_PYTHON = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
_SECONDS = 60


def python() -> str:
    """Returns the Python in whose environment the server is looked for."""
    return os.environ.get(PYTHON, sys.executable)


@cache
def find_server() -> tuple[Path, str, str] | None:
    """Returns the folder of the package that has the server, the version of its Python, and that of NumPy there."""
    try:
        run = subprocess.run([python(), "-c", _FIND], capture_output=True, text=True, check=False)
    except OSError:
        return None
    if run.returncode != 0:
        return None
    folder, version, numpy = run.stdout.split()[-3:]
    return Path(folder), version, numpy


@contextlib.contextmanager
def serving(source: Path) -> Iterator[str]:
    """Runs a server of the model of a folder of an export, `triton/<name>`, and yields the address of the model.

    The configuration is that of the folder, but for the platform.

    Raises:
        UserError: the server does not become ready; the message ends with what it said.
    """
    found = find_server()
    assert found is not None, "asked for before"
    package, version, _ = found
    with tempfile.TemporaryDirectory() as work, open(Path(work) / "log", "w+", encoding="utf-8") as log:
        folder = Path(work)
        _lay_out(folder, package, version, source)
        port = _free_port()
        command = [
            package / "tritonserver" / "bin" / "tritonserver",
            *("--model-repository", folder / "models", "--backend-directory", folder / "backends"),
            *("--http-port", port, "--allow-grpc", "false", "--allow-metrics", "false"),
            *("--http-address", "127.0.0.1"),
        ]
        process = subprocess.Popen(
            [*map(str, command)], stdout=log, stderr=log, env=_environment(package), start_new_session=True
        )
        try:
            address = f"http://127.0.0.1:{port}"
            if not _is_ready(address, process):
                log.seek(0)
                raise UserError(f"tritonserver did not become ready:\n{log.read()[-4000:]}")
            yield f"{address}/v2/models/{source.name}"
        finally:
            process.terminate()
            try:
                process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _lay_out(folder: Path, package: Path, version: str, source: Path) -> None:
    """Makes the folders of backends and models that the server reads."""
    server = package / "tritonserver"
    backend, model = folder / "backends" / "python", folder / "models" / source.name / "1"
    backend.mkdir(parents=True)
    model.mkdir(parents=True)
    for file in (server / "backends" / "python").iterdir():
        (backend / file.name).symlink_to(file)
    # The server looks for it where it is not a link to somewhere else.
    shutil.copy2(server / "python_backend_stubs" / version / "triton_python_backend_stub", backend)
    for file in (source / "1").iterdir():
        (model / file.name).symlink_to(file.resolve())
    shutil.copyfile(Path(__file__).with_name("triton_model.py"), model / "model.py")
    config = (source / "config.pbtxt").read_text(encoding="utf-8")
    changed = re.sub(r'^platform: "onnxruntime_onnx"$', 'backend: "python"', config, flags=re.MULTILINE)
    (model.parent / "config.pbtxt").write_text(changed, encoding="utf-8")


def _environment(package: Path) -> dict[str, str]:
    """Returns the variables of the server, whose Python is the first on PATH: packages of another one are kept out."""
    site = package.parent
    path = os.pathsep.join([str(Path(python()).parent), os.environ.get("PATH", os.defpath)])
    libraries = [os.environ.get("LD_LIBRARY_PATH"), str(site / "nvidia_pytriton.libs")]
    kept = {name: value for name, value in os.environ.items() if name not in _OF_PYTHON}
    return {**kept, "PATH": path, "LD_LIBRARY_PATH": ":".join(filter(None, libraries)), PACKAGES: str(site)}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _is_ready(address: str, process: subprocess.Popen) -> bool:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/v2/health/ready", timeout=5) as answer:
            return answer.status == 200
        time.sleep(0.2)
    return False
