"""`easymtl synth`: data sets with known truth."""

from argparse import Namespace

from easymtl.synth import write


def run(options: Namespace) -> None:
    """Writes the training and evaluation files of a synthetic data set.

    Raises:
      UserError: there is no such data set or format, or the number of rows is not allowed.
    """
    paths = write(
        options.name,
        options.rows,
        seed=options.seed,
        out=options.out,
        format=options.format,
        eval_rows=options.eval_rows,
        header=options.header,
    )
    for part, path in paths.items():
        print(f"{part}: {path} ({path.stat().st_size / 2**20:,.1f} MiB)")
