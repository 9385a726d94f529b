"""The rows on which an export is proved: as a client would send them, and as training reads them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from easymtl.config import view
from easymtl.data.bad_values import BadValues, usable_rows
from easymtl.data.convert import default_scalar, fill_empty
from easymtl.data.fields import Field
from easymtl.data.sources import Source, open_source
from easymtl.data.text_form import text_forms
from easymtl.features.encoder import Encoder
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.request_form import RequestForm
from easymtl.serving.request_rows import as_sent, sendable_part

_MOST_ROWS = 1000
# One field after the other is blanked in each of these: one row might have the default itself.
_BLANKED_ROWS = 4
# No field has an empty name.
_PLACE = ""


@dataclass(frozen=True)
class ProofRows:
    """Some rows, twice.

    Behind the rows of the data stand some of them with one value blanked, for every field, so that a default which the
    graph has lost shows even where the data lack no value.

    Attributes:
        sent: the inputs of a request by name, as a client sends them: no default has been put in, see `as_sent`.
        read: the same rows as the reader hands them to training.
        num_rows: rows of the data; those behind them have a value blanked, and those at the end are for further
            signatures, see `with_further`.
        raw: what is sent, by field and with null.
        examples: serialized, for `tf_example`: of the rows in front of those of one user.
        num_users: rows at the end, all of one user, for `user_once`.
        signatures: those that are proved beside `serving_default`.
    """

    sent: dict[str, pa.Array]
    read: pa.RecordBatch
    num_rows: int
    raw: pa.RecordBatch | None = None
    examples: pa.Array | None = None
    num_users: int = 0
    signatures: tuple[str, ...] = ()

    @property
    def num_blanked(self) -> int:
        """Returns how many rows have a value blanked."""
        return self.read.num_rows - self.num_rows - self.num_users - len(self.examples or ())


def proof_rows(pipeline: Pipeline, fields: Sequence[str], encode: Encoder) -> ProofRows | None:
    """Returns evaluation (else training) rows of a pipeline, at most 1,000 of its data; None when there are none.

    Rows whose values the encoder cannot use are left out where `data_config.ignore_error` says so, and rows that no
    request can hold, see `sendable_part`.

    Raises:
        UserError: the data cannot be read.
    """
    paths = view.eval_input(pipeline) or view.train_input(pipeline)
    if not paths:
        return None
    form = RequestForm.of(pipeline, fields)
    used = dict(form.fields)
    forms = text_forms(pipeline)
    reader = open_source(paths, pipeline.data_config, fields, forms=forms)
    raw_reader = open_source(paths, pipeline.data_config, fields, forms=forms, fills_defaults=False)
    for all_read, all_raw in usable_batches(reader, raw_reader, encode):
        raw, read = encodable(*sendable_part(form, all_raw, all_read), encode)
        if not read.num_rows:
            continue
        blanked, filled = _blanked(raw.slice(0, _BLANKED_ROWS), used, encode)
        sent = joined([raw, blanked])
        columns = dict(zip(sent.schema.names, sent.columns))
        return ProofRows(as_sent(form, columns), joined([read, filled]), read.num_rows, sent)
    return None


def missing_row(pipeline: Pipeline, fields: Sequence[str], encode: Encoder) -> dict[str, pa.Array] | None:
    """Returns a row in which every value is missing, as a client sends it; None when none can be scored.

    That is so where the defaults of histories that are read side by side have different lengths.
    """
    form = RequestForm.of(pipeline, fields)
    nulls = {name: pa.nulls(1, field.column_type) for name, field in form.fields.items()}
    read = {name: fill_empty(nulls[name], default_scalar(field)) for name, field in form.fields.items()}
    try:
        encode(pa.RecordBatch.from_arrays([*read.values()], names=[*read]))
    except BadValues:
        return None
    return as_sent(form, nulls)


def usable_batches(
    reader: Source, raw_reader: Source, encode: Encoder | None, most: int = _MOST_ROWS
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Yields the usable rows of files as two readers of the same files read them, some at a time.

    Args:
        reader: puts defaults in the place of missing values.
        raw_reader: does not.
        encode: says which rows are usable; None takes all.
        most: how many rows are looked at each time.
    """
    for block, raw_block in zip(reader.blocks, raw_reader.blocks):
        for all_read, all_raw in zip(reader.read(block), raw_reader.read(raw_block)):
            assert all_read.num_rows == all_raw.num_rows, "what is left out does not depend on defaults"
            for first in range(0, all_read.num_rows, most):
                read, raw = all_read.slice(first, most), all_raw.slice(first, most)
                if encode is None:
                    yield read, _compact(raw)
                    continue
                numbered = read.append_column(_PLACE, pa.array(range(read.num_rows)))
                usable, _ = usable_rows(encode, numbered, reader, [block])
                if usable.num_rows:
                    yield usable.remove_column(usable.num_columns - 1), _compact(raw.take(usable.column(_PLACE)))


def encodable(raw: pa.RecordBatch, read: pa.RecordBatch, encode: Encoder) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Returns rows without those whose histories have lost their common length on the way to a request."""
    while True:
        try:
            encode(read)
        except BadValues as error:
            if error.rows is None:
                raise
            keep = pa.array(~error.rows)
            raw, read = raw.filter(keep), read.filter(keep)
            continue
        return raw, read


def _blanked(raw: pa.RecordBatch, fields: dict[str, Field], encode: Encoder) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Returns the rows once for each field, null in it; and as a reader that fills in defaults would have read them.

    Histories that are read side by side are null together: they have to have equal lengths.
    """
    blank = _blanked_together(fields, encode)
    while True:
        blanked = joined([raw.slice(0, 0), *(_without(raw, names) for names in blank)])
        # Fields of a line are in the order of `input_fields`, and columns are not.
        names = raw.schema.names
        columns = [fill_empty(blanked.column(name), default_scalar(fields[name])) for name in names]
        filled = pa.RecordBatch.from_arrays(columns, schema=raw.schema)
        try:
            encode(filled)
        except BadValues as error:
            # No row with such a default could be trained on either.
            blank = [names for names in blank if error.field not in names]
            continue
        return blanked, filled


def _blanked_together(fields: Collection[str], encode: Encoder) -> list[set[str]]:
    """Returns all fields, in sets of those that are null together."""
    transforms = encode.feature_set.transforms
    sets: list[set[str]] = []
    for names in encode.feature_set.parallel:
        joined = {field for name in names for field in transforms[name].inputs if field in fields}
        apart = [one for one in sets if not one & joined]
        sets = [*apart, joined.union(*(one for one in sets if one & joined))]
    together = set().union(*sets)
    return [*({name} for name in fields if name not in together), *(one for one in sets if one)]


def _compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the rows with dictionaries of their own values: an encoder would look at those of rows left out, too."""
    columns = [
        column.dictionary_decode().dictionary_encode().cast(column.type)
        if pa.types.is_dictionary(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _without(raw: pa.RecordBatch, names: Iterable[str]) -> pa.RecordBatch:
    """Returns the rows with null in some fields."""
    for name in names:
        place = raw.schema.get_field_index(name)
        raw = raw.set_column(place, raw.schema.field(place), pa.nulls(raw.num_rows, raw.schema.field(place).type))
    return raw


def joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Returns the rows of all batches in one."""
    columns = zip(*(batch.columns for batch in batches))
    return pa.RecordBatch.from_arrays([pa.concat_arrays(parts) for parts in columns], schema=batches[0].schema)
