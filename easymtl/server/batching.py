"""Greedy batches: what has come while the model was busy is the next batch, so that nobody waits for a timer.

All but the model itself runs in the thread of the event loop; one further thread computes.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from easymtl.server.model import Model
from easymtl.server.refusal import Code, Refusal, refusal_of
from easymtl.server.signature import NO_PADDING, Arrays, Signature

Observe = Callable[[int], None]
Sides = tuple[tuple[int, ...], ...]
"""The lengths of some inputs' axes behind the rows."""

# Lists are padded to the widest of a batch: one request of a very wide row must not make as much of all others.
_MOST_PADDED = 1 << 20


@dataclass(frozen=True, eq=False)
class Job:
    """A checked request that waits.

    Attributes:
        model: the version against which it was checked, and which computes it.
        signature: of that version.
        arrays: the inputs.
        rows: how many rows it has.
        answer: becomes the outputs, or the refusal.
    """

    model: Model
    signature: Signature
    arrays: Mapping[str, np.ndarray]
    rows: int
    answer: asyncio.Future[Arrays]

    @cached_property
    def widths(self) -> Sides:
        """Returns the further axes of inputs that cannot be padded: those of a batch have to be the same."""
        return self._axes(is_padded=False)

    @cached_property
    def sides(self) -> Sides:
        """Returns the further axes of inputs that can be padded: those of others in a batch become as long."""
        return self._axes(is_padded=True)

    def _axes(self, is_padded: bool) -> Sides:
        if self.signature.is_flat:
            return ()
        return tuple(
            self.arrays[name].shape[1:]
            for name, tensor in self.signature.inputs.items()
            if (tensor.padding is not NO_PADDING) is is_padded
        )

    def goes_with(self, other: "Job") -> bool:
        """Returns whether two requests can be computed at once."""
        is_same = self.model is other.model and self.signature is other.signature
        return is_same and self.signature.is_batched and self.widths == other.widths


class Batcher:
    """The queue in front of the model."""

    def __init__(self, max_batch_rows: int, max_waiting_rows: int, observe: Observe = lambda rows: None):
        """Makes a queue that nobody works on before `start`.

        Args:
            max_batch_rows: most rows that are computed at once; a request alone may have more. 1 is no batching.
            max_waiting_rows: with as many rows in the queue, a further request is refused.
            observe: is told the rows of each batch.
        """
        self._max_batch_rows = max_batch_rows
        self._max_waiting_rows = max_waiting_rows
        self._observe = observe
        self._waiting: list[Job] = []
        self._waiting_rows = 0
        self._has_work = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "model")
        self._worker: asyncio.Task | None = None

    @property
    def waiting_rows(self) -> int:
        """Returns how many rows wait; a request without rows counts as one."""
        return self._waiting_rows

    def start(self) -> None:
        """Begins to compute."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Ends behind the batch that is computed; what waits then is refused."""
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        for job in waiting:
            _finish(job, Refusal(Code.UNAVAILABLE, "the server stops."))
        if self._worker:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        self._thread.shutdown()

    async def compute(
        self, model: Model, signature: Signature, arrays: Mapping[str, np.ndarray], rows: int, seconds: float
    ) -> Arrays:
        """Returns all outputs of a checked request.

        Raises:
            Refusal: the graph refuses it, too much waits, or it took too long.
        """
        if self._waiting and self._waiting_rows + rows > self._max_waiting_rows:
            raise Refusal(Code.RESOURCE_EXHAUSTED, f"{self._waiting_rows:,} rows wait already. Try again later.")
        job = Job(model, signature, arrays, rows, asyncio.get_running_loop().create_future())
        # The version stays until this request is answered or left out, and not only as long as somebody waits for it.
        model.take()
        self._waiting.append(job)
        self._waiting_rows += max(1, rows)
        self._has_work.set()
        limit = asyncio.get_running_loop().call_later(seconds, _give_up, job, seconds)
        try:
            return await job.answer
        finally:
            limit.cancel()

    async def _work(self) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while batch := self._next_batch():
                await self._compute(batch)

    def _next_batch(self) -> list[Job]:
        """Takes from the queue the first request and those that go with it."""
        batch: list[Job] = []
        left: list[Job] = []
        rows = 0
        sides: Sides = ()
        for job in self._waiting:
            if job.answer.done():
                # Whoever asked is gone.
                job.model.give_back()
            elif not batch or (
                job.goes_with(batch[0]) and self._is_small(rows + job.rows, _longest([sides, job.sides]))
            ):
                batch.append(job)
                rows += job.rows
                sides = _longest([sides, job.sides]) if sides else job.sides
            else:
                left.append(job)
        self._waiting = left
        self._waiting_rows = sum(max(1, job.rows) for job in left)
        return batch

    def _is_small(self, rows: int, sides: Sides) -> bool:
        widest = max(map(math.prod, sides), default=0)
        return rows <= self._max_batch_rows and rows * widest <= _MOST_PADDED

    async def _compute(self, batch: Sequence[Job]) -> None:
        self._observe(sum(job.rows for job in batch))
        done = asyncio.get_running_loop().run_in_executor(self._thread, answers_of, batch)
        try:
            answers = await asyncio.shield(done)
        except asyncio.CancelledError:
            # The server stops: those who were promised an answer get it.
            answers = await done
            raise
        finally:
            for job, answer in zip(batch, answers):
                _finish(job, answer)


