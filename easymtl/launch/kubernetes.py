"""The cluster of an indexed Job of Kubernetes, whose pods have names of their own through a headless Service."""

from collections.abc import Mapping

from easymtl.errors import UserError
from easymtl.peers.cluster import Cluster

PORT = 2222
_INDEX = "JOB_COMPLETION_INDEX"


def cluster_of_kubernetes(
    environ: Mapping[str, str], host: str, size: int | None, service: str | None, port: int | None = None
) -> Cluster:
    """Returns the cluster, whose workers are `<job>-0.<service>`, `<job>-1.<service>`, ...

    Args:
        environ: of the process.
        host: name of this pod, `<job>-<index>`.
        size: `completions` of the Job.
        service: name of the Service, which is the `subdomain` of the pods.
        port: of all workers.

    Raises:
        UserError: this is no pod of such a Job, or what cannot be told from inside of it was not said.
    """
    text = environ.get(_INDEX, "")
    if not (text.isascii() and text.isdigit()):
        raise UserError(
            f"--cluster kubernetes: {_INDEX} is not set, so this is no pod of a Job with completionMode: Indexed. See "
            "docs/guides/several-machines.md."
        )
    if size is None or not service:
        raise UserError(
            "--cluster kubernetes: say --workers N, as in completions of the Job, and --service NAME, as in subdomain "
            "of its pods; a pod cannot tell."
        )
    index = int(text)
    if not 0 <= index < size:
        raise UserError(
            f"{_INDEX} is {index}, and there are {size} workers: --workers has to be completions of the Job."
        )
    job, _, number = host.partition(".")[0].rpartition("-")
    if not job or number != str(index):
        raise UserError(
            f'This pod is called "{host}", and pod {index} of an indexed Job with a subdomain is called <job>-{index}. '
            "Set subdomain in the template of the pods, and leave hostname out."
        )
    if size == 1:
        return Cluster()
    return Cluster(index, size, tuple(f"{job}-{number}.{service}:{port or PORT}" for number in range(size)))
