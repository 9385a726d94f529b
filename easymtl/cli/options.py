"""What several commands take: values of flags, and flags."""

import argparse
from collections.abc import Mapping, Sequence

from easymtl.errors import did_you_mean, quoted
from easymtl.reporting.output import FORMATS

_LEAST_PATIENCE = 5


class ShowVersions(argparse.Action):
    """A flag that shows the versions that matter and ends; they are looked up when it is there, and not before."""

    def __init__(self, option_strings, dest, help=None):
        super().__init__(option_strings, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser, namespace, values, option_string=None):
        """Prints them, and ends."""
        from easymtl.doctor.versions import version_text

        print(version_text())
        parser.exit()


def path(text: str) -> str:
    """Writes out `~`, which a shell leaves alone behind a comma or an "="."""
    if "~" not in text:
        # The first words wait for what is imported here.
        return text
    from easymtl.config.home import expand_home

    return expand_home(text)


def true_or_false(text: str) -> bool:
    """Reads a flag that may be said without a value."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f'"{text}" is neither true nor false')
    return text.lower() == "true"


def names(text: str) -> list[str]:
    """Reads a comma list; spaces around names, and empty ones, are left out."""
    return [name for name in map(str.strip, text.split(",")) if name]


def log_format(text: str) -> str:
    """Reads how a command speaks."""
    if text not in FORMATS:
        raise argparse.ArgumentTypeError(f'"{text}" is none of {quoted(FORMATS)}.{did_you_mean(text, FORMATS)}')
    return text


def whole_number(text: str) -> int:
    """Reads a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no whole number') from None


def seconds(text: str) -> float:
    """Reads a length of time, which is finite and above 0."""
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f'"{text}" is no number of seconds above 0')
    return number


def patience(text: str) -> float:
    """Reads how long a sign of life may be missing: workers send one each second, and may be busy for some."""
    number = seconds(text)
    if number < _LEAST_PATIENCE:
        raise argparse.ArgumentTypeError(f'"{text}" is below {_LEAST_PATIENCE}: a sign of life may be as late as that')
    return number


def add_verb(verbs, name: str, description: str, takes_config: bool = True) -> argparse.ArgumentParser:
    """Adds a command; one that takes a config takes what overrides its fields, too."""
    parser = verbs.add_parser(name, help=description, description=description, allow_abbrev=False)
    if takes_config:
        parser.add_argument(
            CONFIG_PLACE, nargs="?", type=path, metavar="CONFIG", help="the same as --pipeline_config CONFIG"
        )
        add_config(parser, "config in text format")
        add_overrides(parser, "override a field, e.g. --set train_config.num_steps=100; may be repeated")
        parser.add_argument(
            "--edit_config_json",
            metavar="JSON",
            help="override fields as EasyRec's flag does, before --set: "
            """'{"train_config.num_steps": 10, "feature_configs[:].embedding_dim": 8}'""",
        )
        add_field(parser, "model_dir", "DIR")
    _add_output(parser)
    return parser


