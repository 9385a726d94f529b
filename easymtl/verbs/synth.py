"""`easymtl synth`: data sets with known truth."""

from argparse import Namespace

import pyarrow.parquet as pq

from easymtl.synth import best_reachable, write


def run(options: Namespace) -> None:
    """Writes the training and evaluation files of a synthetic data set, and says how good a model of it can be.

    Raises:
        UserError: there is no such data set, format or form of histories, or the number of rows is not allowed.
    """
    paths = write(
        options.name,
        options.rows,
        seed=options.seed,
        out=options.out,
        format=options.format,
        eval_rows=options.eval_rows,
        header=options.header,
        histories=options.histories,
    )
    for part, path in paths.items():
        print(f"{part}: {path} ({path.stat().st_size / 2**20:,.1f} MiB)")
    if paths["eval"].suffix == ".parquet":
        print("Best reachable on the evaluation rows, from the truth behind the labels:")
        for name, value in best_reachable(pq.read_table(paths["eval"])).items():
            print(f"  {name:<40} {value:.4f}")
