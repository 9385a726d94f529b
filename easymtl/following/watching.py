"""Looking at the folder of all parts, and saying what is odd there."""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from easymtl.checkpoints.parts import Parts, TrainedPart
from easymtl.config import Config, view
from easymtl.data.fields import input_fields
from easymtl.data.fingerprint import fingerprint
from easymtl.data.paths import expand
from easymtl.errors import UserError, quoted
from easymtl.following.choosing import Bounds, Choice, choose
from easymtl.following.layout import described
from easymtl.following.listing import MARKER, Listing, Part, PartFolder, no_parts
from easymtl.following.records import Records
from easymtl.following.settling import Settling
from easymtl.following.wishes import Wishes
from easymtl.reporting.formats import counted, seconds_text
from easymtl.training.events import Event, Note


class Watch:
    """Tells each thing once.

    Attributes:
        listing: what was there at the last look.
        root: the folder of all parts.
    """

    def __init__(
        self,
        config: Config,
        wishes: Wishes,
        records: Records,
        tell: Callable[[Event], None],
        clock: Callable[[], float] = time.time,
        watch: Callable[[], float] = time.monotonic,
    ):
        """Looks at nothing yet.

        Args:
            config: names the folder.
            wishes: what is wanted.
            records: remember what was told of a part.
            tell: is told what is odd.
            clock: seconds since 1970.
            watch: seconds that no change of the clock moves.

        Raises:
            UserError: `train_input_path` is no single folder or pattern.
        """
        self._config, self._wishes, self._records = config, wishes, records
        self._folder = PartFolder(view.train_input(config.pipeline))
        self._settling = Settling(wishes.settle, clock, watch)
        self._tell_event = tell
        self._told: set[str] = set()
        self._compared: set[tuple[str, int]] = set()
        self._has_looked = False
        self.listing = Listing(())
        self.root = self._folder.root

    @property
    def is_empty(self) -> bool:
        """Returns whether no part has data."""
        return not any(part.num_bytes for part in self.listing.parts)

    def any_path(self) -> str:
        """Returns the path of the newest part that has data; empty without any."""
        return next((part.path for part in reversed(self.listing.parts) if part.num_bytes), "")

    def look(self, trained: Parts | None) -> Choice:
        """Returns what there is to do.

        Args:
            trained: what was trained on.

        Raises:
            UserError: at the first look, or where there is none later: the folder cannot be read.
        """
        try:
            self.listing = self._folder.list()
            nothing = no_parts(self._folder, self.listing)
            if nothing and not self._has_looked:
                raise UserError(nothing)
            changed = self._changed(trained) if trained else []
        except UserError as error:
            if not self._has_looked or self._wishes.every is None:
                raise
            self._tell(f"Warning: {error} It is looked at again.")
            return Choice()
        self._has_looked = True
        choice = choose(self.listing, trained, self._bounds(trained), self._settling.left, self._records.passed())
        self._tell_layout()
        self._tell_of(choice, changed)
        return choice

    def _bounds(self, trained: Parts | None) -> Bounds:
        bounds = self._wishes.bounds
        return bounds if bounds.begin or not trained else replace(bounds, begin=trained.begin)

    def _changed(self, trained: Parts) -> list[Part]:
        """Returns the parts whose files are not those that were trained on."""
        known = {part.name: part for part in trained.trained}
        if trained.last and not trained.is_finished:
            del known[trained.last.name]
        there = [part for part in self.listing.parts if part.num_bytes and part.text in known]
        return [part for part in there if self._is_changed(part, known[part.text])]

    def _is_changed(self, part: Part, before: TrainedPart) -> bool:
        """Returns whether the files of a part are others than before; reads them only in doubt."""
        if (len(part.files), part.num_bytes) != (before.num_files, before.num_bytes):
            return True
        if part.changed <= before.changed or (part.text, part.changed) in self._compared:
            return False
        try:
            is_changed = marks_digest(self._config, part) != before.digest
        except UserError:
            # It was trained on: that it is being taken away, or may be read no more, is no reason to stop.
            return False
        self._compared.add((part.text, part.changed))
        return is_changed

    def _tell_layout(self) -> None:
        with_data = [part for part in self.listing.parts if part.num_bytes]
        if with_data and "layout" not in self._told:
            self._told.add("layout")
            self._tell(
                f"Parts are {self.root}/{described(with_data[0].name)}: {counted(len(with_data), 'part')} there, "
                f"the newest is {with_data[-1].text}."
            )
        others = [name for name in self.listing.others if name not in self._told]
        if others:
            self._told.update(others)
            self._tell(f"Warning: {quoted(others, limit=3)} in {self.root} has no time in its name: it is not read.")

    def _tell_of(self, choice: Choice, changed: list[Part]) -> None:
        for part in changed:
            if not self._records.is_told(part, "changed"):
                self._tell(
                    f"Warning: the part {part.text} has changed since it was trained on, and is not trained on again."
                )
        for part in choice.late:
            if not self._records.is_told(part, "late"):
                self._tell(
                    f"Warning: the part {part.text} came when a later one was trained on, and is left out. "
                    "--late train trains on such parts."
                )
        for part in choice.empty:
            if not self._records.is_told(part, "empty"):
                self._tell(f"Warning: the part {part.text} holds no data file, and is passed over.")
        for part, seconds in choice.waiting:
            self._tell(self._why_waiting(part, seconds))

    def _why_waiting(self, part: Part, seconds: float) -> str:
        if math.isinf(seconds):
            return f"The part {part.text} is not complete: it has no {MARKER}. Later ones wait for it."
        end = "the next run takes it" if self._wishes.every is None else "later ones wait for it"
        return (
            f"The part {part.text} is not complete: it has no {MARKER}, and has changed within the last "
            f"{seconds_text(self._wishes.settle)} (--settle); {end}."
        )

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell_event(Note(text))


def marks_digest(config: Config, part: Part) -> str:
    """Returns what tells the files of a part from others, see `easymtl.data.fingerprint`.

    Raises:
        UserError: a file is gone or cannot be read.
    """
    marks = fingerprint(expand(part.path), input_fields(config.pipeline.data_config))
    text = repr([list(asdict(mark).values()) for mark in marks])
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
