"""Which model is opened: the same by all workers that score together."""

import pytest

from easymtl.api.opening import require_same_model
from easymtl.errors import UserError
from easymtl.peers.peers import ONE, Peers


class Second(Peers):
    """A worker whose chief has opened the checkpoint of step 10."""

    def share(self, value):
        return ["step-000000010", value]


def test_workers_that_score_together_have_opened_one_checkpoint():
    require_same_model("step-000000010", Second())
    require_same_model("step-000000020", ONE)
    with pytest.raises(UserError, match=r"worker 0 has opened step-000000010, and worker 1 step-000000020.*STEP\."):
        require_same_model("step-000000020", Second())
