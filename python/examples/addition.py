"""Fitness by logical consistency: digits whose classes are never told, only the sums of pairs of images.

    python python/examples/addition.py genetic|annealing|random SEED

A mask is worth the mean logarithm of the chance that its outputs give to the right sums. The same from the command line, by a
program: configs/addition-likelihood-digits.json; what other scores come to is in docs/RESULTS.md.
"""

import sys

import numpy as np
import supermask

# Masks that annealing and a random search may look at: as many as the genetic algorithm does.
EVALUATIONS = 92_900

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


def genetic(seed):
    ends = {"min_generations": 2000, "max_generations": 2000}
    config = {
        "dataset": "digits",
        "network": {"hidden": [75]},
        "algorithm": {"kind": "ga", "mutation_operator": "heavy_tailed", "termination": ends},
    }

    def tell(unit, made, accuracy):
        print(f"\rgeneration {made:.0f}: {accuracy:.1%} of single digits right (train)", end="", file=sys.stderr)

    record = supermask.run(config, seed=seed, fitness=likelihood, needs="outputs", callback=tell)
    print(file=sys.stderr)
    return record.network, record.mask


def annealing(seed):
    network = supermask.Network([64, 75, 10], seed=seed)
    search = supermask.LocalSearch(
        network, seed=seed, proposals=EVALUATIONS, batch=8, temperature={"start": 0.003, "end": 0.00003}
    )
    return network, search.run(supermask.Evaluator(network, data), likelihood, needs="outputs")[0]


def at_random(seed):
    network, random = supermask.Network([64, 75, 10], seed=seed), np.random.default_rng(seed)
    evaluator, best = supermask.Evaluator(network, data), (None, -np.inf)
    for _ in range(EVALUATIONS // 100):
        masks = random.random((100, network.weights)) < random.random((100, 1))  # of any density
        scores = evaluator.scores(masks, likelihood, needs="outputs")
        best = max(best, (masks[scores.argmax()], scores.max()), key=lambda one: one[1])
    return network, best[0]


if __name__ == "__main__":
    searches = {"genetic": genetic, "annealing": annealing, "random": at_random}
    if len(sys.argv) != 3 or sys.argv[1] not in searches:
        sys.exit(f"usage: addition.py {'|'.join(searches)} SEED")
    data = supermask.Dataset("digits")
    network, mask = searches[sys.argv[1]](int(sys.argv[2]))
    evaluator = supermask.Evaluator(network, data)
    for split in ("train", "test"):
        digits = evaluator.scores(mask, "accuracy", split=split)[0]
        value = evaluator.scores(mask, likelihood, needs="outputs", split=split)[0]
        print(f"{split}: likelihood {value:.3f}, {digits:.2%} of single digits right, which nobody named")
