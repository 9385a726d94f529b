"""What the readers and the features refuse, `check` refuses, or only the data or the machine can tell.

`SITES` has an entry for each `raise` of a mistake below `easymtl/features/` and `easymtl/data/`, in the order of the
file, by module and function. A new `raise` gets a new entry: `Found`, with edits of the project of `project.py` that
`check` refuses with the line of the config, or a sentence that says why no config alone can tell it.
"""

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import easymtl
from tests.errors.cases import CHECK
from tests.errors.project import Project, rows

PACKAGE = Path(easymtl.__file__).parent
FEATURE = 'features { input_names: "price" feature_type: RawFeature }'
USER = "hash_bucket_size: 50 embedding_dim: 4"
IN_DATA = "only the values of the data tell, and check reads the first of them"
IN_FILE = "only the file tells: check opens all files and reads the first rows"
CHANGES = "the file changes, or fails, while it is read"
MACHINE = "the disk, the memory, the network or the permissions of the machine tell"
IN_MEMORY = "only a program has tables in memory, and no check comes before it, see tests/data/test_tables.py"
CURSOR = "only a checkpoint beside the data tells"
CACHED = "a cache that is full or damaged is no mistake: rows are encoded anew, with a word"
BESIDE_DATA = "only where data are looked for tells: check opens the cache as a training does"
ROWS_GONE = "only a whole pass over the data tells that no row is left"


class Found(NamedTuple):
    """A mistake that `check` finds in the config.

    Attributes:
        says: what it says, behind the line of the config; of a path, behind the name of the input.
        edits: replacements in x.config.
    """

    says: str
    edits: tuple[tuple[str, str], ...]


def found(says: str, *edits: tuple[str, str]) -> Found:
    return Found(says, edits)


def remote(name: str, says: str) -> Found:
    return found(says, ('train_input_path: "train.csv"', f'train_input_path: "{name}"'))


