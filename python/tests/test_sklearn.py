"""The classifier among scikit-learn's own checks; without scikit-learn there is nothing to check."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from supermask.sklearn import SupermaskClassifier


@parametrize_with_checks([SupermaskClassifier(hidden=(32,), proposals=10_000, adapter="cpu", random_state=0)])
def test_checks(estimator, check):
    check(estimator)


def test_iris_with_names():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    classifier = SupermaskClassifier(hidden=(30,), proposals=20_000, adapter="cpu", random_state=0)
    assert cross_val_score(classifier, X, names, cv=3).mean() > 0.9
