"""Searches by asking and telling."""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping

import numpy as np

from . import _supermask
from .core import Evaluator, Network, seed_of, unpack


class _Search:
    """Asks for masks, and is told a score for each; larger is better.

        while (masks := search.ask()) is not None:      # bool, [masks, weights]
            search.tell(my_scores(masks))               # [masks]
    """

    #: What searches, of the extension module.
    _kind: Any

    def __init__(self, network: Network, seed: int = 0, **settings: Any) -> None:
        self.network = network
        self._search = self._kind(network._network, json.dumps(settings), seed_of(seed))

    def ask(self) -> np.ndarray | None:
        """Masks to be scored next, `[masks, weights]`; None when the search has ended. Asked again, it asks the same."""
        masks = self._search.ask()
        return None if masks is None else unpack(masks, self.network.weights)

    def tell(self, scores: Any) -> None:
        """Takes a finite score for each mask that was asked for last, `[masks]`."""
        scores = np.ascontiguousarray(scores, np.float64)
        if scores.ndim != 1:
            raise ValueError(f"tell: scores must be [masks], found the shape {scores.shape}")
        self._search.tell(scores)

    def best(self) -> tuple[np.ndarray, float] | None:
        """The best mask so far, `[weights]`, and its score; None before the first scores."""
        best = self._search.best()
        return None if best is None else (unpack(best[0], self.network.weights)[0], best[1])

    def save(self) -> str:
        """The state, as text: `load` goes on from it bit for bit."""
        return self._search.save()

    @classmethod
    def load(cls, network: Network, state: str):
        """The search of a saved `state` of masks of the same `network`."""
        search = cls.__new__(cls)
        search.network, search._search = network, cls._kind.load(network._network, state)
        return search

    def run(
        self,
        evaluator: Evaluator,
        fitness: str | Mapping[str, Any] | Callable[[np.ndarray, np.ndarray, str], Any] = "accuracy",
        *,
        needs: str = "predictions",
        callback: Callable[[Any], None] | None = None,
    ) -> tuple[np.ndarray, float]:
        """Asks and tells until the search ends, and returns the best mask and its score.

        `fitness` is `"accuracy"`, a measure of predicted classes such as `"balanced_accuracy"`, or a function as
        `supermask.run` takes; masks are scored on the training set. `callback` is called with the search after each batch.
        """
        while (masks := self.ask()) is not None:
            self.tell(evaluator.scores(masks, fitness, needs=needs))
            if callback is not None:
                callback(self)
        if (best := self.best()) is None:
            raise RuntimeError("the search ended before it asked for a mask")
        return best


class GeneticAlgorithm(_Search):
    """The paper's genetic algorithm, whose masks the caller scores.

    Settings are those of a configuration's `algorithm` section of kind `ga`, such as `population=50` and
    `termination={"max_generations": 200}`; without the latter it ends when its best score stands still.
    """

    _kind = _supermask.GeneticSearch

    @property
    def generation(self) -> int:
        """Generations that are complete, the initial population apart."""
        return self._search.generation

    def __repr__(self) -> str:
        return f"<supermask.GeneticAlgorithm of {self.network.layers}, generation {self.generation}>"


class LocalSearch(_Search):
    """Chains of flips, whose masks the caller scores whole; with `batch` and `chains` many of them at a time.

    Settings are those of a configuration's `algorithm` section of kind `local_search`, such as `proposals=20_000` and
    `temperature={"start": 0.1, "end": 0.001}`, in units of the score; what rests on single samples is refused.
    `supermask.run` searches by accuracy and margin loss much faster, as it computes only what a flip changes.
    """

    _kind = _supermask.FlipSearch

    @property
    def proposals(self) -> int:
        """Proposals of all chains."""
        return self._search.proposals

    def __repr__(self) -> str:
        return f"<supermask.LocalSearch of {self.network.layers}, proposal {self.proposals}>"
