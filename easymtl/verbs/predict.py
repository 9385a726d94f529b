"""`easymtl predict`: scores of CSV or Parquet rows, as Parquet."""

import time
from argparse import Namespace

from easymtl.api.data_files import require_all_columns, require_files
from easymtl.api.overwriting import model_folders, require_apart
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import load_config
from easymtl.data.paths import split_commas
from easymtl.scoring.scores_file import scores_file


def run(options: Namespace) -> None:
    """Scores the rows of `--input` in order and writes the scores, and the kept columns, to `--output`.

    Raises:
        UserError: the config, the model, the data or the output are wrong.
    """
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    target = scores_file(options.output)
    require_apart(config, [("--output", target)], {"--input": options.input}, model_folders(config.pipeline, options))
    require_files(options.input)
    require_all_columns(options.input, config.pipeline)
    start_tensorflow()
    from easymtl.api.opening import open_chosen
    from easymtl.scoring.predictions import check_keep

    keep = split_commas(options.keep)
    check_keep(config.pipeline, keep)
    model = open_chosen(config, options.checkpoint, options.saved_model)
    for note in model.notes:
        print(f"note: {note}")
    begin = time.perf_counter()
    target, num_rows = model.write_scores(options.input, target, keep)
    rate = num_rows / (time.perf_counter() - begin)
    print(f"Scored {num_rows:,} rows with {model.source} ({rate:,.0f} rows/s): {target}")
