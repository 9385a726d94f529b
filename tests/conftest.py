import pytest
from hypothesis import settings

pytest_plugins = ["tests.processes"]

# The same examples in every run: what a run of the tests finds must not depend on luck.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture
def score_here(monkeypatch):
    """Scores a SavedModel in this process where its being another one does not matter: it saves seconds."""
    import tensorflow as tf

    from easymtl.features.columns import text_tensor
    from easymtl.serving import parity

    def score(folder, columns):
        serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
        tensors = {
            keyword: text_tensor(columns[spec.name])
            if spec.dtype == tf.string
            else tf.constant(columns[spec.name].to_pylist(), spec.dtype)
            for keyword, spec in serve.structured_input_signature[1].items()
        }
        return {name: value.numpy() for name, value in serve(**tensors).items()}

    monkeypatch.setattr(parity, "score_apart", score)
    return score
