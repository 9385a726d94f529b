"""What is measured: data sets and networks, each an ordinary config."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import text_format

from easymtl.config import Config, load_config
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.model_pb2 import ModelConfig
from easymtl.synth import write

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples" / "configs"

_MERLIN_WIDTHS = (88, 48, 8, 8, 8)
_LARGE_TABLE = 10_000
_ENDLESS = 100_000_000
_TAOBAO_TOWER = "dnn { hidden_units: [256, 128, 64, 32] }"


def _towers(labels: Sequence[str], text: str) -> str:
    return " ".join(f'task_towers {{ tower_name: "{label}" label_name: "{label}" {text} }}' for label in labels)


def _mixture(num_expert: int) -> str:
    towers = _towers(["clk", "buy"], "dnn { hidden_units: [128, 64] }")
    return f"mmoe {{ num_expert: {num_expert} expert_dnn {{ hidden_units: [256, 128] }} {towers} }}"


def _ple(num_levels: int) -> str:
    net = "{ hidden_units: [256, 128] }"
    level = f"expert_num_per_task: 2 share_num: 2 task_expert_net {net} share_expert_net {net}"
    levels = [f'extraction_networks {{ network_name: "level{index}" {level} }}' for index in range(num_levels)]
    return f"ple {{ {' '.join(levels)} {_towers(['clk', 'buy'], 'dnn { hidden_units: [128, 64] }')} }}"


@dataclass(frozen=True)
class Workload:
    """One network on one data set.

    Attributes:
        name: in tables, and for `--only`.
        base: the sample config whose data and features are taken.
        data_set: the synthetic set, or None where the base config's own files are read.
        model: text of the model, or None for the base's own.
        overrides: further changes, as for `--set`.
        peer: the same network in the words of benchmarks/peers, or None where peers do not have it.
        formats: file formats that training is measured from.
        precisions: that are measured.
    """

    name: str
    base: str
    data_set: str | None
    model: str | None = None
    overrides: tuple[str, ...] = ()
    peer: dict | None = None
    formats: tuple[str, ...] = ("csv", "parquet")
    precisions: tuple[str, ...] = ("AUTO", "FLOAT32")

    @property
    def is_available(self) -> bool:
        """Returns whether its data can be had: made, or there."""
        config = load_config(str(SAMPLES / self.base))
        return self.data_set is not None or (ROOT / config.pipeline.train_input_path).exists()

    def write_config(self, folder: Path) -> Path:
        """Writes the config of the network into a folder and returns its path."""
        config = load_config(str(SAMPLES / self.base), self.overrides)
        if self.model:
            chosen = text_format.Parse(self.model, ModelConfig())
            model = config.pipeline.model_config
            for name in (model.WhichOneof("model"), "model_class"):
                model.ClearField(name)
            model.MergeFrom(chosen)
        path = folder / f"{self.name}.config"
        path.write_text(config.text(), encoding="utf-8")
        return path


WORKLOADS = [
    Workload("taobao_dbmtl", "dbmtl_on_taobao.config", "taobao"),
    Workload(
        "taobao_shared_bottom",
        "dbmtl_on_taobao.config",
        "taobao",
        f"shared_bottom {{ bottom_dnn {{ hidden_units: [1024, 512, 256] }} {_towers(['clk', 'buy'], _TAOBAO_TOWER)} }}",
        peer={"model": "shared_bottom", "bottom": [1024, 512, 256], "towers": [256, 128, 64, 32]},
        formats=("parquet",),
    ),
    Workload(
        "taobao_mmoe_32",
        "dbmtl_on_taobao.config",
        "taobao",
        _mixture(32),
        peer={"model": "mmoe", "experts": 32, "expert": [256, 128], "towers": [128, 64]},
        formats=("parquet",),
    ),
    Workload(
        "taobao_ple_3",
        "dbmtl_on_taobao.config",
        "taobao",
        _ple(3),
        peer={
            "model": "ple",
            "levels": 3,
            "task_experts": 2,
            "shared_experts": 2,
            "expert": [256, 128],
            "towers": [128, 64],
        },
        formats=("parquet",),
    ),
    Workload(
        "census_mmoe",
        "mmoe_on_census.config",
        None,
        "mmoe {{ num_expert: 8 expert_dnn {{ hidden_units: [16] }} {} }}".format(
            _towers(["income_50k", "never_married"], "dnn { hidden_units: [8] }")
        ),
        ("data_config.batch_size=2048",),
        {"model": "mmoe", "experts": 8, "expert": [16], "towers": [8]},
        formats=("parquet",),
    ),
    Workload(
        "tenrec_mlp",
        "mmoe_on_tenrec.config",
        "tenrec",
        "shared_bottom {{ bottom_dnn {{ hidden_units: [32, 16] use_bn: false }} {} }}".format(
            _towers(["click", "follow", "like", "share"], "")
        ),
        # Widths as Merlin infers them: 2 times the fourth root of the vocabulary, rounded up to a multiple of 8.
        tuple(f"feature_config.features[{index}].embedding_dim={width}" for index, width in enumerate(_MERLIN_WIDTHS)),
        formats=("parquet",),
        precisions=("AUTO",),
    ),
]
FEW_EXPERTS = Workload("taobao_mmoe_4", "dbmtl_on_taobao.config", "taobao", _mixture(4))
"""What `taobao_mmoe_32` is held against: the cost of an operation must not grow with the experts."""


def workload_named(name: str) -> Workload:
    """Returns the workload of a name."""
    return next(workload for workload in WORKLOADS if workload.name == name)


def vocabulary(config: Config, num_rows: int) -> list[str]:
    """Returns the overrides that share rows out equally among the features whose ids are hashed into large tables."""
    features = config.pipeline.feature_config.features
    large = [index for index, feature in enumerate(features) if feature.hash_bucket_size >= _LARGE_TABLE]
    return [f"feature_config.features[{index}].hash_bucket_size={num_rows // len(large)}" for index in large]


def saving_once(model_dir: str, log_every: int) -> list[str]:
    """Returns the overrides of a training that saves once, at its end, and is not exported."""
    return [
        f"model_dir={model_dir}",
        f"train_config.log_step_count_steps={log_every}",
        "train_config.save_checkpoints_steps=0",
        "train_config.save_summary_steps=0",
        "export_config.exporter_type=none",
    ]


@dataclass(frozen=True)
class SetSize:
    """How much is made of a synthetic set.

    Attributes:
        train: rows of the training file.
        eval: rows of the evaluation file.
        repeats: how often training reads its file, as if it were so many, because rows take long to make. Files are
            read and parsed each time: only data that are trained on for several epochs are kept in memory.
    """

    train: int
    eval: int
    repeats: int


SIZES = {"taobao": SetSize(400_000, 100_000, 16), "tenrec": SetSize(1_000_000, 500_000, 32)}


@dataclass
class DataFiles:
    """The files of the synthetic sets, made when first asked for and not there.

    Attributes:
        folder: where they are.
        sizes: by the name of the set.
    """

    folder: Path
    sizes: Mapping[str, SetSize] = field(default_factory=lambda: SIZES)

    def overrides(self, workload: Workload, file_format: str = "parquet") -> list[str]:
        """Returns the changes of a config that make it read a format."""
        if workload.data_set is None:
            config = load_config(str(SAMPLES / workload.base)).pipeline
            paths = {"train": ROOT / config.train_input_path, "eval": ROOT / config.eval_input_path}
            endless = ["data_config.num_epochs=0", f"train_config.num_steps={_ENDLESS}"]
            return [f"train_input_path={paths['train']}", f"eval_input_path={paths['eval']}", *endless]
        paths = self._made(workload.data_set, file_format)
        kind = DatasetConfig.InputType.Name(
            DatasetConfig.CSVInput if file_format == "csv" else DatasetConfig.ParquetInput
        )
        return [
            f"train_input_path={','.join([str(paths['train'])] * self.sizes[workload.data_set].repeats)}",
            f"eval_input_path={paths['eval']}",
            f"data_config.input_type={kind}",
            "data_config.with_header=true",
            "data_config.num_epochs=1",
        ]

    def _made(self, name: str, file_format: str) -> dict[str, Path]:
        size = self.sizes[name]
        paths = {part: self.folder / name / f"{part}.{file_format}" for part in ("train", "eval")}
        if not all(path.exists() for path in paths.values()):
            options = {"out": self.folder / name, "eval_rows": size.eval, "format": file_format, "header": True}
            write(name, size.train, **options)
        return paths
