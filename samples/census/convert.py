"""Converts the raw Census-Income (KDD) files to the Parquet files that `mmoe_on_census.config` reads.

    python samples/census/convert.py census-income.data census-income.test --out samples/data/census

The raw files come from the UCI Machine Learning Repository (CC BY 4.0, doi 10.24432/C5N30T): 42 columns without a
header, split by ", ". `census-income.data` (199,523 rows) becomes `train.parquet` and `census-income.test` (99,762
rows) becomes `eval.parquet`, rows in their order. Two labels are made: `income_50k` (income above 50,000) and
`never_married`; the columns they come from, income and marital status, are left out.
"""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

COLUMNS = [
    *("age", "class_worker", "det_ind_code", "det_occ_code", "education", "wage_per_hour", "hs_college"),
    *("marital_stat", "major_ind_code", "major_occ_code", "race", "hisp_origin", "sex", "union_member"),
    *("unemp_reason", "full_or_part_emp", "capital_gains", "capital_losses", "stock_dividends"),
    *("tax_filer_stat", "region_prev_res", "state_prev_res", "det_hh_fam_stat", "det_hh_summ"),
    *("instance_weight", "mig_chg_msa", "mig_chg_reg", "mig_move_reg", "mig_same", "mig_prev_sunbelt"),
    *("num_emp", "fam_under_18", "country_father", "country_mother", "country_self", "citizenship"),
    *("own_or_self", "vet_question", "vet_benefits", "weeks_worked", "year", "income"),
]
NUMBERS = {
    "age": pa.int32(),
    "wage_per_hour": pa.int32(),
    "capital_gains": pa.int32(),
    "capital_losses": pa.int32(),
    "stock_dividends": pa.int32(),
    "instance_weight": pa.float32(),
    "num_emp": pa.int32(),
    "weeks_worked": pa.int32(),
}
_LABEL_SOURCES = ("marital_stat", "income")


def convert(path: str | Path) -> pa.Table:
    """Reads a raw file (`.gz` too) and returns its 40 inputs and the labels `income_50k` and `never_married`."""
    raw = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(column_names=COLUMNS),
        parse_options=pyarrow.csv.ParseOptions(quote_char=False),
        convert_options=pyarrow.csv.ConvertOptions(column_types={name: pa.string() for name in COLUMNS}),
    )
    texts = {name: pc.utf8_trim_whitespace(raw[name]) for name in COLUMNS}
    columns = {
        name: pc.cast(column, NUMBERS.get(name, pa.string()))
        for name, column in texts.items()
        if name not in _LABEL_SOURCES
    }
    columns["income_50k"] = pc.cast(pc.equal(texts["income"], "50000+."), pa.int32())
    columns["never_married"] = pc.cast(pc.equal(texts["marital_stat"], "Never married"), pa.int32())
    return pa.table(columns)


def main() -> None:
    """Reads the command line and writes both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", help="census-income.data")
    parser.add_argument("eval", help="census-income.test")
    parser.add_argument("--out", type=Path, default=Path("samples/data/census"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for source, name in ((arguments.train, "train"), (arguments.eval, "eval")):
        table = convert(source)
        pq.write_table(table, arguments.out / f"{name}.parquet", compression="zstd")
        print(f"{arguments.out / name}.parquet: {table.num_rows} rows")


if __name__ == "__main__":
    main()
