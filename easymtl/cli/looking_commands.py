"""The commands that tell how good a model is, and why."""

from easymtl.cli.options import (
    add_checkpoint,
    add_field,
    add_model_choice,
    add_overrides,
    add_peers,
    add_places,
    add_tasks,
    add_verb,
    names,
    path,
    whole_number,
)


def add_eval(verbs) -> None:
    """Adds `easymtl eval`."""
    parser = add_verb(verbs, "eval", "Evaluate a checkpoint or a SavedModel.")
    add_tasks(parser)
    add_model_choice(parser)
    add_field(parser, "eval_input_path", "PATHS")
    parser.add_argument(
        "--input", type=path, metavar="PATHS", help="data to evaluate on; default: the config's eval input"
    )
    parser.add_argument(
        "--output",
        type=path,
        metavar="FILE",
        help="where to write the result; default: eval_result.json in model_dir, "
        "eval_result_best.json or eval_result_step_N.json; nowhere with --input or --saved_model",
    )
    parser.add_argument("--by", type=names, metavar="A,B", help="also tell the metrics by the values of these columns")
    parser.add_argument(
        "--errors", type=whole_number, metavar="N", help="also keep the N rows with the largest loss of each task"
    )
    parser.add_argument(
        "--errors_output", type=path, metavar="FILE", help="where to; default: eval_errors.parquet in model_dir"
    )
    add_peers(parser)


def add_importance(verbs) -> None:
    """Adds `easymtl importance`."""
    parser = add_verb(verbs, "importance", "Rank the features of a checkpoint by what each task loses without them.")
    add_tasks(parser)
    add_checkpoint(parser)
    parser.add_argument(
        "--input", type=path, metavar="PATHS", help="data to measure on; default: the config's eval input"
    )
    parser.add_argument("--metric", metavar="NAME", help="loss, or a metric of the towers; default: the first of each")
    parser.add_argument("--by", metavar="WAY", help="what is permuted: feature (default), input, group")
    parser.add_argument(
        "--by_row",
        type=whole_number,
        metavar="N",
        help="tell of each of the first N rows which features moved its scores, in place of a ranking",
    )
    parser.add_argument(
        "--repeats",
        type=whole_number,
        metavar="N",
        help="permutations of each, default: 5; with --by_row other rows that each row meets, default: 100",
    )
    parser.add_argument(
        "--rows", type=whole_number, metavar="N", help="the first N rows; default: 100000, with --by_row 10000"
    )
    parser.add_argument("--seed", type=whole_number, metavar="S", help="of the permutations and draws; default: 0")
    parser.add_argument("--output", type=path, metavar="FILE", help="a .csv or .json file to write the ranking to")
    parser.add_argument(
        "--plot", type=path, metavar="FILE", help="a .svg, .png or .pdf file to draw the ranking in; needs matplotlib"
    )
    parser.add_argument(
        "--variational",
        action="store_true",
        help="write what variational_dropout has learnt, model_dir/feature_importance_GROUP.csv; reads no data",
    )


def add_compare(verbs) -> None:
    """Adds `easymtl compare`."""
    description = "Train two configs with the same seeds, and tell whether B is better than A, with an interval."
    parser = add_verb(verbs, "compare", description, takes_config=False)
    add_places(parser, dict.fromkeys("ab", "a config, or model_dirs that were trained, separated by commas"))
    parser.add_argument(
        "--seeds", type=whole_number, default=5, metavar="N", help="trainings of each config; default: 5"
    )
    add_overrides(parser, "override a field of both; may be repeated")
    parser.add_argument("--input", type=path, metavar="PATHS", help="rows to compare on; default: those of eval")
    add_checkpoint(parser)
    parser.add_argument(
        "--work_dir",
        type=path,
        default="model_dir/compare",
        metavar="DIR",
        help="where trainings are kept: what is done is not done again; default: model_dir/compare",
    )
    parser.add_argument(
        "--resamples", type=whole_number, default=200, metavar="N", help="draws of rows for the errors; default: 200"
    )
    parser.add_argument(
        "--output", type=path, metavar="FILE", help="the result as JSON; default: compare.json in --work_dir"
    )


def add_report(verbs) -> None:
    """Adds `easymtl report`."""
    parser = add_verb(
        verbs, "report", "Write a page about a training, or about several side by side.", takes_config=False
    )
    text = "the folder of a training, or its config; others are compared with the first"
    add_places(parser, {"model_dirs": text}, "MODEL_DIR", nargs="*")
    parser.add_argument("--out", type=path, default="report.html", metavar="FILE", help="default: report.html")
    add_checkpoint(parser)
    parser.add_argument(
        "--input", type=path, metavar="PATHS", help="data to score; default: the eval input of each config"
    )
    parser.add_argument("--by", type=names, metavar="A,B", help="also tell the metrics by the values of these columns")
    parser.add_argument(
        "--rows", type=whole_number, default=200_000, metavar="N", help="the first N rows; default: 200000; 0 is all"
    )
    parser.add_argument(
        "--importance_rows",
        type=whole_number,
        default=5_000,
        metavar="N",
        help="rows for the importance of features; default: 5000; 0 leaves it out",
    )


def add_board(verbs) -> None:
    """Adds `easymtl board`."""
    parser = add_verb(verbs, "board", "Look at trainings in TensorBoard.", takes_config=False)
    add_places(parser, {"model_dir": "of a training, or its config, or a folder of several"}, "MODEL_DIR")
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1; 0.0.0.0 is everywhere")
    parser.add_argument("--port", type=whole_number, default=6006, metavar="N", help="default: 6006; 0 is any free one")
    parser.add_argument(
        "--embeddings", metavar="FEATURE", help="show the vectors of this feature's values, of the newest checkpoint"
    )
