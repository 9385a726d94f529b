"""The command line: arguments to one verb.

Nothing heavy is imported before it is needed: `easymtl --help` and `easymtl check` answer without TensorFlow.
"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from easymtl import __version__
from easymtl.errors import Interrupted, UserError, did_you_mean, quoted

_EXIT_USER_ERROR = 2
_EXIT_INTERRUPTED = 130
# They name no file when they meet the writing, rather than the opening, of one.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)

_PATHS = (
    "pipeline_config",
    "input",
    "output",
    "plot",
    "export_dir",
    "checkpoint",
    "saved_model",
    "source",
    "out",
    "config",
    "export",
)

_EPILOG = """\
first steps:
  easymtl synth livestream --rows 1000000
  easymtl train --pipeline_config samples/configs/dbmtl_on_livestream.config

The config language is described in docs/config.md.
"""


class _Parser(argparse.ArgumentParser):
    """Refuses what it does not know, and says what was probably meant."""

    verbs: Mapping[str, "_Parser"] = {}

    def refuse_unknown(self, arguments: Sequence[str]) -> None:
        """Ends with exit code 2 at a command or a flag that does not exist.

        A mistyped flag is named before the required one that is missing because of it.
        """
        if not arguments:
            self.error(f"name a COMMAND: {quoted(self.verbs)}.")
        command = arguments[0]
        if command.startswith("-"):
            self._refuse_flags(arguments[:1])
            return
        if command not in self.verbs:
            self.error(f'there is no command "{command}" ({quoted(self.verbs)}).{did_you_mean(command, self.verbs)}')
        self.verbs[command]._refuse_flags(arguments[1:], self.verbs)

    def _refuse_flags(self, arguments: Sequence[str], verbs: Mapping[str, "_Parser"] | None = None) -> None:
        known = self._option_string_actions
        for flag in (text.split("=")[0] for text in arguments if text.startswith("--")):
            if flag not in known:
                self.error(f"unknown argument {flag}.{self._hint(flag, verbs or {})}")

    def _hint(self, flag: str, verbs: Mapping[str, "_Parser"]) -> str:
        """Returns what to write in the place of a flag that does not exist."""
        from easymtl.config.easyrec_flags import COUNTERPARTS

        known = self._option_string_actions
        ours = COUNTERPARTS.get(flag, "")
        if ours and (ours in known or ours[:2] != "--" or " " in ours):
            return f" In place of EasyRec's {flag}: {ours}."
        others = [name for name, verb in verbs.items() if flag in verb._option_string_actions]
        if others:
            return f" It is a flag of {quoted(others)}."
        return did_you_mean(flag, known) or f" There are {quoted(name for name in known if name[:2] == '--')}."

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2 and one line."""
        self.exit(_EXIT_USER_ERROR, f"{self.prog}: {message}\nRun {self.prog} --help for what is allowed.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0, 2 for a mistake of the user's, 130 when interrupted."""
    parser = build_parser()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser.refuse_unknown(arguments)
    options = parser.parse_args(arguments)
    _expand_paths(options)
    verb = importlib.import_module("easymtl.verbs." + options.verb.replace("-", "_"))
    try:
        _take_edits(options)
        verb.run(options)
        sys.stdout.flush()
        return 0
    except UserError as error:
        print(f"easymtl {options.verb}: {error}", file=sys.stderr)
        return _EXIT_USER_ERROR
    except BrokenPipeError:
        # Whoever read the output has closed it, as `head` does; Python must not fail at flushing it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_USER_ERROR
    except OSError as error:
        if error.filename is None and error.errno not in _DISK_ERRORS:
            raise
        place = f"{error.filename}: " if error.filename is not None else ""
        print(f"easymtl {options.verb}: {place}{error.strerror}.", file=sys.stderr)
        return _EXIT_USER_ERROR
    except Interrupted:
        return _EXIT_INTERRUPTED
    except KeyboardInterrupt:
        print(f"easymtl {options.verb}: interrupted.", file=sys.stderr)
        return _EXIT_INTERRUPTED


def _expand_paths(options: argparse.Namespace) -> None:
    """Writes out `~`, which a shell leaves alone behind a comma or an "="."""
    from easymtl.config.home import expand_home

    for name in _PATHS:
        if getattr(options, name, None):
            setattr(options, name, expand_home(getattr(options, name)))


def _take_edits(options: argparse.Namespace) -> None:
    """Puts what flags say of fields before what `--set` says, which has the last word."""
    if not hasattr(options, "edit_config_json"):
        return
    from easymtl.config.edits import FLAGS, overrides_of

    flags = {name: getattr(options, name, None) for name in FLAGS}
    options.overrides = [*overrides_of(flags, options.edit_config_json), *options.overrides]


def build_parser() -> _Parser:
    """Returns the parser of all commands."""
    parser = _Parser(
        prog="easymtl",
        description="Multi-task ranking models from a text config: train, evaluate, export, score.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"easymtl {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND", parser_class=_Parser)
    scoring = (_add_train, _add_eval, _add_export, _add_predict, _add_importance)
    for add in (*scoring, _add_serve, _add_check, _add_synth, _add_import, _add_convert):
        add(verbs)
    parser.verbs = verbs.choices
    return parser


def _verb(verbs, name: str, description: str, takes_config: bool = True) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=description, description=description, allow_abbrev=False)
    if takes_config:
        parser.add_argument(
            "--pipeline_config", "--pipeline_config_path", required=True, metavar="FILE", help="config in text format"
        )
        parser.add_argument(
            "--set",
            dest="overrides",
            action="append",
            default=[],
            metavar="PATH=VALUE",
            help="override a field, e.g. --set train_config.num_steps=100; may be repeated",
        )
        parser.add_argument(
            "--edit_config_json",
            metavar="JSON",
            help="override fields as EasyRec's flag does, before --set: "
            """'{"train_config.num_steps": 10, "feature_configs[:].embedding_dim": 8}'""",
        )
        _add_field(parser, "model_dir", "DIR")
    return parser


def _add_field(parser: argparse.ArgumentParser, field: str, metavar: str) -> None:
    """Adds a flag that is a field of the config, as EasyRec's commands have it."""
    parser.add_argument(f"--{field}", metavar=metavar, help=f"{field} in place of that of the config")


def _add_training_fields(parser: argparse.ArgumentParser) -> None:
    for field, metavar in (
        ("train_input_path", "PATHS"),
        ("eval_input_path", "PATHS"),
        ("fine_tune_checkpoint", "PATH"),
    ):
        _add_field(parser, field, metavar)


def _true_or_false(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f'"{text}" is neither true nor false')
    return text.lower() == "true"


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tasks", type=_names, metavar="A,B", help="the config with these task towers alone; default: all of them"
    )


def _names(text: str) -> list[str]:
    return [name for name in map(str.strip, text.split(",")) if name]


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no whole number') from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f'"{text}" is no number of seconds above 0')
    return seconds


def _add_train(verbs) -> None:
    parser = _verb(verbs, "train", "Train, evaluate at checkpoints, export; run again to continue.")
    _add_tasks(parser)
    parser.add_argument(
        "--new_data",
        action="store_true",
        help="train on with other files than those of the checkpoint, from their beginning",
    )
    _add_training_fields(parser)
    parser.add_argument(
        "--continue_train",
        nargs="?",
        const=True,
        default=True,
        type=_true_or_false,
        metavar="BOOL",
        help="true (default) goes on from the newest checkpoint in model_dir; false refuses a model_dir that has one",
    )


def _add_eval(verbs) -> None:
    parser = _verb(verbs, "eval", "Evaluate a checkpoint or a SavedModel.")
    _add_tasks(parser)
    _add_model_choice(parser)
    _add_field(parser, "eval_input_path", "PATHS")
    parser.add_argument("--input", metavar="PATHS", help="data to evaluate on; default: the config's eval input")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write the result; default: eval_result.json in model_dir, "
        "eval_result_best.json or eval_result_step_N.json; nowhere with --input or --saved_model",
    )


