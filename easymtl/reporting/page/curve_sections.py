"""Parts of a report that draw scores against labels: ROC, precision, calibration, distributions, residuals."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from easymtl.reporting.formats import number_text
from easymtl.reporting.page.charts import NUM_COLOURS, Series, chart
from easymtl.reporting.page.elements import Child, Element, section, table, tag
from easymtl.reporting.page.scales import span
from easymtl.reporting.runs import Run
from easymtl.scoring import curves
from easymtl.scoring.scored_rows import Scored

_DIAGONAL = ((0.0, 0.0), (1.0, 1.0))


def score_curves(runs: Sequence[Run]) -> Element | None:
    """Returns the curves of each task, all runs in one chart."""
    scored: dict[str, list[tuple[int, Scored]]] = {}
    for place, run in enumerate(runs):
        for one in run.rows.scored if run.rows is not None else ():
            scored.setdefault(one.measure.name, []).append((place, one))
    parts: list[Child] = []
    for name, ones in scored.items():
        figures = _figures(ones, runs)
        if figures:
            parts += [tag("h3", name), figures]
    if not parts:
        return None
    note = (
        "Calibration and predicted against actual have a mark for each tenth of the rows, sorted by score. Bars: 95 % "
        "Wilson intervals of rates, and the middle 80 % of the labels of values."
    )
    return section("Scores and labels", parts, note=note, id_="curves")


def _figures(ones: Sequence[tuple[int, Scored]], runs: Sequence[Run]) -> Child:
    kind = ones[0][1].task.predicted
    found = [(place, runs[place].name if len(runs) > 1 else "", *_usable(one)) for place, one in ones]
    found = [one for one in found if len(one[2])]
    if not found:
        return None
    if kind == "classes":
        if len(runs) > 1:
            return tag("p", "Curves of several classes are drawn in the report of one run.", class_="note")
        return _of_classes(found[0][2], found[0][3], ones[0][1].task.label_column.texts)
    return _of_event(found) if kind == "binary" else _of_value(found)


Labelled = tuple[int, str, np.ndarray, np.ndarray, np.ndarray | None]
"""Place and name of a run, labels and scores of the rows that have both, and how many rows each stands for."""


def _usable(one: Scored) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    scores = one.predictions[:, 1] if one.predictions.ndim == 2 and one.task.predicted == "binary" else one.predictions
    rows = ~np.isnan(one.labels)
    rows &= np.isfinite(scores) if scores.ndim == 1 else np.isfinite(scores).all(axis=1)
    stands_for = None if one.stands_for is None else one.stands_for[rows]
    return one.labels[rows].astype(np.float64), scores[rows].astype(np.float64), stands_for


def _label(run: str, text: str, number: float) -> str:
    """Returns an entry of a legend: of several runs the title says what the number is."""
    return f"{run}: {number_text(number)}" if run else f"{text} {number_text(number)}"


def _of_event(found: Sequence[Labelled]) -> Element:
    roc, recall, reliable, shares = [], [], [], []
    base = float(np.average(found[0][2] > 0, weights=found[0][4]))
    for place, run, labels, scores, stands_for in found:
        positive = labels > 0
        curve, precise = (draw(positive, scores, stands_for) for draw in (curves.roc, curves.precision_recall))
        if curve:
            roc.append(Series(_label(run, "area", curve.area), [*curve.x], [*curve.y], place, "line"))
        if precise:
            text = _label(run, "average precision", precise.area)
            recall.append(Series(text, [*precise.x], [*precise.y], place, "line"))
        bins = curves.reliability(positive, scores, stands_for=stands_for)
        text = _label(run, "mean distance", curves.expected_calibration_error(bins))
        reliable.append(Series(text, [*bins.score], [*bins.label], place, "points", [*bins.low], [*bins.high]))
        shares += _distributions(place if len(found) > 1 else 0, run, positive, scores)
    of = (" and area", " and its average", " and distance") if found[0][1] else ("", " and recall", "")
    top = max(n for one in reliable for part in (one.x, one.y, one.high) for n in part) * 1.04
    figures = [
        chart(f"ROC{of[0]}", roc, "false positive rate", "true positive rate", (0, 1), (0, 1), _DIAGONAL),
        chart(f"Precision{of[1]}", recall, "recall", "precision", (0, 1), (0, 1), ((0, base), (1, base))),
        chart(
            f"Calibration{of[2]}", reliable, "mean score", "share of events", (0, top), (0, top), ((0, 0), (top, top))
        ),
        chart("Scores", shares, "score", "share of the rows of a label"),
    ]
    return tag("div", figures, class_="grid-of")


def _of_classes(
    labels: np.ndarray, scores: np.ndarray, texts: Mapping[str | None, float] = MappingProxyType({})
) -> Element:
    """Returns curves of each class against the rest.

    Args:
        labels: `[n]`.
        scores: probabilities `[n, num_class]`.
        texts: what labels hold in place of the numbers of classes, by `label_values`.
    """
    classes = np.round(labels).astype(np.int64)
    counts = np.bincount(classes.clip(0), minlength=scores.shape[1])[: scores.shape[1]]
    shown = sorted(np.argsort(-counts, kind="stable")[:NUM_COLOURS])
    roc, recall = [], []
    for place, number in enumerate(shown):
        name = ", ".join(text for text, one in texts.items() if text is not None and one == number) or str(number)
        curve = curves.roc(classes == number, scores[:, number])
        precise = curves.precision_recall(classes == number, scores[:, number])
        if curve:
            roc.append(Series(f"{name}: {number_text(curve.area)}", [*curve.x], [*curve.y], place, "line"))
        if precise:
            text = f"{name}: {number_text(precise.area)}"
            recall.append(Series(text, [*precise.x], [*precise.y], place, "line"))
    figures = [
        chart("ROC by class, and area", roc, "false positive rate", "true positive rate", (0, 1), (0, 1), _DIAGONAL),
        chart("Precision by class, and its average", recall, "recall", "precision", (0, 1), (0, 1)),
    ]
    rest = scores.shape[1] - len(shown)
    text = "Each class is held against all others."
    text += f" The {len(shown)} most frequent ones are shown, {rest} are not." if rest else ""
    note = tag("p", text, class_="note")
    return tag("div", tag("div", figures, class_="grid-of"), note)


def _distributions(place: int, run: str, positive: np.ndarray, scores: np.ndarray) -> list[Series]:
    found = curves.distribution(positive, scores)
    edges = [*found.edges]
    result = []
    for text, shares, colour, style in (
        ("label 0", found.negative, place, "steps" if not run else "dashed"),
        ("label 1", found.positive, place if run else place + 1, "steps" if not run else "line"),
    ):
        # The last edge ends the last bar.
        result.append(
            Series(f"{run}, {text}" if run else text, edges, [*shares, shares[-1] if run else 0.0], colour, style)
        )
    return result


def _of_value(found: Sequence[Labelled]) -> Element:
    actual, residual, rows = [], [], []
    for place, run, labels, scores, _ in found:
        bins = curves.predicted_and_actual(labels, scores)
        actual.append(Series(run, [*bins.score], [*bins.label], place, "points", [*bins.low], [*bins.high]))
        quantiles = curves.residual_quantiles(labels, scores)
        residual.append(Series(run, [100 * q for q in curves.QUANTILES], [*quantiles], place, "points"))
        rows.append([run or "prediction - label", *map(number_text, quantiles)])
    ends = span(n for one in actual for n in one.x)
    heights = span([n for one in actual for part in (one.y, one.low, one.high) for n in part] + [*ends], 0.06)
    figures = [
        chart("Predicted and actual", actual, "mean prediction", "label", ends, heights, [(end, end) for end in ends]),
        chart("Residuals", residual, "quantile in %", "prediction - label", reference=((1, 0), (99, 0))),
    ]
    shown = table(["residual", *(f"{100 * q:g} %" for q in curves.QUANTILES)], rows)
    return tag("div", tag("div", figures, class_="grid-of"), shown)
