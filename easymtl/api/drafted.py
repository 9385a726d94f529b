"""A config that was drafted for a table in memory, with the rows that it was divided into."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from easymtl.api.data_input import Data, is_path
from easymtl.config import Config
from easymtl.data.tables import hold_table


@dataclass(repr=False)
class DraftedConfig(Config):
    """What `easymtl.init` returns of a table in memory: a config like any other, which remembers its rows.

    `easymtl.train(config)`, and `easymtl.train(config, table)` with the table that it was drafted for, train on `train`
    and evaluate on `eval`. With another table, that one is trained on, and `eval` still judges.

    Attributes:
        train: rows to train on.
        eval: rows to judge by.
        source: the table that both are of.
        digest: of its values as they were divided; a table in memory may change, and NaN equals no NaN.

    Example:
        >>> config = easymtl.init(rows, ["click"])
        >>> config.train.num_rows + config.eval.num_rows == len(rows)
        True
    """

    train: pa.Table = field(default_factory=lambda: pa.table({}))
    eval: pa.Table = field(default_factory=lambda: pa.table({}))
    source: pa.Table = field(default_factory=lambda: pa.table({}))
    digest: str = ""

    def completed(self, data: Mapping[str, Data]) -> dict[str, Data]:
        """Returns data to train and evaluate on, by "train" and "eval", with the rows of this config where they lack.

        Args:
            data: what was given; None where nothing was.
        """
        train, evaluation = data["train"], data["eval"]
        if evaluation is not None:
            return {"train": self.train if train is None else train, "eval": evaluation}
        if train is None or self._is_source(train):
            train = self.train
        return {"train": train, "eval": self.eval}

    def _is_source(self, data: Data) -> bool:
        # What else a table has does not matter, as long as these are its rows.
        return not is_path(data) and hold_table(data, "train", self.source.column_names).digest == self.digest
