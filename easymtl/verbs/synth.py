"""`easymtl synth`: data sets with known truth."""

import sys
from argparse import Namespace
from pathlib import Path

import pyarrow.parquet as pq

from easymtl.reporting.bars import bar
from easymtl.reporting.outcomes_around import Made
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.synth import best_reachable, total_rows, write


def run(options: Namespace) -> None:
    """Writes the training and evaluation files of a synthetic data set, and says how good a model of it can be.

    Raises:
        UserError: there is no such data set, format or form of histories, or the number of rows is not allowed.
    """
    with bar(None, "Making", total_rows(options.rows, options.eval_rows)) as advance:
        paths = write(
            options.name,
            options.rows,
            seed=options.seed,
            out=options.out,
            format=options.format,
            eval_rows=options.eval_rows,
            header=options.header,
            histories=options.histories,
            tell=advance,
        )
    begin("computing", "the best reachable quality")
    has_truth = paths["eval"].suffix == ".parquet"
    reachable = best_reachable(pq.read_table(paths["eval"])) if has_truth else {}
    current().result(Made(paths, reachable), lambda: _print(paths, reachable, has_truth))


def _print(paths: dict[str, Path], reachable: dict[str, float], has_truth: bool) -> None:
    for part, path in paths.items():
        say(f"{part}: {path} ({path.stat().st_size / 2**20:,.1f} MiB)", sys.stdout)
    if has_truth:
        say("Best reachable on the evaluation rows, from the truth behind the labels:", sys.stdout)
        for name, value in reachable.items():
            print(f"  {name:<40} {value:.4f}")
