"""The commands, and what each of them takes."""

import argparse

from easymtl.cli.options import (
    ShowVersions,
    add_checkpoint,
    add_field,
    add_model_choice,
    add_rows,
    add_tasks,
    add_training_fields,
    add_verb,
    names,
    path,
    seconds,
    true_or_false,
    whole_number,
)
from easymtl.cli.parser import Parser

_EPILOG = """\
first steps:
  easymtl synth livestream --rows 1000000
  easymtl train --pipeline_config samples/configs/dbmtl_on_livestream.config

The config language is described in docs/config.md.
"""


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
    scoring = (_add_train, _add_eval, _add_export, _add_predict, _add_importance)
    around = (_add_synth, _add_import, _add_convert, _add_doctor, _add_completion)
    for add in (_add_init, *scoring, _add_compare, _add_tune, _add_board, _add_serve, _add_verify, _add_check, *around):
        add(verbs)
    parser.verbs = verbs.choices
    return parser


def _add_train(verbs) -> None:
    parser = add_verb(verbs, "train", "Train, evaluate at checkpoints, export; run again to continue.")
    add_tasks(parser)
    parser.add_argument(
        "--new_data",
        action="store_true",
        help="train on with other files than those of the checkpoint, from their beginning",
    )
    add_training_fields(parser)
    parser.add_argument(
        "--continue_train",
        nargs="?",
        const=True,
        default=True,
        type=true_or_false,
        metavar="BOOL",
        help="true (default) goes on from the newest checkpoint in model_dir; false refuses a model_dir that has one",
    )


def _add_eval(verbs) -> None:
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


def _add_export(verbs) -> None:
    parser = add_verb(verbs, "export", "Write a SavedModel and prove that it scores as the checkpoint does.")
    add_tasks(parser)
    parser.add_argument(
        "--checkpoint",
        type=path,
        metavar="WHICH",
        help="latest, best, a step, or a checkpoint folder; default: best with exporter_type: best, else latest",
    )
    parser.add_argument(
        "--export_dir", type=path, metavar="DIR", help="where to write; default: model_dir/export/final"
    )
    parser.add_argument(
        "--since",
        type=path,
        metavar="BASE",
        help="write what has changed since BASE alone: the number or the folder of an earlier export, or a step",
    )


def _add_predict(verbs) -> None:
    parser = add_verb(verbs, "predict", "Score CSV, Parquet or TFRecord files into a Parquet file.")
    add_tasks(parser)
    add_model_choice(parser)
    add_rows(parser)
    parser.add_argument(
        "--output", type=path, required=True, metavar="PATH", help="a .parquet file or a folder, local or s3://"
    )
    parser.add_argument("--keep", default="", metavar="A,B", help="input columns to keep beside the scores")


def _add_board(verbs) -> None:
    parser = add_verb(verbs, "board", "Look at trainings in TensorBoard.", takes_config=False)
    parser.add_argument("model_dir", type=path, metavar="MODEL_DIR", help="of a training, or a folder of several")
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1; 0.0.0.0 is everywhere")
    parser.add_argument("--port", type=whole_number, default=6006, metavar="N", help="default: 6006; 0 is any free one")
    parser.add_argument(
        "--embeddings", metavar="FEATURE", help="show the vectors of this feature's values, of the newest checkpoint"
    )


