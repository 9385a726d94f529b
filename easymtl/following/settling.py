"""When a part is complete: its writer says so, or nothing of it has changed for a while."""

import time
from collections.abc import Callable

from easymtl.following.listing import Part


class Settling:
    """Tells for how long parts have still to be waited for.

    The age of the last change goes by the clocks of this machine and of the file system. Where these disagree, or the
    file system does not tell, a part is watched for as long.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.time,
        watch: Callable[[], float] = time.monotonic,
    ):
        """Has seen nothing yet.

        Args:
            seconds: without a change after which a part is complete; infinity: a part is so by its marker alone.
            clock: seconds since 1970.
            watch: seconds that no change of the clock moves.
        """
        self.seconds = seconds
        self._clock, self._watch = clock, watch
        self._seen: dict[str, tuple[object, float]] = {}

    def left(self, part: Part) -> float:
        """Returns the seconds after which a part is complete if it does not change; 0 if it is."""
        if part.is_marked:
            return 0.0
        state, now = (part.files, part.changed), self._watch()
        before, since = self._seen.get(part.text, (None, now))
        since = since if before == state else now
        self._seen[part.text] = (state, since)
        age = now - since
        if part.changed:
            age = max(age, self._clock() - part.changed / 1e9)
        return max(self.seconds - age, 0.0)
