"""Clients that ask a server for the scores of one row at a time, over REST or gRPC, and what they have met."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Send = Callable[[bytes], Awaitable[int]]
"""Sends a request and returns the version that has answered, 0 where that is not told; raises if it failed."""


@dataclass
class Load:
    """What clients have met.

    Attributes:
        seconds: of each request that was answered.
        ends: when each of these was answered, seconds after the start.
        failed: what the others were told.
        versions: that have answered.
    """

    seconds: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)

    def figures(self, begin: float = 0.0) -> dict[str, float]:
        """Returns requests in a second, and percentiles in milliseconds, of what was answered after `begin`."""
        ends = np.array(self.ends)
        kept = np.array(self.seconds)[ends >= begin] * 1e3
        p50, p99 = np.percentile(kept, [50, 99])
        rate = len(kept) / (ends.max() - begin)
        return {"rate": float(rate), "p50": float(p50), "p99": float(p99), "requests": len(kept)}


async def run_clients(
    port: int, protocol: str, bodies: Sequence[bytes], clients: int, seconds: float, load: Load
) -> None:
    """Lets clients ask one after the other, each with other rows, until the time is over."""
    begin = time.perf_counter()

    async def ask(number: int, send: Send) -> None:
        place = number * len(bodies) // clients
        while time.perf_counter() - begin < seconds:
            sent = time.perf_counter()
            try:
                load.versions.add(await send(bodies[place % len(bodies)]))
            except Exception as error:
                load.failed.append(f"{type(error).__name__}: {error}"[:300])
                continue
            now = time.perf_counter()
            load.seconds.append(now - sent)
            load.ends.append(now - begin)
            place += 1

    async with AsyncExitStack() as stack:
        sends = [await stack.enter_async_context(_rest(port)) for _ in range(clients if protocol == "rest" else 0)]
        if protocol == "grpc":
            # One connection carries them all: in Python, fifty cost the clients more than the server.
            sends = [await stack.enter_async_context(_grpc(port))] * clients
        await asyncio.gather(*(ask(number, send) for number, send in enumerate(sends)))
    load.versions.discard(0)


@asynccontextmanager
async def _rest(port: int) -> AsyncIterator[Send]:
    """Gives a client on a connection that stays; next to no work for the processor, of which the server needs all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /v1/models/model:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: "

    async def send(body: bytes) -> int:
        writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer)
        text = await reader.readexactly(int(length[1]) if length else 0)
        if b" 200 " not in answer[:20]:
            raise OSError(text.decode())
        return 0

    yield send
    writer.close()


@asynccontextmanager
async def _grpc(port: int) -> AsyncIterator[Send]:
    import grpc
    from tensorflow_serving.apis import predict_pb2

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        predict = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            response_deserializer=predict_pb2.PredictResponse.FromString,
        )

        async def send(body: bytes) -> int:
            return (await predict(body)).model_spec.version.value

        yield send


def rest_body(row: Mapping[str, Any]) -> bytes:
    """Returns the request for the scores of one row, as REST takes it."""
    return json.dumps({"instances": [row]}).encode()


def grpc_body(row: Mapping[str, Any], sample: Mapping[str, str]) -> bytes:
    """Returns the same for gRPC, with the types of the inputs of an export."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    types = json.loads((Path(sample["export"]) / "assets.extra" / "easymtl.json").read_text())["inputs"]
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "model"
    for name, value in row.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto([value], types[name]))
    return request.SerializeToString()