def _add_serve(verbs) -> None:
    parser = add_verb(
        verbs, "serve", "Serve an export over REST and gRPC, with a page to try it; for the desk.", takes_config=False
    )
    parser.add_argument(
        "export",
        type=path,
        metavar="EXPORT",
        help="an export or a delta, or a folder of numbered ones: the newest is served, and swapped",
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1; 0.0.0.0 is everywhere")
    for name, port in (("rest", 8501), ("grpc", 8500)):
        parser.add_argument(
            f"--{name}_port", type=whole_number, default=port, metavar="N", help=f"default: {port}; 0 is any free one"
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
            f"--{name}", type=whole_number, default=default, metavar="N", help=f"{text}; default: {default}"
        )
    parser.add_argument(
        "--timeout", type=seconds, default=30.0, metavar="S", help="seconds until a request is given up; default: 30"
    )


def _add_verify(verbs) -> None:
    parser = add_verb(
        verbs, "verify", "Score rows with an export in every way that clients call it, and compare.", takes_config=False
    )
    parser.add_argument(
        "export",
        type=path,
        metavar="EXPORT",
        help="an export, or a folder of numbered ones, of which the newest is taken",
    )
    add_rows(parser)
    parser.add_argument(
        "--with",
        dest="ways",
        type=names,
        metavar="A,B",
        help="tensorflow, saved_model_cli, c, rest, grpc, onnx, openvino, triton; default: all that can be used",
    )
    parser.add_argument(
        "--write", type=path, metavar="FOLDER", help="join a delta and write the version into FOLDER, for other servers"
    )
    parser.add_argument("--rows", type=whole_number, default=1000, metavar="N", help="the first N rows; default: 1000")
    parser.add_argument(
        "--pipeline_config",
        "--pipeline_config_path",
        type=path,
        metavar="FILE",
        help="config in text format; default: the one that the export holds",
    )
    parser.add_argument(
        "--checkpoint",
        type=path,
        metavar="WHICH",
        help="what is right: latest, best, a step, or a checkpoint folder; default: what it was exported from, if "
        "that is still there, else the export's serving_default",
    )
    parser.add_argument("--rest", metavar="URL", help="a server of REST that runs, such as http://localhost:8501")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="a server of gRPC that runs, such as localhost:8500")
    parser.add_argument("--model_name", metavar="NAME", help="of the model there; default: as in the model card")


def _add_importance(verbs) -> None:
    parser = add_verb(verbs, "importance", "Rank the features of a checkpoint by what each task loses without them.")
    add_tasks(parser)
    add_checkpoint(parser)
    parser.add_argument(
        "--input", type=path, metavar="PATHS", help="data to measure on; default: the config's eval input"
    )
    parser.add_argument("--metric", metavar="NAME", help="loss, or a metric of the towers; default: the first of each")
    parser.add_argument("--by", metavar="WAY", help="what is permuted: feature (default), input, group")
    parser.add_argument("--repeats", type=whole_number, metavar="N", help="permutations of each; default: 5")
    parser.add_argument("--rows", type=whole_number, metavar="N", help="the first N rows; default: 100000")
    parser.add_argument("--seed", type=whole_number, metavar="S", help="of the permutations; default: 0")
    parser.add_argument("--output", type=path, metavar="FILE", help="a .csv or .json file to write the ranking to")
    parser.add_argument(
        "--plot", type=path, metavar="FILE", help="a .svg, .png or .pdf file to draw the ranking in; needs matplotlib"
    )
    parser.add_argument(
        "--variational",
        action="store_true",
        help="write what variational_dropout has learnt, model_dir/feature_importance_GROUP.csv; reads no data",
    )


def _add_compare(verbs) -> None:
    description = "Train two configs with the same seeds, and tell whether B is better than A, with an interval."
    parser = add_verb(verbs, "compare", description, takes_config=False)
    for side in ("a", "b"):
        help_text = "a config, or model_dirs that were trained, separated by commas"
        parser.add_argument(side, type=path, metavar=side.upper(), help=help_text)
    parser.add_argument(
        "--seeds", type=whole_number, default=5, metavar="N", help="trainings of each config; default: 5"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="override a field of both; may be repeated",
    )
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


