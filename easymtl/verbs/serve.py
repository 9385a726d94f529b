"""`easymtl serve`: an export over REST and gRPC, and a page to try it, for the desk and for small traffic."""

import asyncio
import shlex
import sys
import time
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from easymtl.api.model_dirs import model_dir_of
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.errors import UserError, quoted
from easymtl.reporting import phases
from easymtl.reporting.formats import folded
from easymtl.reporting.outcomes_around import Serving
from easymtl.reporting.output import current
from easymtl.reporting.streams import say
from easymtl.serving.export_folders import served_folder

if TYPE_CHECKING:
    from easymtl.server.desk import Desk
    from easymtl.server.running import Address

_NEEDED = {
    "grpc": "grpcio",
    "prometheus_client": "prometheus-client",
    "starlette": "starlette",
    "tensorflow_serving": "tensorflow-serving-api",
    "uvicorn": "uvicorn",
}
_LEAST = {"max_batch_rows": 1, "max_rows": 1, "max_bytes": 1}
_MOST_BYTES = (1 << 31) - 1
_LISTED = "all on the page"


def run(options: Namespace) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Raises:
        UserError: an option is wrong, the extra is not installed, a port is in use, or the folder holds no export.
    """
    _check_options(options)
    folder = served_folder(Path(model_dir_of(options.export, "an export or a model_dir")))
    _require_extra()
    begin = time.monotonic()
    if not current().is_quiet:
        _tell(_loading(options))
    # Who waits for a single answer has it sooner.
    start_tensorflow(are_threads_awake=True)
    from easymtl.server.checks import Limits
    from easymtl.server.desk import Options
    from easymtl.server.model import name_in
    from easymtl.server.running import Address, serve

    limits = Limits(options.max_rows, options.max_bytes, options.timeout)
    name = name_in(folder) if options.model_name is None else options.model_name
    served = Options(name, options.max_batch_rows, limits)
    address = Address(options.host, options.rest_port, options.grpc_port)

    def ready(desk: "Desk", address: "Address") -> None:
        current().phases.end()
        if not current().is_quiet:
            _tell(f"Ready after {time.monotonic() - begin:.0f} seconds.")
        _print_ready(desk, address)

    phases.begin("loading", f"{folder}, and scoring a first row")
    asyncio.run(serve(folder, served, address, ready, _tell))


def _loading(options: Namespace) -> str:
    """Returns what is said at once: TensorFlow alone takes seconds to start, and a large model longer."""
    ports = [f"port {port}" if port else "any free port" for port in (options.rest_port, options.grpc_port)]
    return (
        f"Loading {options.export}, for REST at {options.host}, {ports[0]}, and gRPC at {ports[1]}. It takes a while."
    )


def _check_options(options: Namespace) -> None:
    for name, least in _LEAST.items():
        if getattr(options, name) < least:
            raise UserError(f"--{name} is {getattr(options, name)}: it must be at least {least}.")
    if options.max_bytes > _MOST_BYTES:
        raise UserError(f"--max_bytes is {options.max_bytes}: it must be at most {_MOST_BYTES}.")
    for name in ("rest_port", "grpc_port"):
        if not 0 <= getattr(options, name) <= 65535:
            raise UserError(f"--{name} is {getattr(options, name)}: a port is a number from 0, any free one, to 65535.")
    if options.rest_port == options.grpc_port != 0:
        raise UserError(f"--rest_port and --grpc_port are both {options.rest_port}: they have to be two ports.")
    name = options.model_name
    if name is not None and (not name or any(letter in "/: " or not letter.isprintable() for letter in name)):
        raise UserError(
            f'--model_name: "{options.model_name}" cannot be a part of an address: leave out "/", ":" and blanks.'
        )


def _require_extra() -> None:
    absent = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if absent:
        raise UserError(f"{quoted(absent)} is not installed. The server needs: pip install 'easymtl[serve]'")


def _tell(text: str) -> None:
    say(text, sys.stdout)


def _print_ready(desk: "Desk", address: "Address") -> None:
    """Prints what is served, and a request that works."""
    from easymtl.reporting.tables import key_values
    from easymtl.reporting.terminal import open_terminal, print_line
    from easymtl.server.page import default_signature, example_row, request_body

    model = desk.versions.get()
    signature = default_signature(model)
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(address.host, address.host)
    host = f"[{host}]" if ":" in host else host
    url = f"http://{host}:{address.rest_port}"
    predict = f"{url}/v1/models/{quote(desk.options.name)}:predict"
    step = model.description.get("step")
    inputs = [f"{name} {tensor.dtype.name}" for name, tensor in signature.inputs.items()]
    values = {
        "model": f"{desk.options.name}, version {model.version}{'' if step is None else f' of step {step}'}",
        "export": model.folder,
        "REST": predict,
        "gRPC": f"{host}:{address.grpc_port}, tensorflow.serving.PredictionService/Predict",
        "page": f"{url}/",
        "health": f"{url}/healthz, {url}/readyz, {url}/metrics",
        "inputs": folded(inputs, _LISTED),
        "outputs": folded(list(signature.outputs), _LISTED),
        "signatures": ", ".join(model.signatures),
    }
    body = request_body(signature, example_row(model, signature))
    request = f"curl -d {shlex.quote(body)} {shlex.quote(predict)}"

    def show() -> None:
        terminal = open_terminal()
        key_values(values, terminal, "Serving")
        print_line(terminal, "A request:", "bold")
        # As it is, on one line: it is there to be copied.
        print(request, flush=True)

    grpc = f"{host}:{address.grpc_port}"
    current().result(Serving(desk.options.name, model.version, model.folder, predict, grpc, f"{url}/", request), show)
