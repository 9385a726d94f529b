"""The commands that bring a model about, from `init` and `check` to `train`, `launch` and `tune`."""

from easymtl.cli.options import (
    add_field,
    add_peers,
    add_tasks,
    add_training_fields,
    add_verb,
    names,
    path,
    seconds,
    true_or_false,
    whole_number,
)


def add_init(verbs) -> None:
    """Adds `easymtl init`."""
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
        "--eval", type=path, metavar="DATA", help="rows to judge by; default: a part of the rows is kept for that"
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


def add_check(verbs) -> None:
    """Adds `easymtl check`."""
    parser = add_verb(verbs, "check", "Check a config, and the data against it, without training.")
    add_tasks(parser)
    add_training_fields(parser)
    parser.add_argument("--network", action="store_true", help="also build the model and print it")
    parser.add_argument(
        "--workers",
        type=whole_number,
        default=1,
        metavar="N",
        help="also tell what each of so many workers would hold and send",
    )


def add_plan(verbs) -> None:
    """Adds `easymtl plan`."""
    parser = add_verb(
        verbs, "plan", "Tell what a training with several workers will need and how fast it will be, without training."
    )
    add_tasks(parser)
    add_field(parser, "train_input_path", "PATHS")
    parser.add_argument(
        "--workers", type=whole_number, default=1, metavar="N", help="workers, each with a device; default: 1"
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="what each worker has: cpu, or a GPU such as a100-80gb; default: that which was measured",
    )
    parser.add_argument(
        "--memory", metavar="SIZE", help="what a worker may take, such as 64GiB; default: that of the device or machine"
    )
    parser.add_argument(
        "--host_memory",
        metavar="SIZE",
        help="what the machine of a GPU has for each worker, such as 256GiB: tables with embedding_on_cpu",
    )
    parser.add_argument(
        "--bandwidth", metavar="SPEED", help="between two workers, such as 10Gbit; default: that of the rates"
    )
    parser.add_argument(
        "--measure", action="store_true", help="measure step, feed, memory and messages on this machine, and keep that"
    )
    parser.add_argument(
        "--rates", type=path, metavar="FILE", help="where measured rates are kept; default: in the cache of the user"
    )


def add_train(verbs) -> None:
    """Adds `easymtl train`."""
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
    parser.add_argument(
        "--stopped_exit_code",
        type=whole_number,
        default=0,
        metavar="N",
        help="exit code when SIGTERM has stopped it before its end, for schedulers that start again what is not 0; "
        "default: 0",
    )
    add_peers(parser)


def add_launch(verbs) -> None:
    """Adds `easymtl launch`."""
    parser = add_verb(
        verbs, "launch", "Train with several workers: launch --workers 2 -- train CONFIG.", takes_config=False
    )
    # What stands behind -- is a command of its own; it is cut off before this parser sees it.
    parser.usage = "easymtl launch [--workers N] [flags] -- {train,eval,predict} ..."
    parser.add_argument(
        "--workers", type=whole_number, metavar="N", help="workers on this host; with --cluster kubernetes those of all"
    )
    parser.add_argument(
        "--restarts",
        type=whole_number,
        default=0,
        metavar="K",
        help="start all workers again from the newest checkpoint when one is lost, at most K times; default: 0",
    )
    parser.add_argument(
        "--log_dir", type=path, metavar="DIR", help="also add what each worker prints to DIR/worker-0.log, ..."
    )
    parser.add_argument(
        "--cluster",
        metavar="NAME",
        help="slurm or kubernetes: this process is one of the workers that it has started, and becomes that",
    )
    parser.add_argument("--service", metavar="NAME", help="with --cluster kubernetes: the headless Service of the pods")
    parser.add_argument(
        "--port",
        type=whole_number,
        metavar="N",
        help="with --cluster: where workers listen; default: 2222, on Slurm one that goes with the number of the job",
    )


OF_FOLLOW = {"settle": "10m", "late": "skip", "export": None, "keep": None}
"""What is wanted of a training that follows its data, however often it is run, and the defaults."""


def add_follow(verbs) -> None:
    """Adds `easymtl follow`."""
    parser = add_verb(verbs, "follow", "Train on each new part of the data, day after day, and export behind each.")
    add_tasks(parser)
    add_training_fields(parser)
    parser.add_argument("--every", metavar="TIME", help="how often to look for new parts: 90s, 10m (default), 1h")
    parser.add_argument("--once", action="store_true", help="end when no complete part is left, and do not wait")
    parser.add_argument(
        "--settle",
        default=OF_FOLLOW["settle"],
        metavar="TIME",
        help="a part without _SUCCESS is complete when nothing of it has changed for so long; default: 10m; "
        "never is by _SUCCESS alone",
    )
    parser.add_argument(
        "--from", dest="begin", metavar="PART", help="the first part, such as 2026-01-02; default: the first there is"
    )
    parser.add_argument("--until", metavar="PART", help="the last part, such as dt=2026-01-02/hour=03; ends behind it")
    parser.add_argument(
        "--late",
        default=OF_FOLLOW["late"],
        metavar="WHAT",
        help="what is done with parts that come when later ones were trained on: skip (default), or train",
    )
    parser.add_argument(
        "--export",
        metavar="WHAT",
        help="what is written behind each part, into model_dir/export/follow: full, delta or none; "
        "default: full, none with exporter_type: none",
    )
    parser.add_argument(
        "--keep", type=whole_number, metavar="N", help="exports that stay; default: exports_to_keep, or 5"
    )


def add_import(verbs) -> None:
    """Adds `easymtl import-checkpoint`."""
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


def add_convert(verbs) -> None:
    """Adds `easymtl convert`."""
    parser = add_verb(verbs, "convert", "Turn a config of TorchEasyRec into one of easymtl.", takes_config=False)
    parser.add_argument("config", type=path, metavar="FILE", help="config of TorchEasyRec, in text format")
    parser.add_argument("--out", type=path, metavar="FILE", help="where to write; default: standard output")


def add_tune(verbs) -> None:
    """Adds `easymtl tune`."""
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
