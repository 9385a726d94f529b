"""Text of configs and of expressions: read or refused, and what was read is written and read again."""

from collections.abc import Iterator
from pathlib import Path

from easymtl.config.config import parse_config
from easymtl.config.expressions import evaluate, names_in, parse_expression, parse_lambda, parse_slice
from easymtl.config.expressions.faults import ExpressionFault
from easymtl.config.expressions.vocabulary import BLOCKS, COMPARISONS, SCORES
from easymtl.convert.conversion import convert
from easymtl.errors import UserError
from tests.fuzz.judging import Try
from tests.fuzz.small_config import with_backbone, with_mmoe

NAMES = ("ctr", "cvr", "x")
_SEPARATOR = "\0"


def try_config(folder: Path) -> Try:
    """The text of a config; behind NUL characters, values of `--set`."""

    def attempt(data: bytes) -> None:
        text, *overrides = data.decode("utf-8", "replace").split(_SEPARATOR)
        config = parse_config(text, "x.config", overrides)
        assert parse_config(config.text(), "x.config").pipeline == config.pipeline

    return attempt


def seeds_of_config() -> Iterator[bytes]:
    """Yields a small config, with overrides, with a graph and with formulas."""
    small = with_mmoe()
    yield small.encode()
    yield with_backbone('blocks { name: "a" inputs { feature_group_name: "all" } }').encode()
    yield small.encode() + b"\0train_config.num_steps=3\0data_config.batch_size=9"
    final = 'export_config { final_score { name: "rank" expression: "ctr^1.5 * max(cvr, 0.1)" } }'
    yield (small + final).encode()


def try_convert(folder: Path) -> Try:
    """The text of a config of TorchEasyRec."""

    def attempt(data: bytes) -> None:
        convert(data.decode("utf-8", "replace"), "x.config").check("y.config")

    return attempt


def seeds_of_convert() -> Iterator[bytes]:
    """Yields the parts of the sample."""
    path = Path(__file__).parents[2] / "samples/torcheasyrec/dbmtl_on_tenrec.config"
    yield path.read_bytes()


def try_expression(folder: Path) -> Try:
    """An expression: its first byte says of which kind; formulas of numbers are computed, too."""

    def attempt(data: bytes) -> None:
        kind, text = data[:1][0] % 5 if data else 0, data[1:].decode("utf-8", "replace")
        try:
            if kind == 0:
                parse_lambda(text)
            elif kind == 1:
                parse_lambda(text, 2)
            elif kind == 2:
                parse_slice(text, ("i",))
            else:
                _compute(text, kind == 3)
        except ExpressionFault as fault:
            raise UserError(str(fault)) from None

    return attempt


def _compute(text: str, is_score: bool) -> None:
    tree = parse_expression(text, SCORES if is_score else COMPARISONS, NAMES)
    assert set(names_in(tree)) <= set(NAMES)
    operations = dict.fromkeys({**BLOCKS.functions, **COMPARISONS.functions, **SCORES.functions}, _first)
    operations |= dict.fromkeys((*COMPARISONS.operators, *SCORES.operators, "**", "-x"), _first)
    evaluate(tree, dict.fromkeys(NAMES, 1.0), operations)


def _first(*values: object, **named: object) -> object:
    """Stands for every operation: what is looked at is that each one is found, with values."""
    return [*values, *named.values()][0]


def seeds_of_expression() -> Iterator[bytes]:
    """Yields one of each kind."""
    yield b"\0lambda x: tf.concat([x[0][:, 1:3], x[1] ** 2], axis=1)"
    yield b"\1lambda x, i: [x[0][i], (x[1], -x[2])]"
    yield b"\2[1][..., i:, ::2]"
    yield b"\3ctr^1.2 * cvr * log1p(x) + max(ctr, 0.5, 2e3)"
    yield b"\4(ctr >= 18) & (cvr < x + 5) | tf.clip_by_value(x, 0, 1) == 1"
