"""What a server and its users need, in `assets.extra` of an export: warm-up, configs, an example, a card."""

import shutil
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving import model_card, request_example
from easymtl.serving.parity import Parity
from easymtl.serving.server_configs import served_name, write_configs
from easymtl.serving.signatures import SIGNATURE, Signature
from easymtl.serving.warmup import (
    FURTHER_SIZES,
    SIZES,
    check_warmup,
    default_requests,
    further_requests,
    write_warmup,
)
from easymtl.serving.warmup_file import FILE as WARMUP
from easymtl.serving.warmup_file import own_warmup


def write_warmup_file(
    pipeline: Pipeline,
    folder: Path,
    examples: Mapping[str, pa.Array] | None,
    serialized: pa.Array,
    signatures: Mapping[str, Signature],
) -> None:
    """Writes the requests with which a server warms the model up; a file that a user brings takes their place.

    Args:
        pipeline: the config.
        folder: of the SavedModel.
        examples: rows as a client sends them, by input; None when no row can be made, and none is written.
        serialized: the same rows as a client of `tf_example` sends them.
        signatures: of the model, all of which the file may ask.

    Raises:
        UserError: the file of the user is none of this model.
        OSError: the file cannot be written.
    """
    target = folder / "assets.extra" / WARMUP
    num_rows = next(iter(signatures[SIGNATURE].inputs.values())).shape[0]
    own = own_warmup(pipeline)
    if own is not None:
        check_warmup(own, {one: signature.inputs for one, signature in signatures.items()})
        shutil.copyfile(own, target)
    elif examples:
        fixed = [num_rows] if num_rows else None
        further = further_requests(signatures, examples, serialized, fixed or FURTHER_SIZES)
        write_warmup(target, served_name(pipeline), chain(default_requests(examples, fixed or SIZES), further))


def write_server_files(
    pipeline: Pipeline,
    folder: Path,
    state: Mapping[str, Any],
    facts: Mapping[str, Any],
    parity: Parity | None,
    examples: Mapping[str, pa.Array] | None,
) -> None:
    """Writes the other files of an export.

    Args:
        pipeline: the config.
        folder: of the SavedModel, all other files of which are there: the card has their checksums.
        state: of the checkpoint.
        facts: what `easymtl.json` holds.
        parity: how it was compared with the checkpoint.
        examples: rows as a client sends them, by input; None when no row can be made, and none is written.

    Raises:
        OSError: a file cannot be written.
    """
    extra, name = folder / "assets.extra", facts["name"]
    num_rows = next(iter(facts["shapes"].values()))[0]
    if examples:
        body = request_example.request_body(examples, facts["missing"], num_rows or request_example.NUM_ROWS)
        (extra / request_example.FILE).write_text(body, encoding="utf-8")
    write_configs(extra, name, num_rows, facts["padding"])
    card = model_card.model_card(pipeline, folder, state, facts, parity)
    (extra / model_card.FILE).write_text(card, encoding="utf-8")
