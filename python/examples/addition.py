"""Fitness by logical consistency: digits whose classes are never told, only the sums of pairs of images.

    python python/examples/addition.py

The fitness of a mask is minus the mean distance between the sum of two predicted digits and the right one. The same by
a program, from the command line: configs/addition-digits.json.
"""

import numpy as np
import supermask

pairs = {}


def by_sums(digits, labels, split):
    """`digits`: [masks, samples]. Labels serve for the sums alone."""
    if split not in pairs:
        order = np.random.default_rng(1).permutation(len(labels) // 2 * 2).reshape(2, -1)
        pairs[split] = order, labels[order[0]] + labels[order[1]]
    (first, second), sums = pairs[split]
    said = digits[:, first].astype(int) + digits[:, second]
    return -np.abs(said - sums).mean(axis=1)


if __name__ == "__main__":
    config = {
        "dataset": "digits",
        "network": {"hidden": [75]},
        "algorithm": {"kind": "ga", "population": 100, "termination": {"min_generations": 100, "max_generations": 100}},
    }
    record = supermask.run(config, seed=1, fitness=by_sums)
    data = supermask.Dataset("digits")
    X, y = data.arrays("test")
    distance = -by_sums(record.ticket.predict(X)[None], y, "test")[0]
    print(f"mean distance of sums {distance:.2f}, single digits right {record.test_accuracy:.1%} (test)")
