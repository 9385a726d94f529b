"""Prints quantile boundaries of number columns of a Parquet file, as a `boundaries: [...]` line of a config.

    python samples/census/boundaries.py samples/data/census/train.parquet age weeks_worked --buckets 20

Every printed boundary is a value of the column, so that a value that is very frequent (0, often) gets a bucket of
its own. `--nonzero` takes the quantiles of the values other than 0, for columns that are mostly 0.
"""

import argparse

import numpy as np
import pyarrow.parquet as pq


def boundaries(values: np.ndarray, buckets: int, nonzero: bool = False) -> list[float]:
    """Returns ascending distinct boundaries that cut the values into at most `buckets` buckets.

    Bucket i holds the values in [boundary i-1, boundary i).

    Args:
        values: numbers `[rows]`; NaN is left out.
        buckets: number of buckets to aim at; fewer when values repeat.
        nonzero: cut by the quantiles of the values other than 0, and keep 0 in the bucket below them.
    """
    values = values[~np.isnan(values)]
    if nonzero:
        values = values[values != 0]
    if not len(values):
        return []
    quantiles = np.quantile(values, np.arange(1, buckets) / buckets, method="higher")
    cuts = np.append(values.min(), quantiles) if nonzero else quantiles[quantiles > values.min()]
    return np.unique(cuts).tolist()


def main() -> None:
    """Reads the command line and prints a line per column."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parquet")
    parser.add_argument("columns", nargs="+")
    parser.add_argument("--buckets", type=int, default=20)
    parser.add_argument("--nonzero", action="store_true")
    arguments = parser.parse_args()
    table = pq.read_table(arguments.parquet, columns=arguments.columns)
    for column in arguments.columns:
        values = table[column].to_numpy().astype(np.float64)
        cuts = boundaries(values, arguments.buckets, arguments.nonzero)
        print(f"# {column}\nboundaries: [{', '.join(f'{cut:g}' for cut in cuts)}]")


if __name__ == "__main__":
    main()
