"""How far a training is, kept on disk after each epoch: what was best, and what the next one needs.

A folder of it holds `state.json`, which is replaced as one step, and what that names: a checkpoint
of weights, optimizer and random generators, and the weights of the best epoch.

Source: https://www.tensorflow.org/guide/checkpoint, https://www.tensorflow.org/guide/random_numbers
"""

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from transforms.local_files import write_whole

_STATE = "state.json"


@dataclasses.dataclass(frozen=True)
class _State:
    """After `losses` of whole epochs; the best was epoch `best_epoch`, with the loss `best`."""

    losses: tuple[float, ...] = ()
    best_epoch: int = -1
    best: float = math.inf

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.losses)


def _read(folder: Path) -> _State:
    found = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    return _State(**{**found, "losses": tuple(found["losses"])})


def kept_losses(folder: str) -> tuple[float, ...]:
    """The loss on the tuning split after each epoch, of a training that kept them there."""
    return _read(Path(folder)).losses


class Progress:
    """Of one model; `write_to` is this process's own folder, `read_from` that of worker 0.

    A loss counts as better when it is lower by more than `min_delta`. The first counts always, and
    where it is not finite, so does the next one that is.
    """

    def __init__(
        self, model: Any, read_from: str, write_to: str, *, min_delta: float = 0.0
    ) -> None:
        """Goes on from what `read_from` holds, if anything."""
        import tensorflow as tf

        self._model = model
        self._folder = Path(write_to)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._min_delta = min_delta
        self._checkpoint = tf.train.Checkpoint(model=model, random=_generators(model))
        self._state, self._best = _State(), model.get_weights()
        kept = Path(read_from)
        if (kept / _STATE).exists():
            self._state = _read(kept)
            self._checkpoint.read(
                _checkpoint_path(kept, self._state)
            ).assert_existing_objects_matched()
            with np.load(_best_path(kept, self._state)) as best:
                self._best = [best[name] for name in best.files]

    @property
    def epochs(self) -> int:
        """How many are done."""
        return self._state.epochs

    @property
    def without_gain(self) -> int:
        """How many were done since the best one."""
        return self._state.epochs - 1 - self._state.best_epoch if self._state.epochs else 0

    def add(self, loss: float) -> None:
        """One more epoch is done, with this loss on the tuning split."""
        old = self._state
        if old.epochs == 0 or loss + self._min_delta < old.best:
            best = loss if math.isfinite(loss) else math.inf
            new = _State((*old.losses, loss), old.epochs, best)
            self._best = self._model.get_weights()
            np.savez(_best_path(self._folder, new), *self._best)
        else:
            new = dataclasses.replace(old, losses=(*old.losses, loss))
        self._checkpoint.write(_checkpoint_path(self._folder, new))
        write_whole(f"{self._folder}/{_STATE}", json.dumps(dataclasses.asdict(new)))
        self._state = new
        for path in self._folder.glob("epoch-*"):
            if path.name != f"epoch-{new.epochs}":
                shutil.rmtree(path)
        for path in self._folder.glob("best-*"):
            if path != _best_path(self._folder, new):
                path.unlink()

    def take_best(self) -> None:
        """Gives the model the weights of the best epoch."""
        self._model.set_weights(self._best)


def _checkpoint_path(folder: Path, state: _State) -> str:
    return f"{folder}/epoch-{state.epochs}/checkpoint"


def _best_path(folder: Path, state: _State) -> Path:
    return folder / f"best-{state.best_epoch}.npz"


def _generators(model: Any) -> dict[str, Any]:
    """The random generators of a model's layers, which its own checkpoints leave out."""
    found = {}
    for number, layer in enumerate(model.submodules):
        generator = getattr(getattr(layer, "_random_generator", None), "_generator", None)
        if generator is not None:
            found[str(number)] = generator
    return found
