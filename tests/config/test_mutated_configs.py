"""A config that is damaged anyhow is read or refused: never a crash, never a hang. 5,000 of them, from fixed seeds."""

import random
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from easymtl.config import load_config
from easymtl.errors import UserError

ROOT = Path(__file__).parents[2]
SAMPLES = [
    # Those on census are the longest, and have one data part.
    *(path for path in ROOT.glob("samples/configs/*.config") if "_on_census" not in path.stem),
    ROOT / "samples/configs/mmoe_on_census.config",
]
CONFIGS = sorted([*SAMPLES, *ROOT.glob("tests/data/easyrec_golden/**/pipeline.config")])
TEXTS = [path.read_bytes() for path in CONFIGS]
CHUNKS, CONFIGS_A_CHUNK = 20, 250
SECONDS_TO_A_HANG = 20
MOST_MUTATIONS = 6

_TOKEN = re.compile(rb"""#[^\n]*|"[^"\n]*"|'[^'\n]*'|[\w.+-]+|\s+|.""", re.DOTALL)
_ODD_TOKENS = (
    *(b"{", b"}", b"[", b"]", b"<", b">", b":", b",", b";", b'"', b"'", b"#", b"\\", b"-", b"=", b"$", b"\n", b"\0"),
    *(b"0", b"-1", b"1e999", b"nan", b"-inf", b"0x7fffffffffffffff", b"99999999999999999999", b"07", b"1.5f", b"true"),
    *(b'""', b'"\\377"', b'"\\u0000"', b'"f[1-999999999]"', b'"(((((a*)*)*)*"', b"'\xff\xfe'", "“".encode(), b"\xff"),
    *(b"[" * 300, b"feature_groups {" * 120, b"feature_configs { sequence_features" * 60, b"a" * 5000),
)


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    """Ends what hangs."""

    def stop(*_: object) -> None:
        raise AssertionError(f"no answer after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def mutated(source: random.Random) -> bytes:
    """Returns one of the configs after a few mutations of its bytes and tokens."""
    text = source.choice(TEXTS)
    for _ in range(source.randint(1, MOST_MUTATIONS)):
        text = source.choice((_change_bytes, _change_tokens, _change_tokens))(source, text)
    return text


def _change_bytes(source: random.Random, text: bytes) -> bytes:
    start = source.randint(0, len(text))
    end = min(len(text), start + source.choice((0, 1, 1, 2, 8, 200)))
    piece = source.choice((b"", bytes([source.randrange(256)]), text[start:end] * 2, text[start:end][::-1]))
    if source.random() < 0.05:
        return text[:start]
    return text[:start] + piece + text[end:]


def _change_tokens(source: random.Random, text: bytes) -> bytes:
    tokens = _TOKEN.findall(text)
    if not tokens:
        return source.choice(_ODD_TOKENS)
    place, other = source.randrange(len(tokens)), source.randrange(len(tokens))
    change = source.randrange(5)
    if change == 0:
        del tokens[place]
    elif change == 1:
        tokens[place], tokens[other] = tokens[other], tokens[place]
    elif change == 2:
        tokens[place] = source.choice(_ODD_TOKENS)
    elif change == 3:
        tokens.insert(place, source.choice(_ODD_TOKENS))
    else:
        stranger = _TOKEN.findall(source.choice(TEXTS))
        start = source.randrange(len(stranger))
        tokens[place:place] = stranger[start : start + source.randint(1, 40)]
    return b"".join(tokens)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_mutated_config_is_read_or_refused(chunk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = random.Random(chunk)
    path = Path("x.config")
    num_refused = 0
    for number in range(CONFIGS_A_CHUNK):
        content = mutated(source)
        path.write_bytes(content)
        overrides = [content[:60].decode("latin-1")] if number % 20 == 0 else []
        try:
            with no_longer_than(SECONDS_TO_A_HANG):
                load_config("x.config", overrides).text()
        except UserError as error:
            num_refused += 1
            assert str(error).strip()
        except BaseException:
            print(f"chunk {chunk}, config {number}:\n{content!r}")
            raise
    assert CONFIGS_A_CHUNK // 3 < num_refused < CONFIGS_A_CHUNK
    assert list(Path().iterdir()) == [path]


def test_there_are_five_thousand_of_them_and_all_configs_are_whole():
    assert CHUNKS * CONFIGS_A_CHUNK == 5_000
    assert len(CONFIGS) >= 15
    assert all(load_config(str(path)).pipeline.IsInitialized() for path in ROOT.glob("samples/configs/*.config"))
