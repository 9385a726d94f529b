"""Commands as a user gives them, run in this process."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format

from easymtl.cli import main
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from tests.verbs.sample_rows import CONFIGS, cut, tiny, write_rows


@dataclass(frozen=True)
class Project:
    """A sample config with a tiny model and data of its own."""

    config: Path
    folder: Path
    overrides: tuple[str, ...]

    def __call__(self, verb: str, *flags: object) -> int:
        sets = [word for override in self.overrides for word in ("--set", override)]
        return main([verb, "--pipeline_config", str(self.config), *sets, *map(str, flags)])

    @property
    def eval_data(self) -> Path:
        return next(self.folder.glob("eval.*"))

    @property
    def exports(self) -> list[Path]:
        return sorted((self.folder / "model_dir" / "export" / "final").glob("[0-9]*"))

    def scores(self, name: str, *flags: object) -> pa.Table:
        target = self.folder / f"{name}.parquet"
        assert self("predict", "--input", self.eval_data, "--output", target, *flags) == 0
        return pq.read_table(target)

    def results(self, name: str, *flags: object) -> dict[str, float]:
        target = self.folder / f"{name}.json"
        assert self("eval", "--output", target, *flags) == 0
        return json.loads(target.read_text())

    def refused(self, capsys: pytest.CaptureFixture, verb: str, *flags: object) -> str:
        """Returns what is said of a command that is refused."""
        capsys.readouterr()
        assert self(verb, *flags) == 2
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return err


@pytest.fixture(scope="module")
def make_project(tmp_path_factory) -> Callable[..., Project]:
    """Makes a project of a sample config."""

    def make(config: Path, hidden_units: Sequence[int] = (8, 4), most_features: int | None = None) -> Project:
        folder = tmp_path_factory.mktemp(config.stem)
        pipeline = text_format.Parse(config.read_text(), Pipeline())
        if most_features is not None:
            cut(pipeline, most_features)
            config = folder / config.name
            config.write_text(text_format.MessageToString(pipeline, as_utf8=True), encoding="utf-8")
        suffix = "parquet" if pipeline.data_config.input_type == DatasetConfig.ParquetInput else "csv"
        inputs = {
            part: write_rows(pipeline, folder / f"{part}.{suffix}", rows, seed)
            for seed, (part, rows) in enumerate({"train": 600, "eval": 150}.items())
        }
        overrides = [f"{part}_input_path={path}" for part, path in inputs.items()]
        if pipeline.eval_config.calibration_input_path:
            overrides.append(f"eval_config.calibration_input_path={inputs['eval']}")
        overrides += [f"model_dir={folder}/model_dir", "data_config.batch_size=200", "train_config.num_steps=2"]
        return Project(config, folder, (*overrides, "data_config.num_epochs=0", *tiny(pipeline, hidden_units)))

    return make


@pytest.fixture(scope="module")
def untrained(make_project) -> Project:
    """The livestream sample before its training."""
    return make_project(next(path for path in CONFIGS if path.stem == "dbmtl_on_livestream"))


@pytest.fixture(scope="module")
def project(untrained) -> Project:
    """The livestream sample after two steps, exported by the training."""
    assert untrained("train") == 0
    return untrained
