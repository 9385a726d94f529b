"""`easymtl init`: from a table to a config."""

import sys
import time
from argparse import Namespace
from pathlib import Path

from easymtl.data.paths import expand
from easymtl.data.reading import is_same_file
from easymtl.drafting import draft_config
from easymtl.errors import UserError

_SECONDS = 2.0


def run(options: Namespace) -> None:
    """Drafts a config from data, writes it, and says what it was unsure of.

    Raises:
        UserError: data, labels and options do not fit each other, or a file is there already.
    """
    if options.out and Path(options.out).is_dir():
        raise UserError(f"--out {options.out}: this is a folder. Name the file that the config will be.")
    draft = _draft(options)
    target = Path(draft.path)
    _require_free(target, options)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(draft.text, encoding="utf-8")
    for note in draft.notes:
        print(f"unsure: {note}")
    for file in draft.files:
        print(f"wrote {file}")
    print(f"wrote {target}: {len(draft.pipeline.feature_config.features)} features.")
    print(f"next: easymtl check --pipeline_config {target}, then easymtl train --pipeline_config {target}")


def _draft(options: Namespace):
    if options.out:
        # Before anything is read for minutes.
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
        progress=_Progress(),
    )


def _require_free(target: Path, options: Namespace) -> None:
    """Checks that the config may be written: no data and no other input, and no file that is there without --force."""
    read = [file.path for paths in (options.data, options.eval) if paths for file in expand(paths)]
    for path in [*read, *filter(None, (options.schema,))]:
        if is_same_file(path, str(target)):
            raise UserError(f"--out {target} is a file that is read: it would be written over. Name another one.")
    if target.exists() and not options.force:
        raise UserError(f"{target} exists. Name another one with --out, or write over it with --force.")


class _Progress:
    """Says every other second how much of the data has been read."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= _SECONDS and done < total:
            self._told = now
            print(f"reading: {min(100 * done // total, 100)} % of {total / 2**20:,.1f} MiB", file=sys.stderr)
