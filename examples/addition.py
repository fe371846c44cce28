"""Fitness by logical consistency: digits whose classes are never told, only the sums of pairs.

    supermask run configs/addition-digits.json
    supermask run configs/addition-likelihood-digits.json

The images of a split are paired at random, by a fixed seed; labels serve for the sums of pairs alone. A mask's score is, by the
word that is given:

- `share`: the share of pairs whose predicted digits add up to the pair's sum;
- `absolute`, `squared`: how far predicted sums are from right ones, as the negative mean absolute or squared difference;
- `likelihood`: the mean logarithm of the chance of the right sum, where outputs say how likely each digit is (softmax) and the two
  images are independent, as in DeepProbLog (Manhaeve et al. 2018). It needs outputs, the others predictions.

Needs NumPy.
"""

import json
import math
import sys

import numpy as np

# A sum that is held to be impossible costs no more than this.
LEAST_CHANCE = 1e-9


def read_array(stream):
    """An array in NumPy's format from a pipe, of which `numpy.load` would want to know the position."""
    np.lib.format.read_magic(stream)
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    return np.frombuffer(stream.read(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)


def log_likelihood(outputs, first, second, sums):
    """Of `[masks, samples, classes]` outputs."""
    chances = np.exp((outputs - outputs.max(axis=2, keepdims=True)).astype(float))
    chances /= chances.sum(axis=2, keepdims=True)
    of_sum = np.zeros((len(outputs), len(sums)))
    for digit in range(outputs.shape[2]):
        other = sums - digit
        possible = (other >= 0) & (other < outputs.shape[2])
        ways = chances[:, first[possible], digit] * chances[:, second[possible], other[possible]]
        of_sum[:, possible] += ways
    return np.log(np.maximum(of_sum, LEAST_CHANCE)).mean(axis=1)


def score(word, shown, first, second, sums):
    if word == "likelihood":
        return log_likelihood(shown, first, second, sums)
    difference = shown[:, first].astype(int) + shown[:, second] - sums
    if word == "share":
        return np.mean(difference == 0, axis=1)
    return -np.mean({"absolute": np.abs(difference), "squared": difference**2}[word], axis=1)


word = sys.argv[1]
pairs = {}
for line in iter(sys.stdin.buffer.readline, b""):
    heading = json.loads(line)
    shown = read_array(sys.stdin.buffer)
    split = heading["split"]
    if split not in pairs:
        labels = np.array(heading["labels"])
        first, second = np.random.default_rng(1).permutation(len(labels) // 2 * 2).reshape(2, -1)
        pairs[split] = first, second, labels[first] + labels[second]
    print("\n".join(map(repr, score(word, shown, *pairs[split]).tolist())), flush=True)
