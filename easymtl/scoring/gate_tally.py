"""How much of each expert the tasks have used, over the rows of a pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from easymtl.layers.gate_weights import GateSums
from easymtl.peers.peers import Peers


@dataclass(frozen=True)
class GateUse:
    """What a gate did over the rows of a pass.

    Attributes:
        weights: mean weight by the name of the expert; 1 in all.
        entropy: mean of -sum_k w_k log w_k / log(num_expert): 0 where each row takes one expert, 1 where it takes all
            of them alike.
        counts: how many of the weights of all rows and experts lie in each of equal parts of 0 to 1, `[30]`.
    """

    weights: Mapping[str, float]
    entropy: float
    counts: np.ndarray


@dataclass
class GateTally:
    """Adds up what gates say of batch after batch."""

    _experts: dict[str, Sequence[str]] = field(default_factory=dict)
    _sums: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def clear(self) -> None:
        """Begins a pass."""
        self._sums.clear()

    def name(self, experts: Mapping[str, Sequence[str]]) -> None:
        """Takes the names of the experts of each gate."""
        self._experts.update(experts)

    def add(self, batch: Mapping[str, GateSums]) -> None:
        """Adds a batch."""
        for gate, sums in batch.items():
            added = [np.asarray(value, np.float64) for value in sums]
            before = self._sums.get(gate)
            self._sums[gate] = [one + other for one, other in zip(before, added)] if before else added

    def of_all(self, peers: Peers) -> "GateTally":
        """Returns the tally of the batches of all workers, some of which may have seen none."""
        found = GateTally()
        own = {gate: [list(self._experts[gate]), *(one.tolist() for one in sums)] for gate, sums in self._sums.items()}
        for of_worker in peers.share(own):
            found.name({gate: experts for gate, (experts, *_) in of_worker.items()})
            found.add({gate: sums for gate, (_, *sums) in of_worker.items()})
        return found

    def result(self) -> dict[str, GateUse]:
        """Returns what each gate did since `clear`, by its name; nothing without rows."""
        found: dict[str, GateUse] = {}
        for gate, (weights, entropy, counts, num_rows) in self._sums.items():
            if num_rows:
                means = dict(zip(self._experts[gate], (weights / num_rows).tolist(), strict=True))
                found[gate] = GateUse(means, float(entropy / num_rows), counts)
        return found
