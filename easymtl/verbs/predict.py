"""`easymtl predict`: scores of CSV or Parquet rows, as Parquet."""

import sys
import time
from argparse import Namespace

from easymtl.api.data_files import require_all_columns, require_files
from easymtl.api.overwriting import model_folders, require_apart
from easymtl.api.working_together import Waits, Worker, as_worker
from easymtl.config import Config, load_config
from easymtl.data.paths import split_commas
from easymtl.reporting.outcomes import Predicted
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.scoring.scores_file import scores_file


def run(options: Namespace) -> None:
    """Scores the rows of `--input` in order and writes the scores, and the kept columns, to `--output`.

    Raises:
        UserError: the config, the model, the data or the output are wrong.
        PeersError: another worker of `TF_CONFIG` did not come, or was lost.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    target = scores_file(options.output)
    require_apart(config, [("--output", target)], {"--input": options.input}, model_folders(config.pipeline, options))
    require_files(options.input)
    require_all_columns(options.input, config.pipeline)
    with as_worker(config, f"predict {options.input}", Waits(options.join_timeout, options.peer_timeout)) as worker:
        worker.start_tensorflow()
        _predict(config, options, target, worker)


def _predict(config: Config, options: Namespace, target: str, worker: Worker) -> None:
    """Scores, with the other workers where there are some, of which the chief writes."""
    from easymtl.api.opening import open_chosen
    from easymtl.reporting.bars import pass_bar
    from easymtl.scoring.predictions import check_keep

    keep = split_commas(options.keep)
    check_keep(config.pipeline, keep)
    peers = worker.peers()
    model = open_chosen(config, options.checkpoint, options.saved_model, peers)
    for note in model.notes:
        say(f"note: {note}", sys.stdout)
    start = time.perf_counter()
    with pass_bar("Scoring") as tell_progress:
        tell = worker.beating(tell_progress, "scoring")
        target, num_rows = model.write_scores(options.input, target, keep, tell_progress=tell, peers=peers)
    if not worker.cluster.is_chief:
        return
    seconds = time.perf_counter() - start
    text = f"Scored {num_rows:,} rows with {model.source} ({num_rows / seconds:,.0f} rows/s): {target}"
    current().result(Predicted(str(target), num_rows, str(model.source), seconds), lambda: say(text, sys.stdout))
