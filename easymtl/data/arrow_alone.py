"""Arrow without pandas, which it would import at the first conversion of anything from or to NumPy."""

import sys
from typing import Any

import pyarrow as pa


class _Absent:
    """Stands before all who find modules, and says of pandas that it is not installed."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)


def leave_pandas_out() -> None:
    """Has Arrow find that pandas is not installed when it looks, which it does once, to know pandas' missing values by.

    For a process in which nobody gives Arrow anything of pandas: it would not know `pd.NA` from now on. To import
    pandas takes a fifth of the processor time of `easymtl check`. Who wants it imports it as ever, as `to_pandas` does.
    """
    if "pandas" in sys.modules:
        return
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        # A list has both parts of Arrow look, the one in Python and the one in C++.
        pa.array([None, 0.0])
    finally:
        sys.meta_path.remove(absent)
