"""Which parts of the inputs moved the scores of a row: what the scores would be on average with those of other rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from easymtl.data.rows import Rows
from easymtl.features.encoder import KEEP_PREFIX
from easymtl.features.feature_set import FeatureSet
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.first_rows import first_rows
from easymtl.scoring.judging import BATCH_SIZE
from easymtl.scoring.parts import exchanged, parts_of
from easymtl.scoring.scorer import RankerScorer, kept_columns

_LONGEST_VALUE = 40
_BESIDE_SCORES = ("logits_", "pos_logits_")


@dataclass(frozen=True)
class RowEffect:
    """What a part of the inputs did to a score of a row.

    Attributes:
        row: its place in the data; the first is 0.
        score: the output, such as `probs_ctr`; of several classes the one that is likeliest for the row,
            `probs_kind[2]`.
        value: of the score.
        part: the feature, input field or group.
        found: what the row has in the fields that the part reads.
        effect: the score less its mean over draws in which the part is that of another row; above 0 where the part
            raises the score.
        error: standard error of that mean; 0 where all other rows were drawn, NaN where one of several was.
    """

    row: int
    score: str
    value: float
    part: str
    found: str
    effect: float
    error: float


def read_unlabelled(pipeline: Pipeline, scorer: RankerScorer, paths: str, fields: Sequence[str], limit: int) -> Rows:
    """Returns the first `limit` encoded rows of `paths`, without labels, and some fields of them as they are.

    Raises:
        UserError: the data cannot be read, or there are fewer than 2 rows.
    """
    return first_rows(pipeline, scorer.encoder(fields, with_numbers=False), paths, limit)


def row_effects(
    features: FeatureSet,
    scorer: RankerScorer,
    rows: Rows,
    num_rows: int,
    way: str,
    draws: int,
    seed: int,
    tell: Callable[[str], None] = lambda part: None,
) -> list[RowEffect]:
    """Returns what each part did to the scores of the first rows, one part at a time.

    The effect of part j on score f of row i is f(x_i) - 1/K sum_k f(x_i with part j of row r_ik), where the K rows r_ik
    are drawn without replacement from all rows but i: the difference to the interventional mean (Janzing et al. 2020),
    which is exact where K is the number of other rows. All parts of a row meet the same K rows.

    Args:
        features: of the model.
        scorer: of its weights.
        rows: encoded; values are drawn from all of them.
        num_rows: how many of them are explained, from the first on.
        way: one of `names.IMPORTANCE_WAYS`.
        draws: K; of fewer other rows all are taken.
        seed: of the draws; those of a row do not depend on which others are explained.
        tell: is told each part before it is scored.

    Returns:
        Row by row and score by score, the largest effect first.
    """
    num_rows = min(num_rows, len(rows))
    others = _drawn(len(rows), num_rows, draws, seed)
    first = rows.slice(0, num_rows)
    # Texts are for people.
    rows = Rows({name: one for name, one in rows.columns.items() if not name.startswith(KEEP_PREFIX)})
    scores = _Scores.of(scorer, rows.slice(0, num_rows))
    found: list[RowEffect] = []
    for part, members in parts_of(features, way).items():
        tell(part)
        texts = _texts(first, {name for one in members for name in features.transforms[one].inputs})
        means, errors = _of_others(features, scorer, rows, members, others, scores)
        for row in range(num_rows):
            for place, name in enumerate(scores.names[row]):
                value = scores.values[row, place]
                numbers = (value - means[row, place], errors[row, place])
                found.append(RowEffect(row, name, float(value), part, texts[row], *map(float, numbers)))
    order = {(row, name): place for row, names in enumerate(scores.names) for place, name in enumerate(names)}
    return sorted(found, key=lambda one: (one.row, order[one.row, one.score], -abs(one.effect), one.part))


@dataclass(frozen=True)
class _Scores:
    """The scores of the rows that are explained: one number for each output.

    Attributes:
        outputs: their names.
        classes: of each row and output which of several numbers is meant, `[rows, outputs]`.
        names: of each row those of its scores.
        values: `[rows, outputs]` float64.
    """

    outputs: tuple[str, ...]
    classes: np.ndarray
    names: list[list[str]]
    values: np.ndarray

    @classmethod
    def of(cls, scorer: RankerScorer, rows: Rows) -> "_Scores":
        parts = [scorer.score(rows.slice(low, min(BATCH_SIZE, len(rows) - low)))[0] for low in _starts(len(rows))]
        predicted = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        # The number of a class is a name, of which there is no mean.
        wide = {name: one for name, one in predicted.items() if one.ndim > 1}
        outputs = tuple(
            name
            for name, one in predicted.items()
            if not name.startswith(_BESIDE_SCORES) and np.issubdtype(one.dtype, np.floating) and one.ndim <= 2
        )
        zeros = np.zeros(len(rows), np.int64)
        classes = np.stack([wide[name].argmax(axis=1) if name in wide else zeros for name in outputs], axis=1)
        names = [
            [f"{name}[{place}]" if name in wide else name for name, place in zip(outputs, places)] for places in classes
        ]
        return cls(outputs, classes, names, _numbers(predicted, outputs, classes))


def _starts(num_rows: int) -> range:
    return range(0, num_rows, BATCH_SIZE)


def _numbers(predicted: Mapping[str, np.ndarray], outputs: Sequence[str], classes: np.ndarray) -> np.ndarray:
    """Returns the numbers of rows `[rows, outputs]` that are meant."""
    wanted = [
        np.take_along_axis(one.reshape(len(one), -1), classes[:, place : place + 1], axis=1)[:, 0]
        for place, one in enumerate(predicted[name] for name in outputs)
    ]
    return np.stack(wanted, axis=1).astype(np.float64)


def _drawn(num_others: int, num_rows: int, draws: int, seed: int) -> np.ndarray:
    """Returns the rows that the first rows meet, `[rows, K]`, none of them itself."""
    count = min(draws, num_others - 1)
    drawn = [np.random.default_rng([seed, row]).permutation(num_others - 1)[:count] for row in range(num_rows)]
    return np.stack([own + (own >= row) for row, own in enumerate(drawn)])


def _of_others(
    features: FeatureSet,
    scorer: RankerScorer,
    rows: Rows,
    members: Sequence[str],
    others: np.ndarray,
    scores: _Scores,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns means and their standard errors, `[rows, outputs]`, of scores with a part of other rows."""
    num_rows, count = others.shape
    own, drawn = np.repeat(np.arange(num_rows), count), others.reshape(-1)
    parts = []
    for low in _starts(len(own)):
        batch = slice(low, low + BATCH_SIZE)
        mixed = _with_part_of(rows, features, members, own[batch], drawn[batch])
        parts.append(_numbers(scorer.score(mixed)[0], scores.outputs, scores.classes[own[batch]]))
    values = np.concatenate(parts).reshape(num_rows, count, -1)
    if count < 2:
        return values[:, 0], np.full(values.shape[::2], 0.0 if len(rows) == 2 else np.nan)
    # What is drawn without replacement tells more, and all of it everything.
    is_left = 1.0 - count / (len(rows) - 1)
    return values.mean(axis=1), values.std(axis=1, ddof=1) * np.sqrt(is_left / count)


def _with_part_of(rows: Rows, features: FeatureSet, members: Sequence[str], own: np.ndarray, drawn: np.ndarray) -> Rows:
    """Returns the rows `own` `[n]` with some features of the rows `drawn` `[n]`."""
    both = rows.take(np.concatenate([own, drawn]))
    partners = np.arange(len(own), 2 * len(own))
    return exchanged(both, features, members, np.concatenate([partners, partners])).slice(0, len(own))


def _texts(rows: Rows, fields: set[str]) -> list[str]:
    """Returns what each row has in some fields, as a person reads it: `Oslo`, or `city=Oslo age=31` of several."""
    columns = {name: list(_values(one)) for name, one in kept_columns(rows).items() if name in fields}
    if len(columns) == 1:
        return next(iter(columns.values()))
    return [_short(" ".join(f"{name}={values[row]}" for name, values in columns.items())) for row in range(len(rows))]


def _values(column: pa.Array) -> Iterator[str]:
    for value in column.to_pylist():
        shown = f"{value:.6g}" if isinstance(value, float) else value
        yield _short("" if value is None else str(shown))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
