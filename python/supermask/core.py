"""Data, networks, and scores of masks."""

from __future__ import annotations

import json
import operator
import os
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from . import _supermask


def pack(masks: Any) -> np.ndarray:
    """Boolean masks `[masks, weights]` as words of 32 bits, `[masks, words]`, the lowest bit first."""
    masks = np.asarray(masks)
    if masks.dtype == np.uint32:
        return np.ascontiguousarray(np.atleast_2d(masks))
    if masks.dtype != np.bool_:
        raise TypeError(f"masks: must be of dtype bool, or uint32 where they are packed, found {masks.dtype}")
    masks = np.atleast_2d(masks)
    words = -(-masks.shape[1] // 32)
    padded = np.zeros((masks.shape[0], 32 * words), np.bool_)
    padded[:, : masks.shape[1]] = masks
    return np.packbits(padded, axis=1, bitorder="little").view("<u4").astype(np.uint32, copy=False)


def unpack(masks: np.ndarray, weights: int) -> np.ndarray:
    """Packed masks `[masks, words]` as booleans, `[masks, weights]`."""
    words = np.ascontiguousarray(np.atleast_2d(masks), "<u4")
    return np.unpackbits(words.view(np.uint8), axis=1, count=weights, bitorder="little").astype(np.bool_)


def seed_of(seed: Any) -> int:
    """A root of random numbers, as the library takes it."""
    try:
        whole = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed: must be a whole number, found {seed!r}") from None
    if not 0 <= whole < 2**64:
        raise ValueError(f"seed: must be a whole number from 0 to 2^64 - 1, found {whole}")
    return whole


class Dataset:
    """Samples with classes: a training set, a test set, and perhaps one for validation.

    `Dataset("moons")` or `Dataset({"kind": "csv", "train": "wine.csv"})` is that of a configuration's `dataset` section.
    """

    def __init__(self, config: str | Mapping[str, Any]) -> None:
        section = {"kind": config} if isinstance(config, str) else dict(config)
        self._data = _supermask.Dataset.load(json.dumps(section))

    @classmethod
    def read(cls, path: str | os.PathLike) -> Dataset:
        """That of a configuration's file, as `supermask dataset` reads it."""
        data = cls.__new__(cls)
        data._data = _supermask.Dataset.read(Path(path))
        return data

    @classmethod
    def from_arrays(cls, X_train: Any, y_train: Any, X_test: Any, y_test: Any, validation: Any = None) -> Dataset:
        """Arrays as they are: features `[samples, features]` and classes `[samples]`, whole numbers from 0."""
        pairs = [(X_train, y_train), (X_test, y_test)] + ([validation] if validation is not None else [])
        sets = [(_features(X), _classes(y)) for X, y in pairs]
        data = cls.__new__(cls)
        classes = 1 + max((int(y.max()) for _, y in sets if y.size), default=0)
        data._data = _supermask.Dataset.from_arrays(sets[0], sets[1], sets[2] if len(sets) > 2 else None, max(classes, 2))
        return data

    def save(self, path: str | os.PathLike) -> dict[str, Any]:
        """Writes the samples to an `.npz` file, and returns the `dataset` section of a configuration that reads it as it is,
        with which `supermask.run`, `supermask.sweep` and the command line work on them."""
        if not self.samples("test"):
            raise ValueError("test: there is no sample, but a run reports an accuracy on some")
        if self.samples("validation"):
            raise ValueError('validation: a file has no set for it; add "validation", a share of train, to the section instead')
        arrays: dict[str, Any] = {f"{axis}_{name}": part for name in ("train", "test") for axis, part in zip("xy", self.arrays(name))}
        np.savez(path, **arrays)
        # NumPy adds the ending where there is none.
        file = os.path.abspath(os.fspath(path))
        file = file if file.endswith(".npz") else f"{file}.npz"
        return {"kind": "npz", "file": file, "normalization": {"method": "none"}, "allow_many_classes": True}

    def arrays(self, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
        """Features, `[samples, features]`, and classes, `[samples]`."""
        return self._data.arrays(split)

    def samples(self, split: str = "train") -> int:
        return self._data.samples(split)

    @property
    def classes(self) -> int:
        return self._data.classes

    @property
    def class_names(self) -> list[str]:
        return self._data.class_names

    @property
    def features(self) -> int:
        return self._data.features

    @property
    def checksum(self) -> str:
        """SHA-256 of the samples, as in records."""
        return self._data.checksum

    def __getstate__(self):
        return [self.arrays(split) for split in ("train", "test", "validation")], self.classes

    def __setstate__(self, state) -> None:
        (train, test, validation), classes = state
        self._data = _supermask.Dataset.from_arrays(train, test, validation if len(validation[1]) else None, classes)

    def __repr__(self) -> str:
        counts = ", ".join(f"{split} {self.samples(split)}" for split in ("train", "validation", "test"))
        return f"<supermask.Dataset of {self.features} features, {self.classes} classes: {counts}>"


def _features(features: Any) -> np.ndarray:
    features = np.ascontiguousarray(features, np.float32)
    if features.ndim != 2:
        raise ValueError(f"features: must be [samples, features], found the shape {features.shape}")
    return features


def _classes(labels: Any) -> np.ndarray:
    labels = np.asarray(labels)
    whole = labels.astype(np.uint32)
    if labels.ndim != 1 or not np.array_equal(whole, labels):
        raise ValueError("labels: must be whole numbers from 0, [samples]")
    return np.ascontiguousarray(whole)


class Network:
    """An untrained network: `Network([2, 75, 2], seed=3, weights={"kind": "uniform"})`."""

    def __init__(self, layers: Sequence[int], seed: int = 0, **section: Any) -> None:
        self._network = _supermask.Network.build(json.dumps({"layers": list(layers), **section}), seed_of(seed))

    @classmethod
    def from_parameters(cls, layers: Sequence[int], weights: Any, biases: Any) -> Network:
        """One of given values: those of all layers one after the other, weights being `[output, input]`."""
        network = cls.__new__(cls)
        flat = [np.concatenate([np.ravel(part) for part in parts]) if isinstance(parts, (list, tuple)) else np.ravel(parts)
                for parts in (weights, biases)]
        network._network = _supermask.Network.from_parameters(list(layers), *(part.astype(np.float32) for part in flat))
        return network

    @property
    def layers(self) -> list[int]:
        return self._network.layers

    @property
    def weights(self) -> int:
        """Number of weights, and so of a mask's bits."""
        return self._network.weights

    def parameters(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each layer its weights, `[output, input]`, and biases, `[output]`."""
        return self._network.parameters()

    def __getstate__(self):
        weights, biases = zip(*self.parameters())
        return self.layers, [*weights], [*biases]

    def __setstate__(self, state) -> None:
        self._network = Network.from_parameters(*state)._network

    def __repr__(self) -> str:
        return f"<supermask.Network {self.layers} of {self.weights} weights>"


class Evaluator:
    """Scores masks of `network` on `dataset`, on the adapter that is named as on the command line."""

    def __init__(self, network: Network, dataset: Dataset, adapter: str = "auto", arithmetic: str | None = None) -> None:
        self.network, self.dataset = network, dataset
        self._evaluator = _supermask.Evaluator(network._network, dataset._data, adapter, arithmetic)

    @property
    def adapter(self) -> str:
        return self._evaluator.adapter

    @property
    def arithmetic(self) -> str:
        return self._evaluator.arithmetic

    def counts(self, masks: Any, split: str = "train") -> np.ndarray:
        """`[masks]`: how many samples each classifies correctly."""
        return self._evaluator.counts(self._packed(masks), split)

    def predictions(self, masks: Any, split: str = "train") -> np.ndarray:
        """`[masks, samples]`: the class that each predicts, `uint8`."""
        return self._evaluator.predictions(self._packed(masks), split)

    def outputs(self, masks: Any, split: str = "train") -> np.ndarray:
        """`[masks, samples, outputs]`: the last layer's values, `float32`."""
        return self._evaluator.outputs(self._packed(masks), split)

    def confusion(self, masks: Any, split: str = "train") -> np.ndarray:
        """`[masks, classes, classes]`: samples of the row's class that the column's is predicted for."""
        return self._evaluator.confusion(self._packed(masks), split)

    def scores(
        self,
        masks: Any,
        fitness: str | Mapping[str, Any] | Callable[[np.ndarray, np.ndarray, str], Any] = "accuracy",
        *,
        needs: str = "predictions",
        split: str = "train",
    ) -> np.ndarray:
        """`[masks]`: what each is worth by `fitness`, larger being better: the share of correct samples (`"accuracy"`), a
        measure of predicted classes by its name (or minus the mean of `{"costs": matrix}`), or what a function says of what it `needs`, as in `supermask.run`."""
        if callable(fitness):
            if needs not in ("predictions", "outputs", "confusion"):
                raise ValueError(f'needs: must be "predictions", "outputs" or "confusion", found {needs!r}')
            return fitness(getattr(self, needs)(masks, split), self.dataset.arrays(split)[1], split)
        if fitness == "accuracy":
            return self.counts(masks, split) / self.dataset.samples(split)
        return self._evaluator.measure(self._packed(masks), json.dumps(fitness), split)

    def _packed(self, masks: Any) -> np.ndarray:
        masks = np.asarray(masks)
        if masks.dtype == np.bool_ and masks.shape[-1] != self.network.weights:
            raise ValueError(f"masks: a mask has {self.network.weights} bits, found {masks.shape[-1]}")
        return pack(masks)

    def __repr__(self) -> str:
        return f"<supermask.Evaluator of {self.network.layers} on {self.adapter}, {self.arithmetic}>"
