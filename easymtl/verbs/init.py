"""`easymtl init`: from a table to a config."""

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from easymtl.api.overwriting import require_writable
from easymtl.data.paths import expand
from easymtl.data.reading import is_same_file
from easymtl.drafting import draft_config
from easymtl.drafting.facts import Fact
from easymtl.errors import UserError
from easymtl.reporting.bars import pass_bar
from easymtl.reporting.formats import counted, folded
from easymtl.reporting.outcomes_around import Drafted
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say


def run(options: Namespace) -> None:
    """Drafts a config from data, writes it, and says what it was unsure of.

    Raises:
        UserError: data, labels and options do not fit each other, or a file is there already.
    """
    if options.out and Path(options.out).is_dir():
        raise UserError(f"--out {options.out}: this is a folder. Name the file that the config will be.")
    begin("reading", options.data)
    draft = _draft(options)
    target = Path(draft.path)
    _require_free(target, options)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(draft.text, encoding="utf-8")
    # What comes next is told of the file that was written.
    options.out = str(target)
    outcome = Drafted(target, len(draft.pipeline.feature_config.features), draft.files, draft.notes, draft.left_out)
    current().result(outcome, lambda: _print(outcome, draft.left_out_texts))


def _print(outcome: Drafted, left_out: Sequence[str]) -> None:
    if left_out:
        say(f"left out: {folded(left_out, f'all in {outcome.config}')}", sys.stdout)
    for note in outcome.notes:
        say(f"{'note' if isinstance(note, Fact) else 'unsure'}: {note}", sys.stdout)
    for file in outcome.files:
        say(f"wrote {file}", sys.stdout)
    say(f"wrote {outcome.config}: {counted(outcome.num_features, 'feature')}.", sys.stdout)


def _draft(options: Namespace):
    if options.out:
        # Before anything is read for minutes.
        require_writable("--out", options.out)
        _require_free(Path(options.out), options)
        Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    return draft_config(
        options.data,
        options.labels,
        model=options.model,
        preset=options.preset,
        evaluation=options.eval,
        out=options.out,
        schema=options.schema,
        like=options.like,
        user=options.user,
        session=options.session,
        time=options.time,
        ignore=options.ignore,
        columns=options.columns,
        model_dir=options.model_dir,
        replaces=options.force,
        progress=_Bars(),
    )


def _require_free(target: Path, options: Namespace) -> None:
    """Checks that the config may be written: no data and no other input, and no file that is there without --force."""
    read = [file.path for paths in (options.data, options.eval) if paths for file in expand(paths)]
    for path in [*read, *filter(None, (options.schema, options.like))]:
        if is_same_file(path, str(target)):
            raise UserError(f"--out {target} is a file that is read: it would be written over. Name another one.")
    if target.exists() and not options.force:
        raise UserError(f"{target} exists. Name another one with --out, or write over it with --force.")


class _Bars:
    """Shows how much of the data has been read: once to look at them, and once more to divide them."""

    def __init__(self) -> None:
        self._shown = ExitStack()
        self._tell: Callable[[int, float], None] | None = None
        self._titles = iter(("Reading", "Dividing"))

    def __call__(self, done: int, total: int) -> None:
        """Is told how many bytes of how many have been read."""
        if self._tell is None and done < total:
            self._tell = self._shown.enter_context(pass_bar(next(self._titles, "Reading"), "MiB"))
        if self._tell is None:
            return
        self._tell(round(done / 2**20), done / total)
        if done >= total:
            self._shown.close()
            self._tell = None
            begin("drafting", "the config")
