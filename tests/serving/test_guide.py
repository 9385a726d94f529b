"""What docs/guides/serving.md has to be copied is right: the YAML for Kubernetes."""

import re
from pathlib import Path

import pytest
import yaml

from easymtl.cli.commands import build_parser
from easymtl.server.rest import application
from easymtl.serving.server_configs import BATCHING, MODELS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/guides/serving.md").read_text(encoding="utf-8")


def documents():
    blocks = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    return [document for block in blocks for document in yaml.safe_load_all(block)]


def deployments():
    return {one["metadata"]["name"]: one["spec"] for one in documents() if one["kind"] == "Deployment"}


def container_of(name):
    (container,) = deployments()[name]["template"]["spec"]["containers"]
    return container


PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def test_there_is_a_deployment_of_each_server_and_a_service():
    assert [one["kind"] for one in documents()] == ["Deployment", "Service", "Deployment"]
    assert set(deployments()) == {"shop", "shop-desk"}


@pytest.mark.parametrize("name", ["shop", "shop-desk"])
def test_names_fit_together(name):
    spec = deployments()[name]
    pod, container = spec["template"]["spec"], container_of(name)
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"] == {"app": name}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    for probe in PROBES:
        (action,) = (container[probe][kind] for kind in ("httpGet", "tcpSocket") if kind in container[probe])
        assert action["port"] in ports
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    # A model may take minutes to load, and is not to be killed meanwhile.
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 120


def test_the_service_leads_to_the_server():
    (service,) = (one["spec"] for one in documents() if one["kind"] == "Service")
    assert service["selector"] == {"app": "shop"}
    names = {port["name"] for port in container_of("shop")["ports"]}
    assert {port["targetPort"] for port in service["ports"]} == names


def test_tensorflow_serving_reads_the_files_of_an_export_where_they_are_mounted():
    container = container_of("shop")
    (mount,) = container["volumeMounts"]
    flags = dict(argument.partition("=")[::2] for argument in container["args"])
    assert flags["--model_config_file"] == f"{mount['mountPath']}/{MODELS}"
    assert flags["--batching_parameters_file"] == f"{mount['mountPath']}/{BATCHING}"
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/shop/metadata"
    for flag in flags:
        assert f"{flag}" in TEXT.split("## Kubernetes")[0], "told before"


def test_the_desk_takes_its_command_and_answers_its_probes():
    container, spec = container_of("shop-desk"), deployments()["shop-desk"]
    program, *arguments = container["command"]
    options = build_parser().parse_args(arguments)
    assert program == "easymtl" and options.host == "0.0.0.0"
    assert options.export == container["volumeMounts"][0]["mountPath"]
    assert options.timeout < spec["template"]["spec"]["terminationGracePeriodSeconds"]
    paths = {route.path for route in application(None).routes}
    assert {container[probe]["httpGet"]["path"] for probe in PROBES} == {"/readyz", "/healthz"} <= paths
