"""A trained model behind the desk server, whose requests are lists or lines: scores are the SavedModel's."""

import asyncio
import json

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.columns import tensor_of
from easymtl.serving.export import export
from easymtl.serving.form_of_export import form_of
from easymtl.serving.request_rows import as_sent
from tests.server.tiny_export import client_of, open_desk

FORMS = {
    "lists": ["export_config.auto_multi_value=true"],
    "lines": ["export_config.multi_placeholder=false", "data_config.separator=;"],
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_scores_of_rows_are_those_of_the_saved_model(trained, tmp_path, score_here, form):
    pipeline = trained.pipeline(*FORMS[form])
    folder = export(pipeline, trained.checkpoint, tmp_path / "export").path
    model = tf.saved_model.load(str(folder))
    serve = model.signatures["serving_default"]
    form_of_request = form_of(folder, pipeline, serve.structured_input_signature[1].values())
    sent = as_sent(form_of_request, {name: trained.rows[name].combine_chunks() for name in form_of_request.fields})
    columns = {name: value.to_pylist() for name, value in sent.items()}
    rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
    expected = serve(**{name: tensor_of(column) for name, column in sent.items()})

    async def ask():
        desk = await open_desk(tmp_path / "export", rows=1000, bytes=1 << 22)
        async with client_of(desk) as client:
            bodies = [json.dumps({"instances": rows[first : first + 7]}) for first in range(0, len(rows), 7)]
            # Together, so that requests with lists of other lengths meet in a batch.
            answers = await asyncio.gather(*(client.post("/v1/models/model:predict", content=body) for body in bodies))
        await desk.batcher.stop()
        return [row for answer in answers for row in answer.json()["predictions"]]

    found = asyncio.run(ask())
    assert len(found) == len(rows)
    for name, values in expected.items():
        np.testing.assert_allclose([row[name] for row in found], values.numpy(), atol=1e-6)
