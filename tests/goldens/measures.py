"""Makes measures.json: what scikit-learn says of predicted classes.

Run with scikit-learn 1.9.1. Each case has confusion counts, rows being classes and columns predictions.
"""

import json
import warnings

import numpy as np
from sklearn import metrics

warnings.simplefilter("ignore")
random = np.random.default_rng(15)


def case(labels, predicted, classes):
    recall = metrics.recall_score(labels, predicted, labels=np.unique(labels), average=None)
    kappa = metrics.cohen_kappa_score(labels, predicted)
    return {
        "classes": classes,
        "confusion": metrics.confusion_matrix(labels, predicted, labels=range(classes)).ravel().tolist(),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "macro_f1": metrics.f1_score(labels, predicted, average="macro"),
        # scikit-learn says NaN where chance alone agrees always.
        "cohen_kappa": 0.0 if np.isnan(kappa) else kappa,
        "matthews_correlation": metrics.matthews_corrcoef(labels, predicted),
        "worst_class_recall": recall.min(),
    }


cases = []
for classes in [2, 3, 10]:
    for skew in [1.0, 3.0]:
        for agreement in [0.0, 0.3, 0.8, 0.99, 1.0]:
            share = 1.0 / np.arange(1, classes + 1) ** skew
            labels = random.choice(classes, size=int(random.integers(30, 5000)), p=share / share.sum())
            others = random.choice(classes, size=labels.size)
            predicted = np.where(random.random(labels.size) < agreement, labels, others)
            cases.append(case(labels, predicted, classes))
labels = random.choice(3, size=200)
cases += [
    case(labels, np.zeros_like(labels), 3),  # one class for all
    case(np.zeros_like(labels), labels, 3),  # one class alone
    case(np.zeros_like(labels), np.zeros_like(labels), 3),
    case(1 - labels % 2, labels % 2, 2),  # all wrong
    case(labels, labels, 5),  # classes that nothing is of
]
with open("measures.json", "w") as file:
    json.dump(cases, file, indent=None)
    file.write("\n")
