"""One line about how a training goes: rewritten in place in a terminal, now and then in a pipe."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from easymtl.reporting.formats import number_text, seconds_text
from easymtl.reporting.terminal import is_live, print_line
from easymtl.training.events import Progress

_PLAIN_SECONDS = 5.0
_LIVE_SECONDS = 0.1
_ROUNDING = 0.005


def progress_parts(event: Progress, num_steps: int | None) -> list[str]:
    """Returns the parts of the line: step, speed, waiting, loss, time left."""
    step = f"step {event.step}/{num_steps}" if num_steps else f"step {event.step}"
    if event.share is not None and (not num_steps or event.share > event.step / num_steps + _ROUNDING):
        step += f" ({event.share:.0%})".replace("%", " %")
    parts = [
        step,
        f"{event.examples_per_second:,.0f} examples/s",
        f"input wait {event.wait_share:.0%}".replace("%", " %"),
    ]
    if "loss" in event.losses:
        parts.append(f"loss {number_text(event.losses['loss'])}")
    if event.seconds_left is not None:
        parts.append(f"left {seconds_text(event.seconds_left)}")
    return parts


def plain_line(event: Progress, num_steps: int | None) -> str:
    """Returns the line for a pipe: `step 300/1200  12,667 examples/s  input wait 2 %  loss 3.0476  left 0:15`."""
    return "  ".join(progress_parts(event, num_steps))


def live_line(event: Progress, num_steps: int | None, width: int) -> Text:
    """Returns the line for a terminal: the plain one, cut to the width, or with the loss of each task if they fit."""
    losses = [
        f"{name} {number_text(value)}"
        for name, value in event.losses.items()
        if name != "loss" and not (name == "regularization_loss" and value == 0)
    ]
    line = plain_line(event, num_steps)
    detailed = "  ".join([line, *losses])
    is_detailed = len(losses) > 1 and len(detailed) < width
    text = Text(detailed if is_detailed else line, no_wrap=True, overflow="ellipsis")
    if is_detailed:
        text.stylize("dim", len(line))
    return text


class ProgressLine:
    """Shows progress events on one line; `pause` it before printing anything else."""

    def __init__(self, terminal: Console, clock: Callable[[], float] = time.monotonic):
        self.num_steps: int | None = None
        self._terminal = terminal
        self._clock = clock
        self._live: Live | None = None
        self._pending: Progress | None = None
        self._is_live = is_live(terminal)
        self._seconds_between = _LIVE_SECONDS if self._is_live else _PLAIN_SECONDS
        self._last: float | None = None

    def show(self, event: Progress) -> None:
        """Shows an event, or keeps it back when another was shown a moment ago."""
        now = self._clock()
        is_last = self.num_steps is not None and event.step >= self.num_steps
        self._pending = event
        if self._last is not None and now - self._last < self._seconds_between and not is_last:
            return
        self._last = now
        if self._is_live:
            self._update(live_line(event, self.num_steps, self._terminal.width))
        else:
            self._print_pending()

    def show_text(self, text: str) -> None:
        """Shows a text where the line of progress will be; nothing in a pipe."""
        if self._is_live:
            self._update(Text(text, style="dim", no_wrap=True, overflow="ellipsis"))

    def pause(self) -> None:
        """Takes a live line away, until the next event."""
        if self._live:
            self._live.stop()
            self._live = None

    def flush(self) -> None:
        """Prints the newest event if it has not been printed, to stay."""
        self.pause()
        if self._pending:
            self._print_pending()

    def _print_pending(self) -> None:
        print_line(self._terminal, plain_line(self._pending, self.num_steps))
        self._pending = None

    def _update(self, text: Text) -> None:
        if self._live is None:
            self._live = Live(console=self._terminal, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(text, refresh=True)
