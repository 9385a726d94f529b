import pytest

from easymtl.errors import UserError
from easymtl.launch.kubernetes import cluster_of_kubernetes

POD = {"JOB_COMPLETION_INDEX": "1"}


def test_a_pod_knows_all_others():
    cluster = cluster_of_kubernetes(POD, "rank-train-1", 3, "rank")
    assert cluster.index == 1
    assert cluster.addresses == ("rank-train-0.rank:2222", "rank-train-1.rank:2222", "rank-train-2.rank:2222")
    assert cluster_of_kubernetes(POD, "t-1.svc.cluster.local", 2, "s", 99).addresses[0] == "t-0.s:99"


def test_one_pod_is_one_process():
    assert cluster_of_kubernetes({"JOB_COMPLETION_INDEX": "0"}, "t-0", 1, "s").size == 1


@pytest.mark.parametrize(
    ("environ", "host", "size", "service", "says"),
    [
        ({}, "t-1", 2, "s", "completionMode: Indexed"),
        (POD, "t-1", None, "s", "say --workers N"),
        (POD, "t-1", 2, None, "--service NAME"),
        (POD, "t-1", 1, "s", "JOB_COMPLETION_INDEX is 1, and there are 1 workers"),
        (POD, "t-x7f2k", 2, "s", "Set subdomain"),
    ],
)
def test_what_is_wrong_is_named(environ, host, size, service, says):
    with pytest.raises(UserError) as error:
        cluster_of_kubernetes(environ, host, size, service)
    assert says in str(error.value)
