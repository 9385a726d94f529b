"""What `import easymtl` offers, and that it costs nothing until it is used."""

import subprocess
import sys

import pytest

import easymtl


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_it_imports_nothing_heavy():
    heavy = {"tensorflow", "pandas", "pyarrow", "numpy", "sklearn", "rich", "google.protobuf", "polars", "matplotlib"}
    assert run(f"import sys, easymtl; print(*sorted(set(sys.modules) & {heavy!r}))").split() == []


def test_configs_and_their_errors_need_no_tensorflow():
    program = (
        "import sys, easymtl\n"
        "config = easymtl.load('samples/configs/dbmtl_on_livestream.config', {'train_config.num_steps': 7})\n"
        "assert config.pipeline.train_config.num_steps == 7\n"
        "try: easymtl.train(config, train='nowhere/*.csv')\n"
        "except easymtl.UserError as error: assert 'nowhere' in str(error)\n"
        "else: raise AssertionError\n"
        "print('tensorflow' in sys.modules)"
    )
    assert run(program).strip() == "False"


def test_every_name_is_there_and_no_other():
    assert sorted(easymtl.__all__) == easymtl.__all__ and set(easymtl.__all__) <= set(dir(easymtl))
    for name in easymtl.__all__:
        assert getattr(easymtl, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = easymtl.trian


@pytest.mark.slow
def test_what_trains_scores_and_exports_imports_no_statistics_and_no_pandas_before_it_needs_them():
    program = (
        "import sys\n"
        "import easymtl.training.trainer, easymtl.api.open_model, easymtl.serving.export\n"
        "print(*sorted(set(sys.modules) & {'sklearn', 'scipy.stats', 'scipy.special', 'pandas'}))"
    )
    # Keras imports a part of SciPy.
    assert run("from easymtl.api.tensorflow_start import start_tensorflow\nstart_tensorflow()\n" + program) == "\n"


@pytest.mark.slow
def test_tensorflow_starts_without_keras_and_without_looking_for_garbage_or_for_work():
    program = (
        "import gc, os, sys\n"
        "os.environ.pop('TF_USE_LEGACY_KERAS', None)\n"
        "os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\n"
        # Then nothing is to be among what is compared below, not even what TensorFlow says before it looks.
        "os.dup2(1, 2)\n"
        "from easymtl.api.tensorflow_start import start_tensorflow\n"
        "start_tensorflow()\n"
        "start_tensorflow()\n"
        "later = [[]]\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 100_000\n"
        "watched = gc.get_objects()\n"
        "assert any(one is later for one in watched) and len(watched) < gc.get_freeze_count() / 4\n"
        "assert 'keras' not in sys.modules and 'TF_USE_LEGACY_KERAS' not in os.environ\n"
        "import tensorflow as tf\n"
        "from tensorflow.python.eager import context\n"
        "assert context.context().config.experimental.disable_thread_spinning\n"
        "from tensorflow.keras import layers\n"
        "print(tf.keras.layers.Dense.__module__, layers.Dense is tf.keras.layers.Dense)"
    )
    assert run(program).split() == ["keras.src.layers.core.dense", "True"]
