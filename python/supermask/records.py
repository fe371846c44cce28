"""Records of runs, and their tickets."""

from __future__ import annotations

import html
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _supermask
from .core import Network
from .program import supermask

if TYPE_CHECKING:
    import pandas


class Ticket:
    """An untrained network and the mask with which it solves its task."""

    def __init__(self, network: Network, mask: np.ndarray, record: Record | None = None) -> None:
        self.network, self.mask, self.record = network, mask, record

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each layer its masked weights, `[output, input]`, and biases, `[output]`."""
        parts, first = [], 0
        for weights, biases in self.network.parameters():
            mask = self.mask[first : first + weights.size].reshape(weights.shape)
            parts.append((np.where(mask, weights, np.float32(0)), biases))
            first += weights.size
        return parts

    def outputs(self, X: Any) -> np.ndarray:
        """`[samples, outputs]` of features as the network was scored on them, `[samples, features]`."""
        values = np.asarray(X, np.float32)
        layers = self.layers()
        for weights, biases in layers[:-1]:
            values = np.maximum(values @ weights.T + biases, 0)
        return values @ layers[-1][0].T + layers[-1][1]

    def predict(self, X: Any) -> np.ndarray:
        """`[samples]`: predicted classes."""
        return self.outputs(X).argmax(axis=1)

    def to_torch(self):
        """A `torch.nn.Sequential` of linear layers and ReLUs."""
        import torch

        modules: list[torch.nn.Module] = []
        for weights, biases in self.layers():
            linear = torch.nn.Linear(weights.shape[1], weights.shape[0])
            linear.weight.data, linear.bias.data = torch.from_numpy(weights), torch.from_numpy(biases.copy())
            modules += [linear, torch.nn.ReLU()]
        return torch.nn.Sequential(*modules[:-1])

    def to_onnx(self, path: str | os.PathLike) -> None:
        """Writes a graph for onnxruntime and others, which takes raw features: the normalisation is its record's."""
        if self.record is None:
            raise ValueError("to_onnx: only the ticket of a record knows how its features are normalised")
        self.record.export(path, "onnx")


class Record(dict):
    """What is left of a run: the JSON that `supermask run` writes, with names for what is asked for most."""

    @property
    def train_accuracy(self) -> float:
        return self["result"]["train_accuracy"]

    @property
    def test_accuracy(self) -> float:
        return self["result"]["test_accuracy"]

    @property
    def sparsity(self) -> float:
        """The share of weights that are pruned."""
        return self["result"]["sparsity"]

    @property
    def network(self) -> Network:
        section = dict(self["config"]["network"])
        return Network(section.pop("layers"), self["config"]["seed"], **section)

    @property
    def mask(self) -> np.ndarray:
        """`[weights]`: which are kept."""
        if not self.get("ticket"):
            raise ValueError("a run of a baseline that trains weights has no mask")
        packed = np.frombuffer(bytes.fromhex(self["ticket"]["mask_hex"]), np.uint8)
        return np.unpackbits(packed, count=self["result"]["weights"], bitorder="little").astype(np.bool_)

    @property
    def ticket(self) -> Ticket:
        return Ticket(self.network, self.mask, self)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the record where `supermask table`, `report` and `export` read it."""
        Path(path).write_text(json.dumps(self, indent=2) + "\n")

    def export(self, path: str | os.PathLike, format: str | None = None, *, compact: bool = False) -> None:
        """Writes the ticket as `supermask export` does: `"onnx"`, `"safetensors"`, `"npz"` or `"csv"`, by default what the
        path ends with. `compact` leaves out dead neurons."""
        format = format or Path(path).suffix.removeprefix(".")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "record.json"
            self.save(file)
            supermask("export", file, "--format", format, "--out", path, *(["--compact"] if compact else []))

    def __repr__(self) -> str:
        kept = f"{self['result']['weights_kept']} of {self['result']['weights']} weights"
        return f"<supermask.Record {self['config']['name']}: test {self.test_accuracy:.2%}, {kept}>"

    def _repr_html_(self) -> str:
        result = self["result"]
        rows = {
            "network": f"{self['config']['network']['layers']}, seed {self['config']['seed']}",
            "train accuracy": f"{self.train_accuracy:.2%}",
            "test accuracy": f"{self.test_accuracy:.2%}",
            "weights kept": f"{result['weights_kept']} of {result['weights']}",
            "adapter": f"{self['adapter']['name']} ({self['arithmetic']})",
        }
        cells = "".join(f"<tr><th>{key}</th><td>{html.escape(value)}</td></tr>" for key, value in rows.items())
        # Drawings have dark ink, whatever the notebook's colours.
        drawings = "".join(f'<div style="background: white">{svg}</div>' for svg in _supermask.drawings(json.dumps(self)))
        return f"<table>{cells}</table>{drawings}"


def read_results(folder: str | os.PathLike) -> pandas.DataFrame:
    """A row for each record in `folder`: data set, architecture, algorithm, a column for each other setting that a sweep
    varies, the seed, and the results. Accuracies and sparsity are shares, times are seconds. Needs pandas."""
    import pandas

    rows = []
    for path in sorted(Path(folder).rglob("*.json")):
        content = json.loads(path.read_text())
        if not isinstance(content, dict) or "schema_version" not in content or "result" not in content:
            continue
        cell = dict(content["cell"])
        varied = dict(setting.split("=", 1) for setting in cell.pop("settings", []))
        cell.update({key: _value(text) for key, text in varied.items()})
        result = {key: value for key, value in content["result"].items() if not isinstance(value, (dict, list))}
        rows.append({**cell, "seed": content["config"]["seed"], **result, "arithmetic": content["arithmetic"], "file": str(path)})
    return pandas.DataFrame(rows)


def _value(text: str) -> Any:
    """A setting's value as JSON has it, else its text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
