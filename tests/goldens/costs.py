"""Makes costs.json: sums of costs by NumPy, over predictions one by one.

Run with NumPy 2.4.6.
"""

import json

import numpy as np

random = np.random.default_rng(5)
cases = []
for classes in [2, 3, 10]:
    for highest in [1, 9, 2**32 - 1]:
        costs = random.integers(0, highest, (classes, classes), endpoint=True)
        costs[np.diag_indices(classes)] = costs.min(axis=1)
        costs[0, :2] = 0, highest
        labels, predicted = random.integers(0, classes, (2, 3000))
        confusion = np.zeros((classes, classes), int)
        np.add.at(confusion, (labels, predicted), 1)
        cases.append(
            {
                "costs": costs.tolist(),
                "confusion": confusion.ravel().tolist(),
                "sum": int(costs[labels, predicted].sum()),
                "mean": costs[labels, predicted].mean(),
            }
        )
with open("costs.json", "w") as file:
    json.dump(cases, file, indent=None)
    file.write("\n")
