"""The commands around models: data, the installation, the shell."""

from easymtl.cli.options import (
    add_verb,
    path,
    whole_number,
)


def add_synth(verbs) -> None:
    """Adds `easymtl synth`."""
    parser = add_verb(verbs, "synth", "Make data whose best reachable quality is known.", takes_config=False)
    parser.add_argument("name", metavar="NAME", help="livestream, tenrec, taobao, funnel, feed, posts or mmoe_paper")
    parser.add_argument("--rows", type=whole_number, default=1_000_000, metavar="N", help="rows of the training file")
    parser.add_argument(
        "--eval_rows", type=whole_number, metavar="N", help="default: a fifth of --rows, at most 200,000"
    )
    parser.add_argument(
        "--seed", type=whole_number, default=0, metavar="S", help="another seed is another hidden model"
    )
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="default: samples/data/NAME, where the sample configs read"
    )
    parser.add_argument("--format", metavar="FORMAT", help="parquet or csv; default: what the sample configs read")
    parser.add_argument("--header", action="store_true", help="begin CSV files with the names of the columns")
    parser.add_argument(
        "--histories", metavar="FORM", help="of feed: lists (default in parquet) or text (default in csv): a|b|c"
    )


def add_doctor(verbs) -> None:
    """Adds `easymtl doctor`."""
    parser = add_verb(verbs, "doctor", "See whether this installation works, and why not.", takes_config=False)
    # Without a type that imports something: it has to run where imports fail.
    parser.add_argument(
        "--model_dir",
        default=".",
        metavar="DIR",
        help="whose disk is looked at; default: the current folder",
    )
    parser.add_argument(
        "--seconds", type=whole_number, default=5, metavar="N", help="how long is trained; default: 5; 0 trains nothing"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object in place of text")


def add_completion(verbs) -> None:
    """Adds `easymtl completion`."""
    parser = add_verb(verbs, "completion", "Print a script that completes commands in a shell.", takes_config=False)
    parser.add_argument("shell", metavar="SHELL", help="bash, zsh or fish")