def add_config(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Adds the flag of a config."""
    parser.add_argument("--pipeline_config", "--pipeline_config_path", type=path, metavar="FILE", help=help_text)


def add_places(parser: argparse.ArgumentParser, places: Mapping[str, str], metavar: str = "", nargs: str = "?") -> None:
    """Adds what a command looks at, one argument for each, or as many as come in the only one.

    The first of them may be a config that `--pipeline_config` names.

    Args:
        parser: of the command.
        places: name of the argument -> what the help says of it.
        metavar: as the help calls it; by default in capital letters.
        nargs: "?" or, for as many as come, "*".
    """
    for name, text in places.items():
        parser.add_argument(name, nargs=nargs, type=path, metavar=metavar or name.upper(), help=text)
    add_config(parser, f"config in text format, in place of the first {metavar or 'A'}")
    parser.set_defaults(**{PLACES: tuple(places)})


def _add_output(parser: argparse.ArgumentParser) -> None:
    """Adds how a command speaks."""
    parser.add_argument(
        LOG_FORMAT,
        type=log_format,
        default="text",
        metavar="FORM",
        help="text (default), or json: a line of JSON on standard output for all that happens",
    )
    parser.add_argument("--quiet", action="store_true", help="print only warnings, errors and the result")


LOG_FORMAT = "--log_format"
CONFIG_PLACE = "config_place"
"""Where the only positional argument of commands that take a config is kept."""
PLACES = "places_of_models"
"""Where it is kept how the arguments are called that may be a config, of commands that look at models."""


def take_config(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Makes the config that was named without a flag that of `--pipeline_config`.

    Where a command looks at a model, it is the other way around: the config stands where the first model does.
    Ends with exit code 2 where there is none, or where there are too many.
    """
    if hasattr(options, PLACES):
        _take_places(parser, options, getattr(options, PLACES))
    if not hasattr(options, CONFIG_PLACE):
        return
    place = getattr(options, CONFIG_PLACE)
    if place is None and options.pipeline_config is None:
        parser.error(f"name a config: {parser.prog} CONFIG, or --pipeline_config FILE.")
    if place is not None and options.pipeline_config not in (None, place):
        parser.error(
            f"two configs are named, {place} and --pipeline_config {options.pipeline_config}. Leave one of them out."
        )
    options.pipeline_config = options.pipeline_config or place


def _take_places(parser: argparse.ArgumentParser, options: argparse.Namespace, names: Sequence[str]) -> None:
    config, first = options.pipeline_config, getattr(options, names[0])
    metavars = [action.metavar for action in parser._actions if action.dest in names]
    wanted = f"{parser.prog} {' '.join(map(str, metavars))}, or --pipeline_config FILE in place of {metavars[0]}."
    if isinstance(first, list):
        found = [*([config] if config else []), *first]
        if not found:
            parser.error(f"name a {metavars[0]}: {wanted}")
        setattr(options, names[0], found)
        return
    found = [place for place in (config, *(getattr(options, name) for name in names)) if place is not None]
    if len(found) < len(names):
        parser.error(f"name {' and '.join(map(str, metavars))}: {wanted}")
    if len(found) > len(names):
        parser.error(f"too many are named: {quoted(found)}. Leave one of them out: {wanted}")
    for name, place in zip(names, found):
        setattr(options, name, place)


def add_overrides(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Adds the flag that overrides any field."""
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="PATH=VALUE", help=help_text)


def add_field(parser: argparse.ArgumentParser, field: str, metavar: str) -> None:
    """Adds a flag that is a field of the config, as EasyRec's commands have it."""
    parser.add_argument(f"--{field}", metavar=metavar, help=f"{field} in place of that of the config")


def add_training_fields(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that are fields of a training."""
    for field, metavar in (
        ("train_input_path", "PATHS"),
        ("eval_input_path", "PATHS"),
        ("fine_tune_checkpoint", "PATH"),
    ):
        add_field(parser, field, metavar)


def add_tasks(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of task towers."""
    parser.add_argument(
        "--tasks", type=names, metavar="A,B", help="the config with these task towers alone; default: all of them"
    )


def add_peers(parser: argparse.ArgumentParser) -> None:
    """Adds how long a worker waits for the others; see `easymtl launch`."""
    parser.add_argument(
        "--join_timeout",
        type=seconds,
        default=600.0,
        metavar="S",
        help="seconds that a worker of TF_CONFIG waits for the others to come; default: 600",
    )
    parser.add_argument(
        "--peer_timeout",
        type=patience,
        default=25.0,
        metavar="S",
        help="seconds without a sign of life behind which another worker is lost, and all end; 5 or more, default: 25",
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of a checkpoint."""
    parser.add_argument(
        "--checkpoint",
        type=path,
        default="latest",
        metavar="WHICH",
        help="latest (default), best, a step, or a checkpoint folder",
    )


def add_model_choice(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of what scores: a checkpoint or a SavedModel."""
    add_checkpoint(parser)
    parser.add_argument("--saved_model", type=path, metavar="DIR", help="use this SavedModel instead of a checkpoint")


def add_rows(parser: argparse.ArgumentParser, default: str = "") -> None:
    """Adds the files of the rows that are scored; without a default, said for people, they have to be named."""
    said = f"; default: {default}" if default else ""
    parser.add_argument(
        "--input",
        type=path,
        required=not default,
        metavar="PATHS",
        help=f"files, globs or folders, separated by commas{said}",
    )
