"""What both protocols ask: one named model, its versions, its queue and its limits."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from easymtl.errors import did_you_mean
from easymtl.server.batching import Batcher
from easymtl.server.checks import Limits
from easymtl.server.metrics import Metrics
from easymtl.server.model import Model
from easymtl.server.refusal import Code, Refusal, refusal_of
from easymtl.server.signature import Arrays, Signature
from easymtl.server.versions import Versions

_LOG = logging.getLogger(__name__)

# What waits for the model is at most as much as so many of the largest requests hold.
_WAITING_REQUESTS = 4


@dataclass(frozen=True)
class Options:
    """How a model is served.

    Attributes:
        name: of the model, as requests call it.
        max_batch_rows: most rows that are computed at once for several requests.
        limits: of one request.
    """

    name: str
    max_batch_rows: int
    limits: Limits


class Desk:
    """A served model, whatever the protocol."""

    def __init__(self, versions: Versions, options: Options):
        self.versions = versions
        self.options = options
        self.metrics = Metrics()
        self.batcher = Batcher(
            options.max_batch_rows, _WAITING_REQUESTS * options.limits.rows, observe=self.metrics.batch
        )
        self.is_stopping = False

    @property
    def is_ready(self) -> bool:
        """Returns whether requests are wanted."""
        return self.versions.current is not None and not self.is_stopping

    @contextmanager
    def model(self, name: str, version: int | None = None, label: str = "") -> Iterator[Model]:
        """Gives the version of the model that a request asks for, which stays loaded meanwhile.

        Raises:
            Refusal: there is none.
        """
        self.check_name(name)
        model = self.versions.get(version, label)
        model.take()
        try:
            yield model
        finally:
            model.give_back()

    def check_name(self, name: str) -> None:
        """Sees that a request names the model that is served.

        Raises:
            Refusal: it names another.
        """
        if name != self.options.name:
            hint = did_you_mean(name, [self.options.name])
            raise Refusal(Code.NOT_FOUND, f'there is no model "{name}"; "{self.options.name}" is served.{hint}')

    async def compute(
        self, model: Model, signature: Signature, request: tuple[Arrays, int], seconds: float | None = None
    ) -> Arrays:
        """Returns all outputs of a checked request.

        Args:
            model: against which it was checked.
            signature: of that model.
            request: the inputs, and the number of rows.
            seconds: that the client waits, if it says.

        Raises:
            Refusal: there is no answer.
        """
        longest = self.options.limits.seconds
        return await self.batcher.compute(
            model, signature, *request, longest if seconds is None else min(seconds, longest)
        )

    async def counted(self, protocol: str, answer: Callable[[], Awaitable[tuple[bytes, int]]]) -> bytes:
        """Returns an answer, and counts it or its refusal.

        Args:
            protocol: rest or grpc.
            answer: gives the body and the number of rows.

        Raises:
            Refusal: whatever the reason is.
        """
        begin = time.perf_counter()
        code, rows = "CANCELLED", 0
        try:
            body, rows = await answer()
            code = "OK"
            return body
        except asyncio.CancelledError:
            raise
        except Exception as error:
            refusal = refusal_of(error)
            if refusal.code is Code.INTERNAL:
                _LOG.exception("a request failed")
            code = refusal.code.name
            raise refusal from error
        finally:
            self.metrics.request(protocol, code, time.perf_counter() - begin, rows)
