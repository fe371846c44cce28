"""Fitness by edit distance: strips of digits, of which only the string is known and not where each digit stands.

    pip install rapidfuzz
    python python/examples/edit_distance.py [PROPOSALS]

A strip is six places, of which three to five hold a digit and the others are blank. The network says a digit or a blank
(class 10) for each place; blanks are left out, and what is left is compared with the right string by Levenshtein's
distance. No gradient passes through that, and no label says which place holds which digit.
"""

import sys

import numpy as np
import supermask
from rapidfuzz.distance import Levenshtein

BLANK, PLACES = 10, 6


def strips(X, y, count, seed):
    """Features of all places `[count * PLACES, 64]`, their classes, and the string of each strip."""
    random = np.random.default_rng(seed)
    features = np.full((count, PLACES, X.shape[1]), X.min(), np.float32)
    classes = np.full((count, PLACES), BLANK)
    for strip in range(count):
        places = np.sort(random.choice(PLACES, random.integers(3, 6), replace=False))
        chosen = random.integers(len(X), size=len(places))
        features[strip, places], classes[strip, places] = X[chosen], y[chosen]
    return features.reshape(-1, X.shape[1]), classes.ravel(), strings(classes)


def strings(classes):
    """What rows `[strips, PLACES]` say, blanks left out."""
    return ["".join(chr(48 + digit) for digit in row if digit != BLANK) for row in classes]


if __name__ == "__main__":
    proposals = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    digits = supermask.Dataset("digits")
    train, test = (strips(*digits.arrays(split), count, seed) for split, count, seed in [("train", 300, 1), ("test", 150, 2)])
    right = {"train": train[2], "test": test[2]}

    def distance(predicted, split):
        """`[masks]`: the mean edit distance of strips, of `predicted` classes `[masks, samples]`."""
        said = [strings(of_mask.reshape(-1, PLACES)) for of_mask in predicted]
        return np.array([np.mean([Levenshtein.distance(a, b) for a, b in zip(one, right[split])]) for one in said])

    data = supermask.Dataset.from_arrays(*train[:2], *test[:2])
    network = supermask.Network([64, 75, 11], seed=1)
    evaluator = supermask.Evaluator(network, data)
    search = supermask.LocalSearch(network, seed=1, proposals=proposals, temperature={"start": 0.02, "end": 0.0005})
    mask, score = search.run(evaluator, lambda predicted, labels, split: -distance(predicted, split))
    predicted = evaluator.predictions(mask, "test")
    exact = np.mean([a == b for a, b in zip(strings(predicted[0].reshape(-1, PLACES)), right["test"])])
    print(f"mean edit distance {-score:.2f} (train), {distance(predicted, 'test')[0]:.2f} (test)")
    print(f"whole strings right: {exact:.1%} (test)")