UNKNOWN_INPUT = found('"usr" is not in data_config.input_fields', ('input_names: "user"', 'input_names: "usr"'))
INPUT_TYPE = found(
    "input_type OdpsInput is not supported", ("batch_size: 8", "batch_size: 8 input_type: OdpsInput")
)  # fmt: skip
NO_FILES = found("no data file is there", ('"train.csv"', '"nothing*.csv"'))
INPUTS = (("user", "STRING"), ("tags", "STRING"), ("price", "FLOAT"))
SITES: dict[str, list[Found | str]] = {
    "data/bad_values.py usable_rows": [IN_DATA],
    "data/convert.py _scalar": [
        found(
            'default_val "x" is no FLOAT', ('"price" input_type: FLOAT', '"price" input_type: FLOAT default_val: "x"')
        )
    ],
    "data/chunks.py read_chunks": [CURSOR, ROWS_GONE],
    "data/cache_folder.py CacheFolder.make_room": [CACHED, CACHED],
    "data/encoding.py require_rows": [ROWS_GONE],
    "data/rows_file.py read_rows": [CACHED, CACHED],
    "data/rows_file.py _directory": [CACHED, CACHED, CACHED, CACHED],
    "features/encoding_key.py require_apart": [BESIDE_DATA],
    "data/csv.py CsvSource.read": [CHANGES],
    "data/csv.py CsvSource._inspect": [IN_FILE],
    "data/csv_blocks.py _require_end": [IN_FILE],
    "data/csv_blocks.py require_closed_quotes": [IN_FILE],
    "data/csv.py CsvSource._check_folder": [IN_DATA],
    "data/csv.py _position": [IN_FILE, IN_FILE, IN_FILE],
    "data/csv_dialect.py Dialect.of": [
        found("data_config.separator is 'ä'; it needs one ASCII", ("batch_size: 8", 'batch_size: 8 separator: "ä"')),
    ],
    "data/csv_rows.py read_carefully": [IN_DATA],
    "data/csv_rows.py read_records": [IN_DATA],
    "data/csv_text.py read_stream": [CHANGES],
    "data/csv_text.py read_header": [IN_FILE],
    "data/csv_text.py text_start": [IN_FILE],
    "data/fields.py input_fields": [
        found('"order" is taken', ('input_name: "order"', 'input_name: "order" } input_fields { input_name: "order"')),
    ],
    "data/parquet.py ParquetSource.__init__": [IN_FILE],
    "data/parquet.py ParquetSource._batches": [CHANGES],
    "data/parquet.py open_parquet": [IN_FILE],
    "data/record_frames.py frames": [IN_FILE, IN_FILE, IN_FILE],
    "data/tfrecord.py TFRecordSource._column": [IN_FILE],
    "data/tfrecord.py TFRecordSource._report": [IN_DATA],
    "data/tfrecord.py _require_columns": [IN_FILE],
    "data/partitions.py _value": [IN_FILE],
    "data/paths.py DataFile.open": [CHANGES, CHANGES, MACHINE],
    "data/paths.py read_open": [MACHINE],
    "data/paths.py expand": [
        found("The input path is empty", ('"train.csv"', '" , "')),
        found('"trian.csv" is not in the current folder', ('"train.csv"', '"train.csv,trian.csv"')),
    ],
    "data/paths.py _expand_part": [
        found('"trian.csv" is not in the current folder', ('"train.csv"', '"trian.csv"')),
        NO_FILES,
        IN_FILE,
        MACHINE,
        MACHINE,
    ],
    "data/paths.py _refuse": [MACHINE],
    "data/remote.py locate": [
        remote("ftp://host/train.csv", "ftp:// cannot be read"),
        remote("s3://me:secret@bucket/train.csv", "holds a name or secret before the bucket"),
        remote("s3:///train.csv", "no bucket is named"),
    ],
    "data/remote.py require_writable_place": [MACHINE, MACHINE],
    "data/remote.py upload": [MACHINE],
    "data/remote_listing.py list_files": [MACHINE, MACHINE],
    "data/remote.py _connect": [MACHINE],
    "data/remote.py _s3": [remote("s3://bucket/train.csv?regoin=x", 'option "regoin" is not known')],
    "data/sources.py open_source": [UNKNOWN_INPUT],
    "data/sources.py _format": [INPUT_TYPE],
    "data/strays.py require_no_stray": [IN_FILE],
    "data/memory.py held_table": [
        found('"memory://train": this was a table in the memory', ('"train.csv"', '"memory://train"')),
    ],
    "data/sources.py _require_tables": [IN_MEMORY],
    "data/tables.py hold_table": [IN_MEMORY, IN_MEMORY],
    "data/tables.py _places": [IN_MEMORY],
    "data/tables.py _of_series": [IN_MEMORY],
    "data/typed_columns.py TypedSource._check_types": [IN_FILE],
    "data/typed_columns.py TypedSource._check_folder": [IN_DATA],
    "data/typed_columns.py TypedSource._report": [IN_DATA],
    "data/typed_columns.py check_columns": [IN_FILE],
    "data/windows.py gather_windows": [CURSOR],
    "data/windows.py _plan_batches": [CURSOR],
    "features/declarations.py declared_features": [
        found('"tags" is taken', ('input_names: "user"', 'input_names: "user" shared_names: "tags"')),
    ],
    "features/declarations.py find_feature": [
        found('"usr" is not in the features', ('feature_names: ["user"', 'feature_names: ["usr"')),
    ],
    "features/declarations.py _num_words": [
        found('vocab_file "nowhere.txt" is no file', (USER, 'vocab_file: "nowhere.txt" embedding_dim: 4')),
    ],
    "features/declared.py make_plain": [
        "rules.block_features refuses what raw_input cannot read, in tests/config/test_block_graph_rules.py",
        "rules.features refuses the fault, see the faults below",
    ],
    "features/parallel.py require_parallel_rows": [IN_DATA],
    "features/declared.py make_transform": [
        found(
            "PassThroughFeature, which has no vector", ("feature_type: TagFeature", "feature_type: PassThroughFeature")
        ),
        found("needs embedding_dim", (USER, "hash_bucket_size: 50")),
    ],
    "features/column_pieces.py pieces_of_items": [IN_DATA],
    "features/column_pieces.py _of_values": [IN_DATA],
    "features/feature_set.py _input_fields": [UNKNOWN_INPUT],
    "features/served.py require_servable": [
        found(
            "serving_value is set, as of all other fields that features read",
            *(
                (f'"{name}" input_type: {kind}', f'"{name}" input_type: {kind} serving_value: "1"')
                for name, kind in INPUTS
            ),
        ),
        "check says the same of the histories, whose steps features alone tell: tests/features/test_served.py",
    ],
    "features/factors.py _indicator": [
        found(
            '"noon" is not in the features or data_config.input_fields',
            ('relation_tower_names: "ctr"', 'task_space_indicator_name: "noon" task_space_indicator_value: "1"'),
        ),
    ],
    "features/limits.py require_few_combinations_of_rows": [IN_DATA, IN_DATA],
    "features/labels.py _require_allowed": [IN_DATA],
    "features/memory.py _require": [MACHINE],
    "features/numbers.py _named_numbers": [IN_DATA],
    "features/numbers.py _of_texts": [IN_DATA],
    "features/served_tables.py _require_finite": ["only the weights of a checkpoint tell, when it is exported"],
    "features/tables.py _check_equal": [
        found(
            '"t" is shared with user',
            (USER, f'{USER} embedding_name: "t"'),
            ("hash_bucket_size: 20", 'embedding_name: "t" hash_bucket_size: 20'),
        ),
        found(
            '"t" is shared with user',
            (USER, 'growing { max_rows: 49 } embedding_dim: 4 embedding_name: "t"'),
            ("hash_bucket_size: 20", 'embedding_name: "t" hash_bucket_size: 50'),
        ),
    ],
}
ID = '"user" feature_type: IdFeature'
COMBO = '"user" feature_type: ComboFeature'
NUMBERS = '"user" feature_name: "p" feature_type: RawFeature raw_input_dim: 2'
BUCKETS = "raw_input_dim: 3 num_buckets: 4 max_val: 9 embedding_dim: 4 }"
FAULTS = [
    found("reads the FLOAT field", ('input_names: "user"', 'feature_name: "user" input_names: "price"')),
    found("reads the FLOAT field", (ID, f'"user" shared_names: "price"{ID[6:]}'), (FEATURE, "")),
    found('separator "，" cannot split text', ("hash_bucket_size: 20", 'separator: "，" hash_bucket_size: 20')),
    found(
        'takes whole numbers, and the FLOAT field "price" holds numbers with 1 digits',
        ('input_names: "tags"', 'input_names: "price" feature_name: "tags" precision: 1'),
        ("hash_bucket_size: 20", "num_buckets: 20"),
    ),
    found("kv_separator is", ('input_names: "tags"', 'input_names: ["tags", "price"] kv_separator: ":"')),
    found('separator "、" cannot', ('"price" feature_type: RawFeature', f'{NUMBERS} separator: "、"')),
    found("take one number", (FEATURE, FEATURE.replace("}", BUCKETS))),
    found('combo_input_seps[0] "；" cannot', (ID, f'{COMBO} combo_input_seps: "；"')),
    found("exclude each other", (ID, f'{COMBO} combo_input_seps: "," combo_join_sep: "_"')),
    found("exclude each other", (USER, f"{USER} growing {{ max_rows: 9 }}")),
    found("needs max_rows", (USER, "growing { } embedding_dim: 4")),
    found('shared_names "usr" is not in', (ID, f'"user" shared_names: "usr"{ID[6:]}')),
    found("is a range of 999999999 names", (ID, f'"user" shared_names: "u[1-999999999]"{ID[6:]}')),
    found("holds an empty value at place 1", (USER, 'vocab_list: ["a", ""] embedding_dim: 4')),
    found('quote is "', ("batch_size: 8", "batch_size: 8 quote: \"''\"")),
]
"""What the one function of `config/rules/feature_faults.py` yields, and kin: each would end a training."""


