"""Arrow in a process that has nothing of pandas."""

import subprocess
import sys

_PROGRAM = """
import sys
import numpy as np
import pyarrow as pa
from easymtl.data.arrow_alone import leave_pandas_out

leave_pandas_out()
texts = pa.array(np.array(["a", None, float("nan")], object), from_pandas=True)
numbers = pa.array([1.0, None, float("nan")])
print(texts.null_count, numbers.null_count, numbers.to_numpy(zero_copy_only=False).tolist(), "pandas" in sys.modules)
print(pa.table({"n": numbers}).to_pandas().n.tolist(), "pandas" in sys.modules)
import pandas as pd
print(pa.array(pd.Series([1, 2])).to_pylist())
"""


def test_missing_values_are_known_without_pandas_and_who_wants_it_has_it():
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["2 1 [1.0, nan, nan] False", "[1.0, nan, nan] True", "[1, 2]"], done.stderr
