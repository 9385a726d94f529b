"""What is fuzzed: for each kind of untrusted bytes, the code that reads them and inputs to begin with."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.fuzz.judging import Try

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Target:
    """One way for untrusted bytes into the package.

    Attributes:
        name: of the target, and of the folder of its corpus.
        module: holds it, and imports what it needs: `tests.fuzz.<module>`.
        words: which a mutation may put into an input; those of the language that it is written in.
        most_bytes: of an input.
        needs_tensorflow: whether TensorFlow is imported for it.
    """

    name: str
    module: str
    words: tuple[str, ...] = ()
    most_bytes: int = 4096
    needs_tensorflow: bool = False

    def start(self, folder: Path) -> Try:
        """Returns what tries an input; it may write into a folder."""
        made: Callable[[Path], Try] = getattr(import_module(f"tests.fuzz.{self.module}"), f"try_{self.name}")
        return made(folder)

    def seeds(self) -> Iterable[bytes]:
        """Yields inputs to begin with, which are not kept as files."""
        make: Callable[[], Iterable[bytes]] | None = getattr(
            import_module(f"tests.fuzz.{self.module}"), f"seeds_of_{self.name}", None
        )
        return make() if make else ()

    def corpus(self) -> list[Path]:
        """Returns the inputs that are kept, each of which reached something new or was once a finding."""
        return sorted((CORPUS / self.name).glob("*"))


_PROTO = (*'{}[]<>:,;"#-\\', "true", "nan", "inf", "0x7fffffff", "1e999", "4294967295")
_EXPRESSION = (*"[]()^&|:0", "lambda x:", "x, i:", "**", "==", "...", "-1", "1e308", "tf.concat(", "tf.split(", "None")
_BLOCKS = (
    *("blocks { name: ", "inputs { block_name: ", "inputs { feature_group_name: ", "packages { name: ", "repeat { "),
    *("lambda { expression: ", "keras_layer { class_name: ", "num_repeat: ", "recurrent { ", "input_slice: "),
    *("input_fn: ", "merge_inputs_into_list: true", "package_name: ", "use_package_input: true", "concat_blocks: "),
    *("output_blocks: ", "extra_input_fn: ", "layers { ", "input_concat_axis: 1", "num_steps: ", "package_input: "),
)

TARGETS = {
    target.name: target
    for target in (
        Target("csv", "files", (",", '"', '""', "\r\n", "\r", "\n", "\t", "\ufeff", "1e999", "-0"), 1024),
        Target("tfrecord", "files", most_bytes=2048),
        Target("parquet", "files", most_bytes=4096),
        Target("config", "configs", _PROTO, 8192),
        Target("convert", "configs", _PROTO, 8192),
        Target("expression", "configs", _EXPRESSION, 512),
        Target("graph", "graphs", (*_BLOCKS, *_EXPRESSION), 4096, needs_tensorflow=True),
        Target("features", "rows", ("|", ";", ":", "nan", "1e39", "-1"), 512, needs_tensorflow=True),
        Target("rest", "bodies", ("instances", "inputs", "signature_name", "b64", "[", "]", "{", "}", "1e999", "NaN"),
               4096, needs_tensorflow=True),
        Target("grpc", "bodies", most_bytes=4096, needs_tensorflow=True),
    )
}  # fmt: skip
