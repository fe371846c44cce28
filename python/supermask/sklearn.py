"""A classifier for scikit-learn."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelEncoder, MinMaxScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .core import Dataset
from .runs import run


class SupermaskClassifier(ClassifierMixin, BaseEstimator):
    """Prunes an untrained network until it tells the classes apart.

    `hidden` are the widths of its hidden layers, `search` is `"local"` or `"genetic"`, `proposals` and
    `generations` say how long each searches. Features are scaled to [-0.7, 0.7] by the training set.
    """

    def __init__(self, hidden=(75,), search="local", proposals=100_000, generations=200, adapter="auto", random_state=None):
        self.hidden = hidden
        self.search = search
        self.proposals = proposals
        self.generations = generations
        self.adapter = adapter
        self.random_state = random_state

    def fit(self, X, y):
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        labels = LabelEncoder().fit(y)
        self.classes_ = labels.classes_
        if len(self.classes_) < 2:
            raise ValueError(f"SupermaskClassifier needs samples of at least 2 classes, but there is one class: {self.classes_[0]!r}")
        algorithms = {
            "local": {"kind": "local_search", "proposals": self.proposals},
            "genetic": {"kind": "ga", "termination": {"max_generations": self.generations}},
        }
        if self.search not in algorithms:
            raise ValueError(f"search: must be 'local' or 'genetic', found {self.search!r}")
        self.scaler_ = MinMaxScaler((-0.7, 0.7), clip=True).fit(X)
        seed = int(check_random_state(self.random_state).randint(2**31))
        scaled, codes = self.scaler_.transform(X).astype(np.float32), labels.transform(y)
        with tempfile.TemporaryDirectory() as folder:
            # A run reports an accuracy on a test set; what that is has no part in the search.
            data = Dataset.from_arrays(scaled, codes, scaled, codes).save(Path(folder) / "data.npz")
            config = {"dataset": data, "network": {"hidden": list(self.hidden)}, "algorithm": algorithms[self.search]}
            self.record_ = run(config, seed=seed, adapter=self.adapter)
        self.ticket_ = self.record_.ticket
        return self

    def decision_function(self, X):
        """The network's outputs, `[samples, classes]`; of two classes, by how much the second's is larger."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        outputs = self.ticket_.outputs(self.scaler_.transform(X))
        return outputs[:, 1] - outputs[:, 0] if len(self.classes_) == 2 else outputs

    def predict(self, X):
        """The class of the largest output, `[samples]`."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.classes_[self.ticket_.predict(self.scaler_.transform(X))]
