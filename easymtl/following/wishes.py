"""What a user wants of a training that follows its data, and whether a config can be trained so."""

import math
import re
from dataclasses import dataclass

from easymtl.config import Config, view
from easymtl.data.memory import is_in_memory
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.following.choosing import Bounds
from easymtl.following.layout import bound_of
from easymtl.protos.data_pb2 import DatasetConfig

EXPORTS = ("full", "delta", "none")
LATE = ("skip", "train")
NEVER = "never"
DEFAULT_KEEP = 5
_LENGTH = re.compile(r"^(\d+(?:\.\d+)?)\s*([smhd]?)$")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Wishes:
    """How a training follows its data.

    Attributes:
        every: seconds between two looks at the folder; None ends when nothing is left to do.
        settle: seconds without a change after which a part is complete; infinity: by its marker alone.
        bounds: the parts that are wanted.
        export: `full`, `delta` or `none`: what is made of the model behind each part.
        keep: exports that stay.
    """

    every: float | None
    settle: float
    bounds: Bounds
    export: str
    keep: int

    @classmethod
    def of(
        cls,
        config: Config,
        every: float | None = None,
        settle: float = 600.0,
        until: str = "",
        begin: str = "",
        late: str = "skip",
        export: str | None = None,
        keep: int | None = None,
    ) -> "Wishes":
        """Returns the wishes, with what the config says where there are none.

        Raises:
            UserError: one of them cannot be.
        """
        settings = config.pipeline.export_config
        export = export or ("none" if settings.exporter_type == "none" else "full")
        _require_one_of("export", export, EXPORTS)
        _require_one_of("late", late, LATE)
        if every is not None and not 0 < every < math.inf:
            raise UserError("--every: it has to be a length of time above 0, such as 1h; --once looks once.")
        if not settle >= 0:
            raise UserError("--settle: it has to be a length of time, such as 10m, or 0.")
        if keep is None:
            keep = settings.exports_to_keep if settings.HasField("exports_to_keep") else DEFAULT_KEEP
        if keep < 1:
            raise UserError(f"--keep: {keep} is too small; at least 1 export has to stay.")
        first = bound_of(begin, "--from") if begin else ()
        last = bound_of(until, "--until") if until else ()
        if first and last and first[: len(last)] > last:
            raise UserError(f'--from "{begin}" is later than --until "{until}": there is no part between them.')
        return cls(every, settle, Bounds(first, last, late == "train"), export, keep)


def _require_one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(f'--{option} "{value}" is none of {quoted(allowed)}.{did_you_mean(value, allowed)}')


def length_of(text: str) -> float:
    """Returns the seconds of `90`, `90s`, `10m`, `1h`, `1d`; infinity of `never`.

    Raises:
        ValueError: it is no such text.
    """
    if text == NEVER:
        return math.inf
    match = _LENGTH.match(text.strip().lower())
    if not match:
        raise ValueError(f'"{text}" is no length of time: write 90s, 10m, 1h or 1d')
    return float(match[1]) * _SECONDS[match[2]]


def require_followable(config: Config) -> None:
    """Checks that each part can be trained on whole, and nothing but its end ends it.

    Raises:
        UserError: the config reads no files.
        ConfigError: it ends a training in the middle of a part, or never.
    """
    pipeline = config.pipeline
    if pipeline.data_config.input_type == DatasetConfig.DummyInput or is_in_memory(view.train_input(pipeline)):
        raise UserError(
            "follow trains on files, part after part, and the rows of this config are made up or in memory. Name the "
            "folder in which the parts appear: --train_input_path logs"
        )
    settings, epochs = pipeline.train_config, pipeline.data_config.num_epochs
    faults = []
    if settings.num_steps:
        passes = f" data_config.num_epochs ({epochs}) says how often each is read." if epochs else ""
        text = (
            f"is {settings.num_steps:,}, and so many steps in all would end the training in the middle of a part: "
            f"follow trains on each part whole.{passes} Set it to 0: --set train_config.num_steps=0."
        )
        faults.append(("train_config.num_steps", text))
    if not epochs:
        text = "is 0, which reads the first part for ever. Say how often each is read: --set data_config.num_epochs=1."
        faults.append(("data_config.num_epochs", text))
    if settings.dead_line:
        text = (
            'would end the training in the middle of a part. Leave it out, --set train_config.dead_line="": SIGTERM '
            "ends follow at any time, and --until behind a part."
        )
        faults.append(("train_config.dead_line", text))
    if pipeline.export_config.enable_early_stop:
        text = (
            "would leave out the rest of a part, and follow trains on each part whole: --set "
            "export_config.enable_early_stop=false."
        )
        faults.append(("export_config.enable_early_stop", text))
    if faults:
        raise config.error(faults)
