"""Starting TensorFlow quietly: its start-up lines are for its developers, not for who trains a ranker."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from easymtl.errors import UserError


def start_tensorflow(inter_op_threads: int = 0, intra_op_threads: int = 0) -> None:
    """Imports TensorFlow and sets it up; call this before anything that imports it.

    Its log lines are dropped unless `TF_CPP_MIN_LOG_LEVEL` is set. 0 threads leaves the choice to TensorFlow. A program
    may call it as often as it likes.

    Raises:
        UserError: TensorFlow runs already in this process, with other numbers of threads.
    """
    is_quiet = "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # A program that has imported it has seen its lines.
    with _quiet_stderr(is_quiet and "tensorflow" not in sys.modules):
        import tensorflow as tf

        _set_threads("inter_op_parallelism_threads", inter_op_threads)
        _set_threads("intra_op_parallelism_threads", intra_op_threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            # It has to be said before a GPU is used; then it is as the program has chosen.
            with suppress(RuntimeError):
                tf.config.experimental.set_memory_growth(gpu, True)
        tf.constant(0)
    if is_quiet:
        tf.get_logger().setLevel("ERROR")


def _set_threads(name: str, number: int) -> None:
    """Sets a number of threads; TensorFlow refuses any, 0 too, once it has run something."""
    import tensorflow as tf

    threading = tf.config.threading
    if not number or getattr(threading, f"get_{name}")() == number:
        return
    try:
        getattr(threading, f"set_{name}")(number)
    except RuntimeError:
        raise UserError(
            f"train_config.{name} is {number}, and TensorFlow runs in this process already, with "
            f"{getattr(threading, f'get_{name}')()} (0 is its own choice). Leave it out, or begin in a new process."
        ) from None


@contextmanager
def _quiet_stderr(is_quiet: bool) -> Iterator[None]:
    """Holds back what is written to file descriptor 2; it is shown after all if the block fails."""
    if not is_quiet:
        yield
        return
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(before, held.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
