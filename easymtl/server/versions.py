"""Which version of a model is served: the newest in a folder that is watched, swapped without a failed request."""

import asyncio
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from easymtl.errors import UserError
from easymtl.server.joined_versions import JoinedVersions
from easymtl.server.model import Model
from easymtl.server.refusal import Code, Refusal
from easymtl.server.warm_up import warm_up
from easymtl.serving.delta_folders import is_delta, version_of
from easymtl.serving.export_folders import exports_of, is_version, numbered

Tell = Callable[[str], None]
Print = tuple[tuple[str, int, int], ...]

_SECONDS = 1.0


@dataclass(frozen=True)
class State:
    """What has become of a version: the words of TensorFlow Serving's status.

    Attributes:
        name: LOADING, AVAILABLE, or END.
        error: why it cannot be served; empty if it can, or could.
    """

    name: str
    error: str = ""


class Versions:
    """The version that is served, and those that were or were to be.

    Everything but loading happens in the thread of the event loop.
    """

    def __init__(self, folder: Path, tell: Tell = lambda text: None, seconds: float = _SECONDS):
        """Looks at a folder and loads nothing.

        Args:
            folder: an export or a delta, or a folder of those that are numbered.
            tell: is told what a person should know.
            seconds: between two looks at the folder.

        Raises:
            UserError: it is neither.
        """
        self._folder = folder
        self._tell = tell
        self._seconds = seconds
        self._is_one = is_version(folder)
        if not self._is_one and not numbered(folder):
            raise UserError(
                f"{folder}: no SavedModel is in this folder, nor in a folder with a number in it. {_advice(folder)}"
            )
        self.states: dict[int, State] = {}
        self._current: Model | None = None
        self._joined = JoinedVersions(tell)
        # What a folder held when it could not be loaded: it is tried again when that changes.
        self._broken: dict[int, Print] = {}
        self._seen: tuple[int, Print] | None = None

    @property
    def current(self) -> Model | None:
        """Returns what is served; None before `load` and after `close`."""
        return self._current

    def get(self, version: int | None = None, label: str = "") -> Model:
        """Returns the version that a request asks for, the newest if it does not say.

        Raises:
            Refusal: it is not served.
        """
        if self._current is None:
            raise Refusal(Code.UNAVAILABLE, "no version is loaded.")
        served = f"version {self._current.version} is served"
        if label:
            raise Refusal(Code.NOT_FOUND, f'there is no label "{label}": this server has none; {served}.')
        if version is not None and version != self._current.version:
            raise Refusal(Code.NOT_FOUND, f"version {version} is not served; {served}.")
        return self._current

    async def load(self) -> None:
        """Loads the newest version that can be.

        Raises:
            UserError: none can.
        """
        while True:
            choice = self._choice()
            if choice is None:
                raise UserError("\n".join(dict.fromkeys(state.error for state in self.states.values() if state.error)))
            await self._swap(*choice)
            if self._current is not None:
                return

    async def watch(self) -> None:
        """Looks at the folder again and again, and swaps to what is newest."""
        while not self._is_one:
            await asyncio.sleep(self._seconds)
            await self.look()

    async def look(self) -> None:
        """Looks at the folder once; a folder is loaded when it looks the same for the second time."""
        choice = self._choice()
        if choice is None or (self._current is not None and choice[0] == self._current.version):
            self._seen = None
            return
        # Who copies a folder, rather than renaming it into place, may not be done yet.
        seen = (choice[0], _print_of(choice[1]))
        if self._seen == seen:
            self._seen = None
            await self._swap(*choice)
        else:
            self._seen = seen

    def close(self) -> None:
        """Gives back the model as soon as its last request is answered."""
        if self._current:
            self._current.retire()
            self._current = None
        self._joined.close()

    def _choice(self) -> tuple[int, Path] | None:
        """Returns the newest version that is not known to be broken."""
        found = {_number_of(self._folder): self._folder} if self._is_one else numbered(self._folder)
        for number in sorted(found, reverse=True):
            if number not in self._broken or self._broken[number] != _print_of(found[number]):
                return number, found[number]
        return None

    async def _swap(self, number: int, folder: Path) -> None:
        """Loads a version beside the one that is served, warms it up, and puts it into its place."""
        print_before = _print_of(folder)
        self.states[number] = State("LOADING")
        try:
            model = await asyncio.to_thread(self._loaded, folder, number)
        except Exception as error:
            # Whatever is in that folder, it must not take away the version that is served.
            error = error if isinstance(error, UserError) else UserError(f"{folder}: {type(error).__name__}: {error}")
            self._broken[number] = print_before
            self.states[number] = State("END", str(error))
            stays = f" Version {self._current.version} stays." if self._current else ""
            self._joined.forget(self._current.version if self._current else None)
            self._tell(f"Version {number} is not served: {error}{stays}")
            return
        before, self._current = self._current, model
        self._broken.pop(number, None)
        self.states[number] = State("AVAILABLE")
        if before:
            self.states[before.version] = State("END")
            before.retire()
            self._joined.forget(number)
            self._tell(f"Version {number} is served now, in place of {before.version}.")

    def _loaded(self, folder: Path, number: int) -> Model:
        model = Model(self._joined.folder_of(folder), number)
        warm_up(model, self._tell)
        return model


def _number_of(folder: Path) -> int:
    """Returns the version of an export that is named by itself: the name of its folder, or 1."""
    return version_of(folder.resolve()) or 1


def _print_of(folder: Path) -> Print:
    """Returns names, sizes and times of all files in a folder; of a delta, in those of the versions beside it too.

    Its base may be one of these, and come later.
    """
    beside = numbered(folder.parent).values() if is_delta(folder) else ()
    found = []
    for place, _, names in itertools.chain(os.walk(folder), *map(os.walk, beside)):
        for name in names:
            path = os.path.join(place, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            found.append((path, status.st_size, status.st_mtime_ns))
    return tuple(sorted(found))


def _advice(folder: Path) -> str:
    """Returns what to do where a folder holds no versions: a model_dir may have several kinds of them."""
    below = exports_of(folder)
    if below:
        return f"Name {' or '.join(str(path) for path in below)}."
    return "Make one: easymtl export --pipeline_config ..."
