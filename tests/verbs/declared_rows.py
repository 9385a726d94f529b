"""Two rows, and the fields that declare them."""

import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import text_format

from easymtl.protos.data_pb2 import DatasetConfig

FIELDS = """
input_fields { input_name: "click" input_type: INT32 }
input_fields { input_name: "user_id" input_type: STRING }
input_fields { input_name: "price" input_type: FLOAT }
"""
NAMES = ["click", "user_id", "price"]
ROWS = pa.table({"click": [1, 0], "user_id": ["a", "b"], "price": [0.5, 1.5]})


def declared(text=""):
    return text_format.Parse(FIELDS + text, DatasetConfig())


def parquet(path, table):
    pq.write_table(table, path / "rows.parquet")
    return str(path / "rows.parquet")


def csv(path, text):
    (path / "rows.csv").write_text(text)
    return str(path / "rows.csv")
