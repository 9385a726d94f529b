from benchmarks import architectures
from easymtl.models import MODELS


def test_every_architecture_is_measured():
    # What model_params costs is what its block graph does.
    assert set(architectures.models()) == set(MODELS) - {"model_params"}


def test_a_network_steps_and_tells_its_size(capsys):
    network = architectures.Network(architectures.models()["shared_bottom"], 8)
    assert network.seconds() > 0
    # Bottom and towers with batch norm, whose biases are not trained, and an output layer each.
    bottom = 288 * 256 + 2 * 256 + 256 * 128 + 2 * 128
    assert network.num_parameters == bottom + 5 * (128 * 64 + 2 * 64 + 64 + 1)
