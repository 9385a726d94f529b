"""`is_profiling`: a TensorFlow profile of a few steps, for TensorBoard."""

from pathlib import Path

import tensorflow as tf

_FIRST, _LAST = 20, 30


class Profile:
    """Records the steps 20 to 30 of a run into `model_dir/profile`."""

    def __init__(self, model_dir: str, first_step: int):
        self._path = str(Path(model_dir) / "profile")
        self._first_step = first_step

    def after(self, step: int) -> None:
        """Starts or stops the recording, if this step is one that does."""
        if step - self._first_step == _FIRST:
            tf.profiler.experimental.start(self._path)
        elif step - self._first_step == _LAST:
            tf.profiler.experimental.stop()
