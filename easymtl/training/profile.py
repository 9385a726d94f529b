"""`is_profiling`: a TensorFlow profile of a few steps, for TensorBoard."""

from pathlib import Path
from types import TracebackType

import tensorflow as tf

_FIRST, _LAST = 20, 30


class Profile:
    """Records the steps 20 to 30 of a run into `model_dir/profile`; leaving it ends a recording that still runs."""

    def __init__(self, model_dir: str, first_step: int, is_wanted: bool):
        self._path = str(Path(model_dir) / "profile")
        self._first_step = first_step
        self._is_wanted = is_wanted
        self._is_recording = False

    def __enter__(self) -> "Profile":
        """Returns itself; nothing is recorded yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the recording."""
        self._stop()

    def after(self, step: int) -> None:
        """Starts or stops the recording, if this step is one that does."""
        if self._is_wanted and step - self._first_step == _FIRST:
            tf.profiler.experimental.start(self._path)
            self._is_recording = True
        elif step - self._first_step == _LAST:
            self._stop()

    def _stop(self) -> None:
        if self._is_recording:
            self._is_recording = False
            tf.profiler.experimental.stop()
