"""How many of the rows to come have an id that was learnt: what no training row has can be learnt nothing about."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from easymtl.drafting.kinds import plain
from easymtl.drafting.profile import Profile
from easymtl.drafting.table import Table
from easymtl.drafting.tally import hashes


def seen_shares(profile: Profile, evaluation: Table, wanted: Collection[str]) -> dict[str, float]:
    """Returns the share of evaluation rows whose value training rows have, by column.

    Of columns with many values it is measured on those values whose hash is among the smallest: the sketch of the
    training rows knows all of these.

    Args:
        profile: of the training rows.
        evaluation: the evaluation rows.
        wanted: columns of one value in each row.
    """
    found = dict.fromkeys(wanted, 0)
    total = dict.fromkeys(wanted, 0)
    for batch in evaluation.batches():
        for name in wanted:
            values = plain(batch.column(name))
            if pa.types.is_null(values.type) or pa.types.is_nested(values.type):
                continue
            known, border = profile.columns[name].tally.smallest
            keys = hashes(values.drop_null())
            keys = keys if border is None else keys[keys <= border]
            total[name] += len(keys)
            found[name] += int(np.isin(keys, known).sum())
    return {name: found[name] / total[name] for name in wanted if total[name]}
