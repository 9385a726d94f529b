"""The commands that put a model to use: `export`, `predict`, `verify`, `serve`."""

from easymtl.cli.options import (
    add_model_choice,
    add_peers,
    add_places,
    add_rows,
    add_tasks,
    add_verb,
    names,
    path,
    seconds,
    whole_number,
)


def add_export(verbs) -> None:
    """Adds `easymtl export`."""
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


def add_predict(verbs) -> None:
    """Adds `easymtl predict`."""
    parser = add_verb(verbs, "predict", "Score CSV, Parquet or TFRecord files into a Parquet file.")
    add_tasks(parser)
    add_model_choice(parser)
    add_rows(parser)
    parser.add_argument(
        "--output", type=path, required=True, metavar="PATH", help="a .parquet file or a folder, local or s3://"
    )
    parser.add_argument("--keep", default="", metavar="A,B", help="input columns to keep beside the scores")
    add_peers(parser)


def add_verify(verbs) -> None:
    """Adds `easymtl verify`."""
    parser = add_verb(
        verbs, "verify", "Score rows with an export in every way that clients call it, and compare.", takes_config=False
    )
    parser.add_argument(
        "export",
        type=path,
        metavar="EXPORT",
        help="an export, or a folder of numbered ones, of which the newest is taken; or a model_dir, or its config",
    )
    add_rows(parser, default="the evaluation data that the config of the export names")
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


def add_serve(verbs) -> None:
    """Adds `easymtl serve`."""
    parser = add_verb(
        verbs, "serve", "Serve an export over REST and gRPC, with a page to try it; for the desk.", takes_config=False
    )
    text = "an export or a delta, or a folder of numbered ones: the newest is served, and swapped; "
    add_places(parser, {"export": f"{text}or a model_dir, or its config"}, "EXPORT")
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
