import json
import os
import signal
import subprocess
import sys

import pytest

from easymtl.errors import UserError
from easymtl.launch.ports import Ports
from easymtl.peers.cluster import VARIABLE, Cluster, read_cluster, split_address

TWO = ["a:1", "b:2"]


def config(cluster, task):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def refused(environ):
    with pytest.raises(UserError) as error:
        read_cluster(environ)
    assert str(error.value).startswith("TF_CONFIG: ")
    return str(error.value)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": '{"cluster": {}, "task": {"type": "worker", "index": 0}}'},
    ],
)
def test_without_others_a_process_works_alone(environ):
    assert read_cluster(environ) == Cluster(0, 1, ())


def test_one_worker_is_one_process():
    cluster = read_cluster(config({"worker": ["a:1"]}, {"type": "worker", "index": 0}))
    assert (cluster.index, cluster.size) == (0, 1)


def test_workers_are_in_the_order_of_their_addresses():
    cluster = read_cluster(config({"worker": TWO}, {"type": "worker", "index": 1}))
    assert cluster == Cluster(1, 2, ("a:1", "b:2"))
    assert not cluster.is_chief
    assert cluster.name(1) == "worker 1 (b:2)"


def test_a_chief_is_worker_0_as_for_tensorflow():
    roles = {"worker": TWO, "chief": ["c:3"]}
    assert read_cluster(config(roles, {"type": "chief", "index": 0})) == Cluster(0, 3, ("c:3", "a:1", "b:2"))
    assert read_cluster(config(roles, {"type": "worker", "index": 1})) == Cluster(2, 3, ("c:3", "a:1", "b:2"))


def test_an_index_that_an_operator_has_written_as_text_is_read():
    assert read_cluster(config({"worker": TWO}, {"type": "worker", "index": "1"})).index == 1


@pytest.mark.parametrize(
    ("addresses", "numbers"),
    [
        (("a:1", "b:1", "a:2", "a:3"), [3, 1, 3, 3]),
        (("127.0.0.1:1", "localhost:2", "[::1]:3"), [3, 3, 3]),
        (("rank-1.rank:2222", "rank-11.rank:2222"), [1, 1]),
    ],
)
def test_workers_of_one_host_are_told_by_their_addresses(addresses, numbers):
    assert [Cluster(index, len(addresses), addresses).num_on_host for index in range(len(addresses))] == numbers
    assert Cluster().num_on_host == 1


def test_what_a_cluster_writes_is_read_back():
    cluster = Cluster(1, 2, ("a:1", "[::1]:2"))
    assert read_cluster({"TF_CONFIG": cluster.tf_config()}) == cluster
    assert split_address("[::1]:2") == ("::1", 2)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"TF_CONFIG": '{"cluster": '}, "is no JSON (line 1 column 13)"),
        ({"TF_CONFIG": "[" * 100_000}, "is no JSON"),
        ({"TF_CONFIG": "[1]"}, "is a list"),
        ({"TF_CONFIG": '{"cluster": [1]}'}, '"cluster" is a list'),
        (config({"worker": TWO}, {}), 'no "task"'),
        (config({"worker": TWO}, {"type": "evaluator", "index": 0}), 'the task is "evaluator". Evaluations are shared'),
        (config({}, {"type": "ps", "index": 0}), 'the task is "ps". Parameter servers'),
        (config({"worker": TWO, "ps": ["c:3"]}, {"type": "worker", "index": 0}), 'role "ps". Parameter servers'),
        (config({"worker": TWO, "master": ["c:3"]}, {"type": "worker", "index": 0}), 'Name it "chief"'),
        (config({"workers": TWO}, {"type": "workers", "index": 0}), 'Did you mean "worker"?'),
        (config({"worker": TWO}, {"type": "chief", "index": 0}), "type 'chief'; the cluster has \"worker\""),
        (config({"worker": TWO}, {"type": "worker", "index": 2}), 'index 2; those of "worker" are 0 to 1'),
        (config({"worker": TWO}, {"type": "worker", "index": -1}), "index -1"),
        (config({"worker": TWO}, {"type": "worker", "index": "9" * 5000}), 'those of "worker" are 0 to 1'),
        (config({"worker": [f"a:{'1' * 5000}"]}, {"type": "worker", "index": 0}), "is not host:port"),
        (config({"worker": TWO}, {"type": "worker", "index": True}), "index True"),
        (config({"worker": ["a:1", "a:1"]}, {"type": "worker", "index": 0}), '"a:1" is the address of several workers'),
        (config({"worker": ["a:1", "b"]}, {"type": "worker", "index": 0}), '"b" is not host:port'),
        (config({"worker": ["a:1", "b:70000"]}, {"type": "worker", "index": 0}), '"b:70000" is not host:port'),
        (config({"worker": ["a:1", "grpc://b:1"]}, {"type": "worker", "index": 0}), "is not host:port"),
        (config({"worker": [1]}, {"type": "worker", "index": 0}), "no list of texts"),
        (config({"chief": TWO}, {"type": "chief", "index": 0}), "2 chiefs"),
        (config({}, {"type": "worker", "index": 1}), 'no "cluster" says of what'),
    ],
)
def test_what_is_wrong_is_named(environ, says):
    assert says in refused(environ)


def test_a_secret_in_an_address_is_not_shown():
    assert "hunter2" not in refused(config({"worker": ["me:hunter2@a:1"]}, {"type": "worker", "index": 0}))


@pytest.mark.slow
def test_a_worker_that_has_joined_is_ended_by_sigterm():
    code = (
        "import os, time; from easymtl.api.tensorflow_start import start_tensorflow; "
        "start_tensorflow(cluster=read_cluster(os.environ)); print('joined', flush=True); time.sleep(60)"
    )
    code = f"from easymtl.peers.cluster import read_cluster; {code}"
    with Ports(2) as ports:
        clusters = [Cluster(index, 2, ports.addresses) for index in range(2)]
        environs = [
            {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), VARIABLE: one.tf_config()} for one in clusters
        ]
        command = [sys.executable, "-c", code]
        workers = [subprocess.Popen(command, env=one, stdout=subprocess.PIPE, text=True) for one in environs]
        try:
            assert [worker.stdout.readline() for worker in workers] == ["joined\n"] * 2
            for worker in workers:
                worker.terminate()
            assert [worker.wait(20) for worker in workers] == [-signal.SIGTERM] * 2
        finally:
            for worker in workers:
                worker.kill()
                worker.stdout.close()
