"""Starting TensorFlow quietly: its start-up lines are for its developers, not for who trains a ranker."""

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from easymtl.peers.cluster import ALONE, Cluster, join
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin

KERAS_CHOICE = "TF_USE_LEGACY_KERAS"
"""The variable of the environment that says which Keras `tf.keras` is: "1" for that of the package `tf_keras`."""


def start_tensorflow(
    inter_op_threads: int = 0,
    intra_op_threads: int = 0,
    cluster: Cluster = ALONE,
    gather: Callable[[], None] = lambda: None,
    are_threads_awake: bool = False,
) -> None:
    """Imports TensorFlow and sets it up; call this before anything that imports it.

    Its log lines are dropped unless `TF_CPP_MIN_LOG_LEVEL` asks for them (0 or 1). 0 threads leaves the choice to
    TensorFlow. The devices of several workers are connected, as soon as `gather` returns, which waits for all of them.
    Threads that have nothing to do sleep at once, unless they are to stay awake for a while.
    """
    begin("starting TensorFlow")
    # TensorFlow itself prints some before it looks at the level.
    is_quiet = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2") not in ("0", "1")
    # What TensorFlow says of lost workers goes on for pages, and we say it in a line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if cluster.size == 1 else "3")
    with current().phases.held(), _quiet_stderr(is_quiet):
        with _keras_later(), _kept_for_good():
            import tensorflow as tf

        if not are_threads_awake:
            _let_threads_sleep()
        # TensorFlow refuses any number, 0 too, once it has run something.
        if inter_op_threads:
            tf.config.threading.set_inter_op_parallelism_threads(inter_op_threads)
        if intra_op_threads:
            tf.config.threading.set_intra_op_parallelism_threads(intra_op_threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        if cluster.size > 1 and is_quiet:
            tf.get_logger().setLevel("ERROR")
        gather()
        join(cluster)
        tf.constant(0)
    if is_quiet:
        tf.get_logger().setLevel("ERROR")
    begin("loading", "what builds and reads models")


def _let_threads_sleep() -> None:
    """Has threads without work sleep at once, where TensorFlow has them look for some in a loop for a while.

    Between the small operations of a step that loop takes a fifth of the processor time, from whoever needs it: other
    threads of the step, the feed, other processes. No result changes. There is no public way to set it; once TensorFlow
    has run something it is too late, and nothing happens.
    """
    import tensorflow as tf
    from tensorflow.python.eager import context

    found = context.context()
    if getattr(found, "_initialized", True) or getattr(found, "_config", found) is not None:
        return
    found._config = tf.compat.v1.ConfigProto(experimental={"disable_thread_spinning": True})


@contextmanager
def _keras_later() -> Iterator[None]:
    """Leaves it to the first use of `tf.keras` to import Keras, which is two fifths of what importing TensorFlow costs.

    TensorFlow imports the Keras that it is told to use, and goes on without if that is not installed. What `tf.keras`
    stands for is decided when it is first used: it is the default as ever, because the setting is gone by then.
    """
    if KERAS_CHOICE in os.environ or find_spec("tf_keras"):
        yield
        return
    os.environ[KERAS_CHOICE] = "1"
    try:
        yield
    finally:
        del os.environ[KERAS_CHOICE]


@contextmanager
def _kept_for_good() -> Iterator[None]:
    """Imports without looking for garbage, and leaves what was imported out of every later search for it.

    Hundreds of thousands of objects stay: to look through them again and again took a quarter of the time of importing
    TensorFlow, and of importing and tracing what uses it.
    """
    if "tensorflow" in sys.modules or not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


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
