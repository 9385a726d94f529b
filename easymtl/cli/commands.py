"""The commands; what each of them takes stands beside, by what commands are for."""

import argparse

from easymtl.cli import looking_commands, serving_commands, surrounding_commands, training_commands
from easymtl.cli.options import ShowVersions
from easymtl.cli.parser import Parser

_EPILOG = """\
first steps:
  easymtl synth livestream --rows 1000000
  easymtl train --pipeline_config samples/configs/dbmtl_on_livestream.config

The config language is described in docs/config.md.
"""


# In the order in which help lists them.
_ADD = (
    training_commands.add_init,
    training_commands.add_check,
    training_commands.add_plan,
    training_commands.add_train,
    training_commands.add_follow,
    training_commands.add_launch,
    training_commands.add_tune,
    looking_commands.add_eval,
    serving_commands.add_export,
    serving_commands.add_predict,
    looking_commands.add_importance,
    looking_commands.add_report,
    looking_commands.add_board,
    looking_commands.add_compare,
    serving_commands.add_verify,
    serving_commands.add_serve,
    surrounding_commands.add_synth,
    training_commands.add_import,
    training_commands.add_convert,
    surrounding_commands.add_doctor,
    surrounding_commands.add_completion,
)


def build_parser() -> Parser:
    """Returns the parser of all commands."""
    parser = Parser(
        prog="easymtl",
        description="Multi-task ranking models from a text config: train, evaluate, export, score.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=ShowVersions, help="show the versions that matter, and exit")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND", parser_class=Parser)
    for add in _ADD:
        add(verbs)
    verbs.choices["completion"].set_defaults(parser_of_all=build_parser)
    parser.verbs = verbs.choices
    return parser
