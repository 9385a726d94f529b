"""What spoiled requests do to a server: none may be answered as if it were the server's fault, and memory stays flat.

Part of `benchmarks.serving_load --fuzz`. The memory after the first round is the first that counts: what a server
keeps of requests, such as what it prepares for their shapes, it keeps once.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.spoiled_requests import cut_or_flipped, spoiled, spoiled_message

BODIES = 500
ROUNDS = 4
MOST_GROWTH = 0.05
_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)
_OF_CLIENT = {"INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}


def resident_bytes(process: int) -> int:
    """Returns the memory of a process that is not swapped out, all its threads together."""
    found = _RESIDENT.search(Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) * 1024


def json_bodies(dice: random.Random, rows: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """Yields bodies of REST, two of three of them still JSON."""
    for number in range(BODIES):
        some = dice.sample(rows, 3)
        columns = {name: [row[name] for row in some] for name in some[0]}
        document = dice.choice([{"instances": some}, {"inputs": columns}])
        if number % 3:
            yield json.dumps(spoiled(dice, document)[0]).encode()
        else:
            yield cut_or_flipped(dice, json.dumps(document).encode())


def messages(dice: random.Random, bodies: Sequence[bytes]) -> Iterator[bytes]:
    """Yields messages of gRPC, two of three of them still a PredictRequest."""
    from tensorflow_serving.apis import predict_pb2

    for number in range(BODIES):
        body = dice.choice(bodies)
        if number % 3:
            message = predict_pb2.PredictRequest.FromString(body)
            spoiled_message(dice, message)
            yield message.SerializeToString()
        else:
            yield cut_or_flipped(dice, body)


async def send_rest(port: int, bodies: Iterator[bytes]) -> Counter[str]:
    """Sends bodies one after the other; returns how often each code came.

    Raises:
        SystemExit: one was answered as the server's fault, or not at all.
    """
    import httpx

    codes: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for body in bodies:
            answer = await client.post("/v1/models/model:predict", content=body)
            if answer.status_code != 200 and not 400 <= answer.status_code < 500:
                raise SystemExit(f"{answer.status_code} {answer.text[:300]} for {body[:300]!r}")
            codes[str(answer.status_code)] += 1
    return codes


async def send_grpc(port: int, bodies: Iterator[bytes]) -> Counter[str]:
    """Sends messages one after the other; returns how often each code came.

    Raises:
        SystemExit: one was answered as the server's fault, or not at all.
    """
    import grpc

    codes: Counter[str] = Counter()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        for body in bodies:
            try:
                await predict(body, timeout=60)
                codes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                if error.code().name not in _OF_CLIENT:
                    raise SystemExit(f"{error.code().name} {error.details()[:300]} for {body[:300]!r}") from None
                codes[error.code().name] += 1
    return codes


def growth(resident: Sequence[int]) -> float:
    """Returns how much larger the last is than the first, as a part of it."""
    return resident[-1] / resident[0] - 1


def text_of(protocol: str, found: dict[str, Any]) -> str:
    """Returns what was measured, in lines."""
    megabytes = ", ".join(f"{size / 1e6:.0f}" for size in found["resident"])
    codes = ", ".join(f"{count:,} {code}" for code, count in sorted(found["codes"].items()))
    verdict = "flat" if growth(found["resident"]) <= MOST_GROWTH else "NOT flat"
    return (
        f"{protocol}, {ROUNDS + 1} times {BODIES} spoiled requests: {codes}\n"
        f"  memory     {megabytes} MB after each round, {growth(found['resident']):+.1%}: {verdict}"
    )