def _add_tune(verbs) -> None:
    parser = add_verb(verbs, "tune", "Search better values of a config's fields; run again to go on.")
    add_training_fields(parser)
    parser.add_argument(
        "--space", type=path, required=True, metavar="FILE", help="what is searched, see docs/guides/tuning.md"
    )
    parser.add_argument(
        "--trials", type=whole_number, required=True, metavar="N", help="trials in all, those of earlier runs counted"
    )
    parser.add_argument(
        "--study", type=path, metavar="DIR", help="where trials are kept; default: the model_dir with _study behind it"
    )
    parser.add_argument(
        "--metric",
        type=names,
        default=[],
        metavar="A,B",
        help="what is made better: one result, such as auc or auc_click, or several for a Pareto front; "
        "default: what decides which evaluation of a training is the best",
    )
    parser.add_argument("--seeds", type=whole_number, default=1, metavar="K", help="trainings of a trial; default: 1")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="seconds after which no further trial begins")
    parser.add_argument("--jobs", type=whole_number, default=1, metavar="N", help="trials at a time; default: 1")


def _add_check(verbs) -> None:
    parser = add_verb(verbs, "check", "Check a config, and the data against it, without training.")
    add_tasks(parser)
    add_training_fields(parser)
    parser.add_argument("--network", action="store_true", help="also build the model and print it")


def _add_synth(verbs) -> None:
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


def _add_import(verbs) -> None:
    parser = add_verb(verbs, "import-checkpoint", "Bring a checkpoint of EasyRec into a new model_dir.")
    parser.add_argument(
        "--from",
        dest="source",
        type=path,
        required=True,
        metavar="PATH",
        help='".../model.ckpt-1000", or a folder with a file "checkpoint"',
    )
    parser.add_argument(
        "--fresh_optimizer", action="store_true", help="leave the optimizer slots there, and begin at step 0"
    )
    parser.add_argument("--partial", action="store_true", help="import what fits; the rest starts as in a new model")


def _add_convert(verbs) -> None:
    parser = add_verb(verbs, "convert", "Turn a config of TorchEasyRec into one of easymtl.", takes_config=False)
    parser.add_argument("config", type=path, metavar="FILE", help="config of TorchEasyRec, in text format")
    parser.add_argument("--out", type=path, metavar="FILE", help="where to write; default: standard output")


def _add_doctor(verbs) -> None:
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


def _add_completion(verbs) -> None:
    parser = add_verb(verbs, "completion", "Print a script that completes commands in a shell.", takes_config=False)
    parser.add_argument("shell", metavar="SHELL", help="bash, zsh or fish")
    parser.set_defaults(parser_of_all=build_parser)


def _add_init(verbs) -> None:
    parser = add_verb(verbs, "init", "Draft a config from a table and the names of its labels.", takes_config=False)
    parser.add_argument(
        "data", type=path, metavar="DATA", help="Parquet or CSV: files, globs or folders, separated by commas"
    )
    parser.add_argument(
        "--labels",
        type=names,
        default=[],
        metavar="A,B",
        help="the columns to learn; default: those of --like or --schema",
    )
    parser.add_argument("--model", metavar="NAME", help="mmoe (default), dbmtl, ple, ...: an architecture")
    parser.add_argument("--out", type=path, metavar="FILE", help="the config; default: a name made of that of the data")
    parser.add_argument(
        "--eval", type=path, metavar="DATA", help="rows to judge by; default: a tenth of the rows is kept for that"
    )
    parser.add_argument("--preset", default="small", metavar="SIZE", help="small (default), or strong: wider, longer")
    parser.add_argument(
        "--schema", type=path, metavar="FILE", help="schema.pbtxt of Merlin or TFX, which tells what columns are"
    )
    parser.add_argument(
        "--like", type=path, metavar="FILE", help="a config whose features and labels are kept; new columns are added"
    )
    for role, what in (("user", "users"), ("session", "requests")):
        parser.add_argument(f"--{role}", metavar="COLUMN", help=f"tells {what} apart; default: found by its name")
    parser.add_argument("--time", metavar="COLUMN", help="when a row happened; default: found by its type or name")
    parser.add_argument("--ignore", type=names, default=[], metavar="A,B", help="columns that nothing shall read")
    parser.add_argument("--columns", type=names, metavar="A,B", help="names of the columns of CSV without a header")
    parser.add_argument("--model_dir", type=path, metavar="DIR", help="default: model_dir/ and the name of the config")
    parser.add_argument("--force", action="store_true", help="write over a config, and parts of rows, that are there")