def _add_export(verbs) -> None:
    parser = _verb(verbs, "export", "Write a SavedModel and prove that it scores as the checkpoint does.")
    _add_tasks(parser)
    parser.add_argument(
        "--checkpoint",
        metavar="WHICH",
        help="latest, best, a step, or a checkpoint folder; default: best with exporter_type: best, else latest",
    )
    parser.add_argument("--export_dir", metavar="DIR", help="where to write; default: model_dir/export/final")


def _add_predict(verbs) -> None:
    parser = _verb(verbs, "predict", "Score CSV or Parquet files into a Parquet file.")
    _add_tasks(parser)
    _add_model_choice(parser)
    parser.add_argument("--input", required=True, metavar="PATHS", help="files, globs or folders, separated by commas")
    parser.add_argument("--output", required=True, metavar="PATH", help="a .parquet file or a folder, local or s3://")
    parser.add_argument("--keep", default="", metavar="A,B", help="input columns to keep beside the scores")


def _add_serve(verbs) -> None:
    parser = _verb(
        verbs, "serve", "Serve an export over REST and gRPC, with a page to try it; for the desk.", takes_config=False
    )
    parser.add_argument(
        "export", metavar="EXPORT", help="an export, or a folder of numbered ones: the newest is served, and swapped"
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1; 0.0.0.0 is everywhere")
    for name, port in (("rest", 8501), ("grpc", 8500)):
        parser.add_argument(
            f"--{name}_port", type=_whole_number, default=port, metavar="N", help=f"default: {port}; 0 is any free one"
        )
    parser.add_argument(
        "--model_name", metavar="NAME", help="as requests call it; default: as in the model card, by its model_dir"
    )
    for name, default, text in (
        ("max_batch_rows", 256, "most rows of several requests that are computed at once; 1 is no batching"),
        ("max_rows", 10_000, "most rows of one request"),
        ("max_bytes", 16 << 20, "most bytes of one request"),
    ):
        parser.add_argument(
            f"--{name}", type=_whole_number, default=default, metavar="N", help=f"{text}; default: {default}"
        )
    parser.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="S", help="seconds until a request is given up; default: 30"
    )


