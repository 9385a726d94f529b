"""How a checkpoint is written: what of the weights it has, and which earlier ones are removed for it."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from easymtl.checkpoints.deltas import DeltaWeights
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.shards import Copiable, Writable
from easymtl.checkpoints.weights import Weights
from easymtl.checkpoints.written_together import by_chief
from easymtl.peers.peers import Peers
from easymtl.training.delta_saving import DeltaSaving
from easymtl.training.saving import Saving

Superseded = Collection[int | None]


class CheckpointWriter:
    """Writes the checkpoints of a training: whole ones, deltas, or what they say anew where their weights are there."""

    def __init__(
        self,
        folder: CheckpointFolder,
        weights: Weights,
        deltas: DeltaSaving,
        saving: Saving,
        keep_max: int,
        owners: Peers,
    ):
        """Writes nothing yet.

        Args:
            folder: where checkpoints are.
            weights: of the training.
            deltas: says what of them is written.
            saving: writes them, beside the steps perhaps.
            keep_max: `keep_checkpoint_max`.
            owners: the workers that write together.
        """
        self._folder, self._weights, self._deltas, self._saving = folder, weights, deltas, saving
        self._keep_max, self._owners = keep_max, owners

    def begin(
        self, step: int, state: Mapping[str, Any], is_interim: bool, superseded: Superseded, is_beside: bool
    ) -> None:
        """Begins to publish a checkpoint, behind which old ones are removed; `Saving` knows when it is done.

        Args:
            step: updates made.
            state: what it remembers beside the weights.
            is_interim: whether an uninterrupted training would not save it.
            superseded: steps whose checkpoints are no longer needed once it is there.
            is_beside: whether steps go on meanwhile.

        Raises:
            UserError: it could not be written; beside the steps that is raised later.
        """
        weights, of_delta = self._chosen(step, is_interim)
        publish = partial(self._publish, step, {**state, **of_delta}, superseded)
        self._saving.begin(step, weights, publish, is_beside)

    def rewrite(self, earlier: Checkpoint, state: Mapping[str, Any], is_interim: bool, superseded: Superseded) -> None:
        """Writes what a checkpoint says anew, and removes old ones; all owners have to ask.

        Args:
            earlier: the checkpoint.
            state: what it remembers beside the weights, which are as they were.
            is_interim: whether an uninterrupted training would not save it.
            superseded: steps whose checkpoints are no longer needed.

        Raises:
            UserError: it could not be written.
        """
        state = {**state, **self._deltas.again(earlier.state(), is_interim)}
        by_chief(self._owners, partial(self._publish, earlier.step, state, superseded, self._weights))

    def remove_old(self, state: Mapping[str, Any], superseded: Superseded) -> None:
        """Removes what is no longer needed beside the newest checkpoint, given the state of that."""
        # The best of this checkpoint's time: a later evaluation may have found a better one that is not saved yet.
        best = state["best"]
        protected = [] if best["value"] is None else [best["step"]]
        self._folder.prune(self._keep_max, protected, superseded)

    def _chosen(self, step: int, is_interim: bool) -> tuple[Copiable, dict[str, Any]]:
        """Returns what is to be written as the checkpoint of a step, and what its state says of that."""
        changed = self._deltas.changed(self._folder.path_of(step), is_interim)
        of_delta = self._deltas.begin(changed is not None, is_interim)
        if changed is None:
            return self._weights, of_delta
        own = self._weights
        weights = DeltaWeights(own.entries, changed, self._deltas.base, own.check, own.writes_beside())
        return weights, of_delta

    def _publish(self, step: int, state: Mapping[str, Any], superseded: Superseded, weights: Writable) -> Checkpoint:
        """Publishes a checkpoint and removes those that are no longer needed; beside the steps, perhaps."""
        if there := self._folder.at(step):
            self._folder.rewrite_state(there, state)
        else:
            self._folder.save(step, weights, state)
        self.remove_old(state, superseded)
        return self._folder.of(step)
