"""Following data from a program: a generator of what became of each part."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from easymtl.api.configs import config_of
from easymtl.api.listeners import Callbacks
from easymtl.api.python_words import in_python, without_flags
from easymtl.config import Config, view
from easymtl.config.arguments import require_functions
from easymtl.errors import UserError
from easymtl.following.start import ready_to_follow
from easymtl.following.wishes import Wishes, length_of, require_followable

if TYPE_CHECKING:
    from easymtl.training.events import Listener, PartTrained


_ARGUMENTS = ("every", "settle", "until", "late", "export", "keep")


@in_python(*_ARGUMENTS, **{"from": "begin"})
def follow(
    config: Config | str | os.PathLike[str],
    train: str | os.PathLike[str] | None = None,
    *,
    model_dir: str | os.PathLike[str] | None = None,
    every: str | float | None = None,
    settle: str | float = "10m",
    begin: str = "",
    until: str = "",
    late: str = "skip",
    export: str | None = None,
    keep: int | None = None,
    callbacks: Sequence["Listener"] = (),
    verbose: bool = True,
) -> "Iterator[PartTrained]":
    """Trains on the parts of data that are complete, in the order of their times, each once, and yields each.

    It does what `easymtl follow` does: a part is scored by the model before it is trained on, and the model exported
    behind it. A program that ends anywhere goes on there when it calls this again. The model_dir is taken from when the
    first part is asked for until the generator ends or is closed.

    Args:
        config: a `Config`, or the path of one.
        train: the folder or pattern of all parts in place of the config's.
        model_dir: in place of the config's.
        every: how often to look for new parts, seconds or such as "1h"; None ends when no complete part is left.
        settle: without a change after which a part without `_SUCCESS` is complete, seconds or such as "10m"; "never" is
            by `_SUCCESS` alone.
        begin: the first part, such as "2026-01-02".
        until: the last part.
        late: "skip", or "train" on parts that come when later ones were trained on.
        export: "full", "delta" or "none"; None is full, unless the config says none.
        keep: exports that stay.
        callbacks: each is called with every event. One that raises `easymtl.StopTraining` ends the training behind the
            step that is being made; a checkpoint is saved.
        verbose: whether to print what `easymtl follow` prints.

    Yields:
        What was found in each part before it was trained on: its `metrics` and `rows`, the means of `labels` and
        `scores`; and the `step` and the `export` behind it.

    Raises:
        UserError: the config or the data are wrong, or the model_dir is in use.

    Example:
        >>> config = easymtl.load("shop.config", {"train_config.num_steps": 0, "data_config.num_epochs": 1})
        >>> for part in easymtl.follow(config, "days", model_dir="models/days", settle=0, verbose=False):
        ...     print(part.part, part.rows, part.step, sorted(part.metrics)[:2])
        dt=2026-01-01 100 2 []
        dt=2026-01-02 100 4 ['auc_buy', 'auc_click']
    """
    config = config_of(config, "easymtl.follow", '"folder"')
    require_functions("easymtl.follow", "callbacks", callbacks)
    given = {"train_input_path": train, "model_dir": model_dir}
    config = config.with_paths(**{name: os.fspath(path) for name, path in given.items() if path is not None})
    wait = None if every is None else _seconds("every", every)
    wishes = Wishes.of(config, wait, _seconds("settle", settle), until, begin, late, export, keep)
    require_followable(config)
    return _follow(config, wishes, callbacks, verbose)


def _follow(config: Config, wishes: Wishes, callbacks: Sequence["Listener"], verbose: bool) -> "Iterator[PartTrained]":
    with ready_to_follow(config, wishes):
        from easymtl.following.follower import Follower
        from easymtl.reporting.console import Console
        from easymtl.reporting.terminal import open_terminal

        terminal = open_terminal()
        terminal.quiet = not verbose
        stop = Callbacks(callbacks)
        with Console(view.result_rows(config.pipeline), config.pipeline.model_dir, terminal) as console:
            try:
                with closing(Follower(config, wishes, console, stop.is_received, [stop])) as follower:
                    yield from follower.parts()
            except UserError as error:
                error.args = (without_flags(str(error), {**dict(zip(_ARGUMENTS, _ARGUMENTS)), "from": "begin"}),)
                raise


def _seconds(name: str, length: str | float) -> float:
    try:
        return length_of(length) if isinstance(length, str) else float(length)
    except ValueError as error:
        raise UserError(f"--{name}: {error}.") from None
