"""What layers that make vectors of numbers need: for features and for blocks, told without TensorFlow."""

from collections.abc import Iterator

from easymtl.config.fault import Fault
from easymtl.config.names import BLOCK_ACTIVATIONS, NARY_BASES, activation_name
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.backbone_pb2 import AutoDisEmbedding, NaryDisEmbedding, PeriodicEmbedding

NumberEmbedding = AutoDisEmbedding | NaryDisEmbedding | PeriodicEmbedding
_LARGEST_BASE = 2**16
_POOLINGS = ("sum", "mean")


def vector_width(config: NumberEmbedding) -> int:
    """Returns the width of the vector of a number, that of a replica where there are several."""
    bases = len(nary_bases(config)) if isinstance(config, NaryDisEmbedding) else 1
    return int(config.embedding_dim) * bases


def num_replicas(config: NumberEmbedding) -> int:
    """Returns how many vectors of that width a number has."""
    return int(config.num_replicas) if isinstance(config, NaryDisEmbedding) else 1


def nary_bases(config: NaryDisEmbedding) -> tuple[int, ...]:
    """Returns the bases in which numbers are written."""
    return tuple(config.carries) or NARY_BASES


def parameter_faults(config: NumberEmbedding) -> Iterator[Fault]:
    """Yields the parameters that cannot be built.

    With a path the text goes on after `has <path>`, for a layer, or `<path> is`, for a field of a feature.
    """
    if isinstance(config, PeriodicEmbedding):
        yield from _of_periodic(config)
    elif isinstance(config, AutoDisEmbedding):
        yield from _of_auto_dis(config)
    else:
        yield from _of_nary_dis(config)


def _of_periodic(config: PeriodicEmbedding) -> Iterator[Fault]:
    if config.embedding_dim < 2 or config.embedding_dim % 2:
        yield Fault("embedding_dim", f"{config.embedding_dim}; sines and cosines need an even one above 0")
    if not config.sigma > 0:
        yield Fault("", "needs sigma above 0, the spread of the frequencies, for example sigma: 0.1")
    name = activation_name(config.linear_activation)
    if name not in BLOCK_ACTIVATIONS:
        text = f'"{config.linear_activation}", which is none of {quoted(BLOCK_ACTIVATIONS)}.'
        yield Fault("linear_activation", text + did_you_mean(name, BLOCK_ACTIVATIONS))
    elif config.HasField("linear_activation") and not config.add_linear_layer:
        text = f'"{config.linear_activation}", but add_linear_layer is false; leave one of them out'
        yield Fault("linear_activation", text)


def _of_auto_dis(config: AutoDisEmbedding) -> Iterator[Fault]:
    for field in ("embedding_dim", "num_bins"):
        if not getattr(config, field):
            yield Fault("", f"needs {field}, for example {field}: 16")
    if not config.temperature > 0:
        yield Fault("", "needs temperature above 0, the softness of its buckets, for example temperature: 0.8")


def _of_nary_dis(config: NaryDisEmbedding) -> Iterator[Fault]:
    if not config.embedding_dim:
        yield Fault("", "needs embedding_dim, for example embedding_dim: 16")
    if any(not 2 <= base <= _LARGEST_BASE for base in config.carries):
        yield Fault("carries", f"{list(config.carries)}; bases of numbers are 2 to {_LARGEST_BASE}")
    if not config.num_replicas:
        yield Fault("num_replicas", "0; it must be 1 or more")
    if not config.multiplier:
        yield Fault("multiplier", "0, which makes all numbers the same")
    pooling = config.intra_ary_pooling
    if pooling not in _POOLINGS:
        yield Fault(
            "intra_ary_pooling", f'"{pooling}", which is none of {quoted(_POOLINGS)}.{did_you_mean(pooling, _POOLINGS)}'
        )
    if config.inter_ary_pooling != "concat":
        yield Fault("inter_ary_pooling", f'"{config.inter_ary_pooling}"; the bases are joined: leave it out')
