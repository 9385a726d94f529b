"""One line about how a training goes: rewritten in place in a terminal, now and then in a pipe."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from easymtl.reporting.formats import number_text, seconds_text
from easymtl.reporting.names import by_tower
from easymtl.reporting.status import StatusLine, status_line_of
from easymtl.reporting.terminal import print_line
from easymtl.training.events import Progress

_PLAIN_SECONDS = 5.0
_LIVE_SECONDS = 0.1
_ROUNDING = 0.005
_BAR_WIDTH = 10
REGULARIZATION = "regularization_loss"


_LEAST_IMPORTANT = ("wait", "weights", "speed", "left")
"""Parts that a narrow terminal does without, the first one first."""


def progress_parts(event: Progress, num_steps: int | None) -> dict[str, str]:
    """Returns the parts of the line by name: step, speed, waiting, loss, time left."""
    step = f"step {event.step}/{num_steps}" if num_steps else f"step {event.step}"
    if event.share is not None and (not num_steps or event.share > event.step / num_steps + _ROUNDING):
        step += f" ({_whole_percent(event.share)})"
    parts = {
        "step": step,
        "speed": f"{event.examples_per_second:,.0f} examples/s",
        "wait": f"input wait {_whole_percent(event.wait_share)}",
    }
    if "loss" in event.losses:
        parts["loss"] = f"loss {number_text(event.losses['loss'])}"
    if event.weights:
        weights = " ".join(f"{name} {weight:.2f}" for name, weight in event.weights.items())
        parts["weights"] = f"weights {weights}"
    if event.seconds_left is not None:
        parts["left"] = f"left {seconds_text(event.seconds_left)}"
    return parts


def _whole_percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def plain_line(event: Progress, num_steps: int | None) -> str:
    """Returns the line for a pipe: `step 300/1200  12,667 examples/s  input wait 2 %  loss 3.0476  left 0:15`."""
    return "  ".join(progress_parts(event, num_steps).values())


def live_line(event: Progress, num_steps: int | None, towers: Sequence[str], width: int) -> Text:
    """Returns the line for a terminal of a width: without some parts, or with the loss of each task."""
    parts = progress_parts(event, num_steps)
    for name in _LEAST_IMPORTANT:
        if len("  ".join(parts.values())) > width:
            parts.pop(name, None)
    shown = "  ".join(parts.values())
    if event.share is not None and len(shown) + _BAR_WIDTH + 2 <= width:
        shown = f"{share_bar(event.share, _BAR_WIDTH)}  {shown}"
    text = Text(shown, no_wrap=True, overflow="ellipsis")
    losses = task_losses(event, towers)
    details = "  " + "  ".join(f"{tower} {number_text(loss)}" for tower, loss in losses.items())
    if len(losses) > 1 and text.cell_len + Text(details).cell_len <= width:
        text.append(details, style="dim")
    return text


def share_bar(share: float, width: int = 10) -> str:
    """Returns a share as a bar of a width in columns."""
    done = min(int(share * width), width)
    return "━" * done + "─" * (width - done)


def task_losses(event: Progress, towers: Sequence[str]) -> dict[str, float]:
    """Returns the loss of each task, and that of regularization if there is some."""
    losses = {tower: found["loss"] for tower, found in by_tower(event.losses, towers).items() if "loss" in found}
    regularization = event.losses.get(REGULARIZATION, 0.0)
    return {**losses, "regularization": regularization} if regularization else losses


class ProgressLine:
    """Shows progress events on one line, above which other things may be printed."""

    def __init__(self, towers: Sequence[str], terminal: Console, clock: Callable[[], float] = time.monotonic):
        self.num_steps: int | None = None
        self._towers = towers
        self._terminal = terminal
        self._clock = clock
        self._line: StatusLine | None = status_line_of(terminal.file)
        self._pending: Progress | None = None
        self._seconds_between = _LIVE_SECONDS if self._line else _PLAIN_SECONDS
        self._last: float | None = None

    def show(self, event: Progress) -> None:
        """Shows an event, or keeps it back when another was shown a moment ago."""
        now = self._clock()
        is_last = self.num_steps is not None and event.step >= self.num_steps
        self._pending = event
        if self._last is not None and now - self._last < self._seconds_between and not is_last:
            return
        self._last = now
        if self._line:
            self._line.show(lambda width: self._text(event, self._clock() - now, width))
        else:
            self.flush()

    def _text(self, event: Progress, age: float, width: int) -> str:
        """Returns the line for an event of some seconds ago: what is left has become less since."""
        left = event.seconds_left
        shown = event if left is None else replace(event, seconds_left=max(left - age, 0.0))
        return live_line(shown, self.num_steps, self._towers, width).plain

    def pause(self) -> None:
        """Takes a live line away, until the next event; what is only printed goes above it."""
        if self._line:
            self._line.hide()

    def flush(self) -> None:
        """Prints the newest event if it has not been printed, to stay."""
        self.pause()
        if self._pending:
            print_line(self._terminal, plain_line(self._pending, self.num_steps))
            self._pending = None
