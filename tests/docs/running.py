"""Runs the blocks of a page in the current folder, on few rows and with small networks."""

import itertools
import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import text_format

from easymtl.cli import main
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.saved_model_scorer import step_of_export
from tests.docs.pages import Block, commands, whole_config
from tests.verbs.sample_rows import tiny, write_rows

_ROWS = 600
_STEPS = 4
_SMALL = ("data_config.batch_size=128", "data_config.num_epochs=0", f"train_config.num_steps={_STEPS}")
_DAYS = tuple(f"days/dt=2026-11-{day}/part.parquet" for day in (26, 27))
# What pages call rows of the columns that a config reads.
_FURTHER = (
    *("eval.parquet", "rows.parquet", "kept_aside.parquet", "logs/train.parquet", "logs/2026-11-27/part.parquet"),
    *_DAYS,
)
_SAMPLE = re.compile(r"samples/configs/\S+\.config")
_LARGE = re.compile(r"(hash_bucket_size|num_buckets): \d{4,}")


def small(words: list[str]) -> list[str]:
    """Returns the arguments of a command with fewer rows, steps and resamples, and with tiny tables and layers."""
    if words[1] == "synth":
        return _with(words[1:], "--rows", "2000")
    sets = [one for name in words if _SAMPLE.fullmatch(name) for one in tiny(_parsed(Path(name).read_text()), (8,))]
    is_of_configs = any(word.endswith(".config") for word in words)
    if words[1] == "train" or (words[1] == "compare" and is_of_configs):
        sets += _SMALL
    if words[1] == "follow":
        sets += _SMALL[:1]
    if "--new_data" in words:
        sets.append(f"train_config.num_steps={2 * _STEPS}")
    arguments = [*words[1:], *(flag for text in sets for flag in ("--set", text))]
    if words[1] == "compare":
        arguments = _with([*arguments, "--resamples", "20"], "--seeds", "1")
        # Each comparison of a page is one by itself.
        arguments += ["--work_dir", f"compared_{zlib.crc32(repr(words).encode())}"] if is_of_configs else []
    if words[1] == "importance" and "--by_row" not in words:
        arguments += ["--repeats", "1"]
    return arguments


def _with(arguments: list[str], flag: str, value: str) -> list[str]:
    """Returns arguments with another value behind a flag, if it is there."""
    if flag not in arguments:
        return arguments
    place = arguments.index(flag) + 1
    return [*arguments[:place], value, *arguments[place + 1 :]]


def _parsed(text: str) -> Pipeline:
    return text_format.Parse(text, Pipeline())


@dataclass
class Runner:
    """Runs blocks; a config that several pages train is trained once.

    Attributes:
        kept: a folder for trained models.
        trained: where the model_dir of a config is kept, by the text of the config.
    """

    kept: Path
    trained: dict[str, Path] = field(default_factory=dict)

    def run(self, block: Block, page: str, is_left_out: Callable[[list[str]], bool]) -> None:
        """Makes what a block needs, and runs its commands but for those that are left out."""
        for place, file in enumerate(block.files):
            _make(file, page, place)
        if block.is_trained:
            model_dir = self._train(block.files[0])
            for folder in block.folders:
                shutil.copytree(model_dir, folder)
        for words in commands(block.text):
            if not is_left_out(words):
                self._run(words)

    def _run(self, words: list[str]) -> None:
        if "--since" in words:
            words = _with(words, "--since", self._earlier_export(words[words.index("--pipeline_config") + 1]))
        assert main(small(words)) == 0, " ".join(words)

    def _train(self, config: str) -> Path:
        """Trains a config, or copies what came of it before; returns its model_dir."""
        text = Path(config).read_text(encoding="utf-8")
        model_dir = Path(_parsed(text).model_dir)
        if text not in self.trained:
            nothing = ["--set", "export_config.exporter_type=none"]
            assert main([*small(["easymtl", "train", config]), *nothing]) == 0
            self.trained[text] = self.kept / str(len(self.trained))
            shutil.copytree(model_dir, self.trained[text])
        elif not model_dir.exists():
            shutil.copytree(self.trained[text], model_dir)
        return model_dir

    def _earlier_export(self, config: str) -> str:
        """Returns the newest version in a model_dir; the newest checkpoint is a later one."""
        model_dir = Path(_parsed(Path(config).read_text(encoding="utf-8")).model_dir)
        exports = model_dir / "export" / "final"
        steps = sorted(int(path.name.rpartition("-")[2]) for path in model_dir.glob("checkpoints/step-*"))
        if steps[0] not in map(step_of_export, exports.glob("*[0-9]")):
            assert main(["export", config, "--checkpoint", str(steps[0])]) == 0
        else:
            more = ("export_config.exporter_type=none", f"train_config.num_steps={steps[-1] + _STEPS}")
            flags = [flag for text in more for flag in ("--set", text)]
            assert main([*small(["easymtl", "train", config]), *flags]) == 0
        return max(path.name for path in exports.glob("[0-9]*")).partition(".")[0]


def _make(file: str, page: str, place: int) -> None:
    """Writes a config, and rows that it reads, or rows as a newcomer has them."""
    name, _, source = file.partition(" of ")
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        _make_table(name)
        return
    pipeline = _parsed(_LARGE.sub(r"\1: 1000", Path(source).read_text() if source else whole_config(page)))
    if source or place:
        pipeline.model_config.embedding_regularization += 1e-6 * (place + 1)
    Path(name).write_text(text_format.MessageToString(pipeline, as_utf8=True), encoding="utf-8")
    _make_rows(pipeline)


def _make_rows(pipeline: Pipeline) -> None:
    """Writes a few rows of what a config reads, with two columns beside them, where there are none."""
    first = write_rows(pipeline, Path("made_up.parquet"), _ROWS)
    rows = pq.read_table(first)
    for column, count in (("city", 3), ("hour", 24)):
        if column not in rows.column_names:
            rows = rows.append_column(column, pa.array(np.arange(rows.num_rows) % count))
    pq.write_table(rows, first)
    for path in itertools.chain((pipeline.train_input_path, pipeline.eval_input_path), _FURTHER):
        file = Path(path.replace("*", "01"))
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            shutil.copy(first, file)
    for day in _DAYS:
        Path(day).with_name("_SUCCESS").touch()


def _make_table(file: str) -> None:
    """Writes rows as a newcomer has them, and `new.parquet` without their labels."""
    random = np.random.default_rng(0)
    click = random.integers(0, 2, _ROWS)
    new = {
        "user_id": [f"u{number}" for number in random.integers(0, 50, _ROWS)],
        "city": random.choice(["Oslo", "Rome"], _ROWS),
        "age": random.integers(18, 70, _ROWS),
    }
    labels = {
        "click": click,
        "like": click * random.integers(0, 2, _ROWS),
        "watch_seconds": click * random.random(_ROWS),
    }
    pq.write_table(pa.table(new | labels), file)
    pq.write_table(pa.table(new), "new.parquet")
