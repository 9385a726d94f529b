"""What starts workers on several machines: its syntax, and that its commands are those of the command line."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from easymtl.cli import build_parser
from easymtl.cli.run import parse
from easymtl.errors import EXIT_PEER_LOST
from easymtl.launch.kubernetes import PORT, cluster_of_kubernetes

FOLDER = Path(__file__).parents[2] / "samples" / "several_machines"


@pytest.fixture(scope="module")
def documents():
    return {one["kind"]: one for one in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())}


@pytest.fixture(scope="module")
def pod(documents):
    return documents["Job"]["spec"]["template"]["spec"]


def options_of(words):
    assert words[0] == "easymtl"
    return parse(build_parser(), words[1:])


def test_pods_start_as_many_workers_as_the_job_has(documents, pod):
    job, [container] = documents["Job"]["spec"], pod["containers"]
    options = options_of(container["command"])
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == options.workers
    assert container["ports"] == [{"containerPort": PORT}]


def test_pods_find_each_other_through_the_service(documents, pod):
    service, job = documents["Service"], documents["Job"]
    options = options_of(pod["containers"][0]["command"])
    assert service["metadata"]["name"] == pod["subdomain"] == options.service
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    name = job["metadata"]["name"]
    cluster = cluster_of_kubernetes({"JOB_COMPLETION_INDEX": "2"}, f"{name}-2", options.workers, options.service)
    assert cluster.addresses[0] == f"{name}-0.{pod['subdomain']}:{PORT}"


def test_exit_codes_mean_to_the_job_what_they_mean_to_us(documents, pod):
    rules = documents["Job"]["spec"]["podFailurePolicy"]["rules"]
    codes = {rule["action"]: rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule}
    options = options_of(pod["containers"][0]["command"])
    stopped = parse(build_parser(), options.command).stopped_exit_code
    assert codes == {"FailJob": [2], "Ignore": [EXIT_PEER_LOST, stopped]}
    assert all(rule.get("onExitCodes", {}).get("containerName", "train") == "train" for rule in rules)
    assert pod["restartPolicy"] == "Never" and pod["containers"][0]["name"] == "train"


def test_the_batch_script_is_one(tmp_path):
    path = FOLDER / "slurm.sbatch"
    subprocess.run(["bash", "-n", path], check=True)
    text = re.sub(r"\\\n\s*", " ", path.read_text())
    [line] = [line for line in text.splitlines() if line.startswith("srun ")]
    words = shlex.split(line)
    options = options_of(words[words.index("easymtl") :])
    assert options.cluster == "slurm" and options.command[0] == "train"
    assert "--distribution=block" in words


@pytest.mark.parametrize(
    ("code", "restarts", "requeued"), [(0, 0, False), (2, 0, False), (143, 0, True), (75, 3, True), (75, 20, False)]
)
def test_the_batch_script_queues_again_what_may_go_on(tmp_path, code, restarts, requeued):
    for name, body in {"srun": f"exit {code}", "scontrol": 'echo "asked: $*"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": str(restarts)}
    done = subprocess.run(["bash", FOLDER / "slurm.sbatch"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("asked: requeue 7" in done.stdout) is requeued


def test_files_are_named_in_the_guide():
    guide = (FOLDER.parents[1] / "docs/guides/several-machines.md").read_text()
    for path in FOLDER.iterdir():
        if path.suffix in (".yaml", ".sbatch", ".py"):
            assert path.name in guide, path.name


def test_tf_config_in_the_guide_is_one():
    from easymtl.peers.cluster import read_cluster

    guide = (FOLDER.parents[1] / "docs/guides/several-machines.md").read_text()
    [text] = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    assert read_cluster({"TF_CONFIG": json.dumps(json.loads(text))}).size == 2
