"""TensorFlow Serving's REST, and what else is asked over HTTP: health, metrics, and the page for a person."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from easymtl.server import json_requests
from easymtl.server.desk import Desk
from easymtl.server.page import HEADERS, description, page
from easymtl.server.refusal import Code, Refusal, refusal_of
from easymtl.server.status import as_json, signatures, status

# A body of more bytes is parsed beside the event loop, so that others are answered meanwhile.
_SMALL = 1 << 16
_TARGET = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d{1,18})|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>:\w+|/metadata)?"
)
_FORMS = (
    "POST /v1/models/NAME:predict, GET /v1/models/NAME and GET /v1/models/NAME/metadata are answered, "
    "each also with /versions/N behind the name"
)

Answer = Callable[[Request], Awaitable[Response]]


def application(desk: Desk) -> Starlette:
    """Returns the ASGI application of a desk."""
    rest = _Rest(desk)
    routes = [
        Route("/", rest.page, methods=["GET"]),
        Route("/page.json", rest.description, methods=["GET"]),
        Route("/healthz", rest.health, methods=["GET"]),
        Route("/readyz", rest.readiness, methods=["GET"]),
        Route("/metrics", rest.metrics, methods=["GET"]),
        Route("/v1/{rest:path}", rest.model, methods=["GET", "POST"]),
    ]
    handlers: Any = {HTTPException: _not_there, Exception: _failed}
    return Starlette(routes=routes, exception_handlers=handlers)


class _Rest:
    """The answers."""

    def __init__(self, desk: Desk):
        self._desk = desk

    async def page(self, request: Request) -> Response:
        return Response(page(), media_type="text/html", headers=HEADERS)

    async def description(self, request: Request) -> Response:
        try:
            return _json(description(self._desk))
        except Refusal as refusal:
            return _refused(refusal)

    async def health(self, request: Request) -> Response:
        return Response("alive\n", media_type="text/plain")

    async def readiness(self, request: Request) -> Response:
        is_ready = self._desk.is_ready
        return Response("ready\n" if is_ready else "not ready\n", 200 if is_ready else 503, media_type="text/plain")

    async def metrics(self, request: Request) -> Response:
        current = self._desk.versions.current
        text = self._desk.metrics.text(current.version if current else 0, self._desk.batcher.waiting_rows)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def model(self, request: Request) -> Response:
        path = request.scope["path"]
        target = _TARGET.fullmatch(path)
        try:
            if not target or target["what"] not in (None, ":predict", "/metadata"):
                raise Refusal(Code.NOT_FOUND, f"{request.method} {path}: only {_FORMS}.")
            methods = ("POST",) if target["what"] == ":predict" else ("GET", "HEAD")
            if request.method not in methods:
                raise HTTPException(405, f"send it by {methods[0]}", {"Allow": ", ".join(methods)})
            version = int(target["version"]) if target["version"] else None
            asked = (target["name"], version, target["label"] or "")
            if target["what"] == ":predict":
                return Response(
                    await self._desk.counted("rest", lambda: self._predict(request, *asked)),
                    media_type="application/json",
                )
            return _json(self._metadata(*asked) if target["what"] else self._status(*asked))
        except Refusal as refusal:
            return _refused(refusal)

    async def _predict(self, request: Request, name: str, version: int | None, label: str) -> tuple[bytes, int]:
        limits = self._desk.options.limits
        try:
            body = await asyncio.wait_for(_body(request, limits.bytes), limits.seconds)
        except asyncio.TimeoutError:
            raise Refusal(Code.DEADLINE_EXCEEDED, f"the body took more than {limits.seconds:g} seconds.") from None
        is_small = len(body) <= _SMALL
        said = json_requests.read(body) if is_small else await asyncio.to_thread(json_requests.read, body)
        with self._desk.model(name, version, label) as model:
            signature = model.signature(said.signature_name)
            if is_small:
                arrays, rows = json_requests.arrays_of(said, signature, limits)
            else:
                arrays, rows = await asyncio.to_thread(json_requests.arrays_of, said, signature, limits)
            outputs = await self._desk.compute(model, signature, (arrays, rows))
        return json_requests.answer(said, outputs), rows

    def _status(self, name: str, version: int | None, label: str) -> dict[str, Any]:
        self._desk.check_name(name)
        if label:
            self._desk.versions.get(label=label)
        return as_json(status(self._desk, version))

    def _metadata(self, name: str, version: int | None, label: str) -> dict[str, Any]:
        with self._desk.model(name, version, label) as model:
            return {
                "model_spec": {"name": name, "signature_name": "", "version": str(model.version)},
                "metadata": {"signature_def": as_json(signatures(model))},
            }


async def _body(request: Request, most: int) -> bytes:
    """Returns the body, of which no more is read than is allowed."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(Code.ENCODING, "the body is compressed: send it as it is, without Content-Encoding.")
    too_large = Refusal(Code.TOO_LARGE, f"the body has more than {most:,} bytes (--max_bytes).")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise too_large
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise too_large
            parts.append(part)
    except ClientDisconnect:
        raise Refusal(Code.INVALID_ARGUMENT, "the client went away.") from None
    return b"".join(parts)


def _json(document: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(document, ensure_ascii=False).encode(), code, headers, "application/json")


def _refused(refusal: Refusal) -> Response:
    return _json({"error": str(refusal).encode(errors="replace").decode()}, refusal.code.http)


async def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.scope["path"]
    text = f"{request.method} {path}: {error.detail}; {_FORMS}."
    return _json({"error": text}, error.status_code, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    return _refused(refusal_of(error))