def raises() -> Iterator[str]:
    """Yields "module function" of each place at which an error of ours is raised."""
    for folder in ("data", "features"):
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            module = path.relative_to(PACKAGE).as_posix()
            yield from (f"{module} {name}" for name in _raises_in(ast.parse(path.read_text(encoding="utf-8")), ""))


def _raises_in(node: ast.AST, name: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        is_scope = isinstance(child, (ast.FunctionDef, ast.ClassDef))
        if isinstance(child, ast.Raise) and _is_ours(child):
            yield name
        yield from _raises_in(child, f"{name}.{child.name}".lstrip(".") if is_scope else name)


def _is_ours(node: ast.Raise) -> bool:
    called = node.exc.func if isinstance(node.exc, ast.Call) else None
    name = getattr(called, "id", getattr(called, "attr", ""))
    return bool(name) and not hasattr(builtins, name) and name != "ArrowInvalid"


def test_every_mistake_that_is_refused_has_an_entry():
    places = list(raises())
    counts = {place: places.count(place) for place in dict.fromkeys(places)}
    known = {place: len(entries) for place, entries in SITES.items()}
    wrong = [
        f"{place}: {counts.get(place, 0)} raises, {known.get(place, 0)} entries"
        for place in sorted({*counts, *known})
        if counts.get(place) != known.get(place)
    ]
    assert not wrong, f"SITES of {Path(__file__).name} needs one entry for each raise:\n" + "\n".join(wrong)


CASES = [(place, entry) for place, entries in SITES.items() for entry in entries if isinstance(entry, Found)]
CASES += [("config/rules/feature_faults.py", entry) for entry in FAULTS]


@pytest.mark.parametrize("place, entry", CASES, ids=[f"{place}: {entry.says[:40]}" for place, entry in CASES])
def test_check_finds_it_with_its_place(tmp_path, place, entry):
    project = Project(tmp_path / "project")
    project.write("train.csv", rows(24))
    project.replace("x.config", *entry.edits)
    outcome = project.run(CHECK)
    assert outcome.code == 2
    lines = [line for line in outcome.message.split("\n") if entry.says in line]
    assert any(re.match(r"x\.config:\d+|train input: ", line) for line in lines), outcome.message
