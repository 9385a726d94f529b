"""Whether workers that have failed are started again, and when."""

from collections.abc import Callable

from easymtl.launch.workers import Ended

_FIRST_SECONDS, _MOST_SECONDS = 1.0, 60.0
_SECONDS_BETWEEN_LOOKS = 0.5
_USELESS = {2: "a mistake in the command, the config or the data is the same the next time", 130: "it was interrupted"}


def run_with_restarts(
    run: Callable[[], Ended],
    restarts: int,
    is_stopped: Callable[[], bool],
    tell: Callable[[str], None],
    sleep: Callable[[float], None],
) -> int:
    """Runs workers until they end well, or fail once more than they may; returns the exit code.

    Args:
        run: starts workers, and returns how they have ended.
        restarts: how often they are started again, at most.
        is_stopped: whether somebody has asked for the end, so that nothing is started again.
        tell: prints a line.
        sleep: waits so many seconds; all in all twice as long behind each failure.
    """
    for attempt in range(restarts + 1):
        ended = run()
        if not ended.code or is_stopped():
            return ended.code
        what = f"Worker {ended.index} has ended with exit code {ended.code}{signal_text(ended.code)}"
        if ended.code in _USELESS:
            tell(f"{what}: {_USELESS[ended.code]}." if restarts else f"{what}.")
            return ended.code
        if attempt == restarts:
            done = f", after {restarts} restarts" if restarts else ""
            tell(f"{what}{done}. The same command goes on from the newest checkpoint.")
            return ended.code
        seconds = min(_FIRST_SECONDS * 2**attempt, _MOST_SECONDS)
        tell(
            f"{what}. All workers start again in {seconds:.0f} s, from the newest checkpoint "
            f"(restart {attempt + 1} of {restarts})."
        )
        _pause(seconds, is_stopped, sleep)
        if is_stopped():
            return ended.code
    return 0


def _pause(seconds: float, is_stopped: Callable[[], bool], sleep: Callable[[float], None]) -> None:
    """Waits; behind a signal, which ends no sleep, for no longer than a moment."""
    while seconds > 0 and not is_stopped():
        sleep(min(seconds, _SECONDS_BETWEEN_LOOKS))
        seconds -= _SECONDS_BETWEEN_LOOKS


def signal_text(code: int) -> str:
    """Returns which signal stands behind an exit code; empty where none does."""
    from signal import Signals

    names = {128 + one: one.name for one in Signals}
    text = f" ({names[code]}" if code in names else ""
    if text and names[code] == "SIGKILL":
        text += ", as when the system is out of memory"
    return text and text + ")"