def _add_importance(verbs) -> None:
    parser = _verb(verbs, "importance", "Rank the features of a checkpoint by what each task loses without them.")
    _add_tasks(parser)
    _add_checkpoint(parser)
    parser.add_argument("--input", metavar="PATHS", help="data to measure on; default: the config's eval input")
    parser.add_argument("--metric", metavar="NAME", help="loss, or a metric of the towers; default: the first of each")
    parser.add_argument("--by", metavar="WAY", help="what is permuted: feature (default), input, group")
    parser.add_argument("--repeats", type=_whole_number, metavar="N", help="permutations of each; default: 5")
    parser.add_argument("--rows", type=_whole_number, metavar="N", help="the first N rows; default: 100000")
    parser.add_argument("--seed", type=_whole_number, metavar="S", help="of the permutations; default: 0")
    parser.add_argument("--output", metavar="FILE", help="a .csv or .json file to write the ranking to")
    parser.add_argument(
        "--plot", metavar="FILE", help="a .svg, .png or .pdf file to draw the ranking in; needs matplotlib"
    )
    parser.add_argument(
        "--variational",
        action="store_true",
        help="write what variational_dropout has learnt, model_dir/feature_importance_GROUP.csv; reads no data",
    )


def _add_check(verbs) -> None:
    parser = _verb(verbs, "check", "Check a config, and the data against it, without training.")
    _add_tasks(parser)
    _add_training_fields(parser)
    parser.add_argument("--network", action="store_true", help="also build the model and print it")


def _add_synth(verbs) -> None:
    parser = _verb(verbs, "synth", "Make data whose best reachable quality is known.", takes_config=False)
    parser.add_argument("name", metavar="NAME", help="livestream, tenrec, taobao, funnel, feed, posts or mmoe_paper")
    parser.add_argument("--rows", type=_whole_number, default=1_000_000, metavar="N", help="rows of the training file")
    parser.add_argument(
        "--eval_rows", type=_whole_number, metavar="N", help="default: a fifth of --rows, at most 200,000"
    )
    parser.add_argument(
        "--seed", type=_whole_number, default=0, metavar="S", help="another seed is another hidden model"
    )
    parser.add_argument("--out", metavar="DIR", help="default: samples/data/NAME, where the sample configs read")
    parser.add_argument("--format", metavar="FORMAT", help="parquet or csv; default: what the sample configs read")
    parser.add_argument("--header", action="store_true", help="begin CSV files with the names of the columns")
    parser.add_argument(
        "--histories", metavar="FORM", help="of feed: lists (default in parquet) or text (default in csv): a|b|c"
    )


def _add_import(verbs) -> None:
    parser = _verb(verbs, "import-checkpoint", "Bring a checkpoint of EasyRec into a new model_dir.")
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="PATH",
        help='".../model.ckpt-1000", or a folder with a file "checkpoint"',
    )
    parser.add_argument(
        "--fresh_optimizer", action="store_true", help="leave the optimizer slots there, and begin at step 0"
    )
    parser.add_argument("--partial", action="store_true", help="import what fits; the rest starts as in a new model")


def _add_convert(verbs) -> None:
    parser = _verb(verbs, "convert", "Turn a config of TorchEasyRec into one of easymtl.", takes_config=False)
    parser.add_argument("config", metavar="FILE", help="config of TorchEasyRec, in text format")
    parser.add_argument("--out", metavar="FILE", help="where to write; default: standard output")


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", default="latest", metavar="WHICH", help="latest (default), best, a step, or a checkpoint folder"
    )


def _add_model_choice(parser: argparse.ArgumentParser) -> None:
    _add_checkpoint(parser)
    parser.add_argument("--saved_model", metavar="DIR", help="use this SavedModel instead of a checkpoint")


if __name__ == "__main__":
    sys.exit(main())
