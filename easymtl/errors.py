"""The one exception that a user's own mistake ends in, and the "did you mean" of its messages."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in a command, a config or data.

    Its text is shown as it is, without a traceback, and the command ends with exit code 2. It says where,
    what was found, what is allowed and what to do.
    """


EXIT_PEER_LOST = 75
"""The exit code of a worker that ends because of another one: to run the same again may help, as with EX_TEMPFAIL."""


class PeersError(Exception):
    """Another worker was lost, or did not come: nothing is wrong with this one, which ends with `EXIT_PEER_LOST`."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C has ended a command, which has said so itself."""


class StopTraining(Exception):
    """Raised by a callback of `easymtl.train`: the training saves a checkpoint behind the step, and ends."""


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Returns ` Did you mean "x"?` for the nearest of the allowed names, or an empty string.

    One of the same words in another order is the nearest: `num_expert` of `expert_num`.
    """
    allowed = list(allowed)
    reordered = [other for other in allowed if sorted(other.split("_")) == sorted(name.split("_"))]
    nearest = reordered or difflib.get_close_matches(name, allowed, n=1, cutoff=0.6)
    return f' Did you mean "{nearest[0]}"?' if nearest else ""


def quoted(names: Iterable[str], limit: int = 20) -> str:
    """Returns the names as `"a", "b"`, cut after `limit` of them."""
    names = list(names)
    text = ", ".join(f'"{name}"' for name in names[:limit])
    return text if len(names) <= limit else f"{text} and {len(names) - limit} more"
