"""Deltas on a server: each is joined with its base in a temporary folder of this process, and loaded from there."""

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from easymtl.serving.delta_folders import Delta, is_delta
from easymtl.serving.delta_joining import chain_of, join


class JoinedVersions:
    """The versions that were joined: the one that is served, and one that is being made.

    It is called in a thread beside that of the event loop.
    """

    def __init__(self, tell: Callable[[str], None]):
        """Makes no folder before it is needed.

        Args:
            tell: is told what was joined with what.
        """
        self._tell = tell
        self._folder: tempfile.TemporaryDirectory | None = None
        self._is_busy = threading.Lock()

    def folder_of(self, version: Path) -> Path:
        """Returns the folder of a SavedModel: that of a version, or what a delta becomes.

        A base is looked for beside the delta, and among what was joined before: it may be gone from the folder.

        Raises:
            UserError: the base is not there or another one, or a file is damaged.
        """
        if not is_delta(version):
            return version
        with self._is_busy:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="easymtl-serve-", ignore_cleanup_errors=True)
            place = Path(self._folder.name)
            target = place / str(Delta(version).version)
            chain = chain_of(version, [place])
            shutil.rmtree(target, ignore_errors=True)
            join(chain, target)
            self._tell(f"{version}: joined with {chain.whole}.")
            return target

    def forget(self, keep: int | None) -> None:
        """Removes what was joined, but for one version."""
        if self._folder is not None:
            for path in Path(self._folder.name).iterdir():
                if path.name != str(keep):
                    shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Removes the folder; what is being joined meanwhile is removed when the process ends."""
        if self._folder is not None and self._is_busy.acquire(blocking=False):
            self._folder.cleanup()
            self._folder = None
            self._is_busy.release()
