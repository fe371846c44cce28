"""Fitness by logical consistency: digits whose classes are never told, only the sums of pairs of images.

    python python/examples/addition.py [GENERATIONS]

A mask is worth the mean logarithm of the chance that its outputs give to the right sums. The same from the command line, by a
program: configs/addition-likelihood-digits.json; what other scores come to is in docs/RESULTS.md.
"""

import sys

import numpy as np
import supermask

pairs = {}


def likelihood(outputs, labels, split):
    """`outputs`: [masks, samples, 10]. Labels serve for the sums of pairs alone."""
    if split not in pairs:
        first, second = np.random.default_rng(1).permutation(len(labels) // 2 * 2).reshape(2, -1)
        pairs[split] = first, second, (labels[first] + labels[second]).astype(int)
    first, second, sums = pairs[split]
    chances = np.exp((outputs - outputs.max(axis=2, keepdims=True)).astype(float))
    chances /= chances.sum(axis=2, keepdims=True)
    right = np.zeros((len(outputs), len(sums)))
    for digit in range(10):
        possible = (sums >= digit) & (sums - digit < 10)
        right[:, possible] += chances[:, first[possible], digit] * chances[:, second[possible], sums[possible] - digit]
    return np.log(np.maximum(right, 1e-9)).mean(axis=1)


if __name__ == "__main__":
    generations = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    ends = {"min_generations": generations, "max_generations": generations}
    config = {
        "dataset": "digits",
        "network": {"hidden": [75]},
        "algorithm": {"kind": "ga", "mutation_operator": "heavy_tailed", "termination": ends},
    }

    def tell(unit, made, accuracy):
        print(f"\rgeneration {made:.0f}: {accuracy:.1%} of single digits right (train)", end="", flush=True)

    record = supermask.run(config, seed=0, fitness=likelihood, needs="outputs", callback=tell)
    print(f"\nsingle digits right that nobody named: {record.test_accuracy:.1%} (test)")
