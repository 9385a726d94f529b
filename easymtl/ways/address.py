"""Where a model is served."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from easymtl.errors import UserError, quoted
from easymtl.serving.form_of_export import describe

_SERVER = ("grpc", "prometheus_client", "starlette", "tensorflow_serving", "uvicorn")
_CLIENT = ("grpc", "tensorflow_serving")
_PACKAGES = {"tensorflow_serving": "tensorflow-serving-api", "grpc": "grpcio", "prometheus_client": "prometheus-client"}
_NO_NAME = "model"


@dataclass(frozen=True)
class Served:
    """Where a server answers.

    Attributes:
        rest: the address of the model, without `:predict`.
        grpc: host and port.
        model: its name in requests by gRPC.
    """

    rest: str
    grpc: str
    model: str


def model_name(export: Path, name: str | None) -> str:
    """Returns the name of a model in requests: what is given, else what the export is called."""
    return name or str(describe(export).get("name") or _NO_NAME)


def rest_address(url: str, export: Path, name: str | None) -> str:
    """Returns the address of the model at a server of REST.

    Args:
        url: `http://host:8501`, or the address of the model itself, which has `/v1/models/` in it.
        export: says how the model is called.
        name: what it is called there.

    Raises:
        UserError: it is no address.
    """
    if not url.startswith(("http://", "https://")):
        raise UserError(f'--rest: "{url}" is no address such as http://localhost:8501.')
    url = url.removesuffix("/").removesuffix(":predict")
    return url if "/v1/models/" in url else f"{url}/v1/models/{quote(model_name(export, name))}"


def check_target(target: str) -> None:
    """Sees that a server of gRPC is named by host and port.

    Raises:
        UserError: it is not.
    """
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit() or "//" in target:
        raise UserError(f'--grpc: "{target}" is no host and port such as localhost:8500.')


def missing_packages(is_server: bool) -> str | None:
    """Returns what is not installed of what a server, or else a client of gRPC, needs."""
    lost = [name for name in (_SERVER if is_server else _CLIENT) if find_spec(name) is None]
    if not lost:
        return None
    return f"{quoted(_PACKAGES.get(name, name) for name in lost)} is not installed: pip install 'easymtl[serve]'"
