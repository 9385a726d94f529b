"""What is measured is a right config, and peers are given the same network."""

import pytest
from google.protobuf import json_format

from benchmarks.workloads import FEW_EXPERTS, WORKLOADS, DataFiles, SetSize
from easymtl.config import load_config, view

everyone = pytest.mark.parametrize("workload", [*WORKLOADS, FEW_EXPERTS], ids=lambda workload: workload.name)


def layers(dnn) -> list[int]:
    return list(dnn.hidden_units)


@everyone
def test_its_config_is_right(workload, tmp_path):
    config = load_config(str(workload.write_config(tmp_path)))
    assert view.task_towers(config.pipeline)
    assert config.pipeline.data_config.batch_size in (2048, 4096)


@pytest.mark.parametrize("workload", [one for one in WORKLOADS if one.peer], ids=lambda workload: workload.name)
def test_peers_have_its_layers(workload, tmp_path):
    pipeline = load_config(str(workload.write_config(tmp_path))).pipeline
    message, peer = view.model_message(pipeline), workload.peer
    assert peer["model"] == view.model_name(pipeline)
    assert {tuple(layers(tower.dnn)) for tower in view.task_towers(pipeline)} == {tuple(peer["towers"])}
    text = json_format.MessageToDict(message, preserving_proto_field_name=True)
    if peer["model"] == "shared_bottom":
        assert layers(message.bottom_dnn) == peer["bottom"]
    elif peer["model"] == "mmoe":
        assert (message.num_expert, layers(message.expert_dnn)) == (peer["experts"], peer["expert"])
    else:
        networks = text["extraction_networks"]
        assert len(networks) == peer["levels"]
        for network in message.extraction_networks:
            assert layers(network.task_expert_net) == layers(network.share_expert_net) == peer["expert"]
            assert (network.expert_num_per_task, network.share_num) == (peer["task_experts"], peer["shared_experts"])


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_synthetic_data_is_made_in_either_format(file_format, tmp_path):
    workload = next(one for one in WORKLOADS if one.name == "taobao_dbmtl")
    overrides = DataFiles(tmp_path, {"taobao": SetSize(200, 100, 2)}).overrides(workload, file_format)
    config = load_config(str(workload.write_config(tmp_path)), overrides)
    from easymtl.data.sources import open_source

    pipeline = config.pipeline
    source = open_source(pipeline.train_input_path, pipeline.data_config, ["clk", "pid"])
    assert sum(batch.num_rows for block in source.blocks for batch in source.read(block)) == 400