def _give_up(job: Job, seconds: float) -> None:
    if not job.answer.done():
        job.answer.set_exception(Refusal(Code.DEADLINE_EXCEEDED, f"no answer within {seconds:g} seconds."))


def _finish(job: Job, answer: Arrays | Exception) -> None:
    job.model.give_back()
    if job.answer.done():
        return
    if isinstance(answer, Exception):
        job.answer.set_exception(answer)
    else:
        job.answer.set_result(answer)


def answers_of(batch: Sequence[Job]) -> list[Arrays | Exception]:
    """Returns the outputs of each request, or what it is refused with.

    A row that the graph refuses must not fail the requests of others: each is then computed alone.
    """
    model, signature = batch[0].model, batch[0].signature
    try:
        outputs = model.run(signature, _joined(batch))
        _check_rows(signature, outputs, sum(job.rows for job in batch))
        return [outputs] if len(batch) == 1 else _cut(outputs, [job.rows for job in batch])
    except Exception as error:
        if len(batch) == 1:
            return [refusal_of(error)]
    return [answer for job in batch for answer in answers_of([job])]


def _joined(batch: Sequence[Job]) -> Mapping[str, np.ndarray]:
    if len(batch) == 1:
        return batch[0].arrays
    return {
        name: np.concatenate(_padded([job.arrays[name] for job in batch], tensor.padding))
        for name, tensor in batch[0].signature.inputs.items()
    }


def _padded(arrays: Sequence[np.ndarray], padding: object) -> Sequence[np.ndarray]:
    """Returns lists `[rows, values]`, or of more axes, all as long as the longest."""
    if len({array.shape[1:] for array in arrays}) == 1:
        return arrays
    (axes,) = _longest([(array.shape[1:],) for array in arrays])
    result = []
    for array in arrays:
        padded = np.full((len(array), *axes), padding.encode() if isinstance(padding, str) else padding, array.dtype)
        padded[tuple(map(slice, array.shape))] = array
        result.append(padded)
    return result


def _longest(sides: Sequence[Sides]) -> Sides:
    """Returns the longest of each axis of each input."""
    return tuple(tuple(map(max, *axes)) for axes in zip(*sides))


def _check_rows(signature: Signature, outputs: Arrays, rows: int) -> None:
    """Sees that what is cut apart has the rows of the requests, whatever the SignatureDef promises."""
    if signature.is_batched:
        for name, array in outputs.items():
            if len(array) != rows:
                raise Refusal(Code.INTERNAL, f'the model gave {len(array)} rows of "{name}" for {rows}.')


def _cut(outputs: Arrays, rows: Sequence[int]) -> list[Arrays | Exception]:
    ends = np.cumsum(rows)
    return [{name: array[end - count : end] for name, array in outputs.items()} for end, count in zip(ends, rows)]
