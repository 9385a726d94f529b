"""The files of a log as pandas, an independent reader, sees them."""

import numpy as np
import pandas as pd


def make_log(num_rows: int) -> pd.DataFrame:
    random = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "click": random.integers(0, 2, num_rows),
            "user": [f"u{number}" for number in random.zipf(1.5, num_rows)],
            "note": random.choice(["", "NA", "a,b", 'say "hi"', "two\nlines", "你好", " blank "], num_rows),
            "price": np.where(random.random(num_rows) < 0.2, np.nan, random.normal(size=num_rows)),
        }
    )


def as_read(log: pd.DataFrame) -> dict[str, list]:
    values = {name: column.tolist() for name, column in log.items()}
    values["note"] = [text or None for text in values["note"]]
    values["price"] = [None if np.isnan(price) else price for price in values["price"]]
    return values


def test_csv_that_pandas_writes_is_read_as_it_was(read, tmp_path):
    log = make_log(3000)
    content = log.to_csv(index=False).encode()
    values, _ = read(content, "click:INT64 user note price:DOUBLE", with_header="true", block_bytes=5000)
    assert values == as_read(log)


def test_parquet_that_pandas_writes_is_read_as_it_was(read, tmp_path):
    log = make_log(3000)
    log.to_parquet(tmp_path / "a.parquet", row_group_size=700)
    values, _ = read(None, "click:INT64 user note price:DOUBLE", name="a.parquet")
    expected = as_read(log)
    # In Parquet an empty text is a text: only null is missing.
    expected["note"] = log["note"].tolist()
    assert values == expected
