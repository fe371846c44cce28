"""Makes all_pairs.json: mean ranks, Friedman's test, A12, and Wilcoxon's test of all pairs with Holm's correction.

Run with SciPy 1.17 and statsmodels 0.14.
"""

import itertools
import json

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

random = np.random.default_rng(11)
cases = []
for algorithms, blocks, samples, gain in [(3, 10, 400, 0.01), (4, 25, 100, 0.01), (5, 60, 1000, 0.004), (3, 8, 20, 0.0)]:
    base = random.uniform(0.6, 0.9, blocks)
    accuracies = [
        np.round(np.clip(base + gain * n + random.normal(0, 0.02, blocks), 0, 1) * samples) / samples for n in range(algorithms)
    ]
    ranks = np.array([stats.rankdata(-block) for block in np.round(np.array(accuracies).T, 9)])
    friedman = stats.friedmanchisquare(*np.round(accuracies, 9))
    pairs = list(itertools.combinations(range(algorithms), 2))
    # Differences that rounding has split are ties, as the program has it.
    difference = lambda a, b: np.round((accuracies[a] - accuracies[b]) / 1e-9) * 1e-9
    p = [stats.wilcoxon(difference(a, b)).pvalue for a, b in pairs]
    cases.append(
        {
            "accuracies": [values.tolist() for values in accuracies],
            "mean_ranks": ranks.mean(axis=0).tolist(),
            "chi_squared": friedman.statistic,
            "friedman_p": friedman.pvalue,
            "a12": [
                float(np.mean([(x > y) + 0.5 * (x == y) for x in accuracies[a] for y in accuracies[b]])) for a, b in pairs
            ],
            "wilcoxon_p": p,
            "wilcoxon_holm": multipletests(p, method="holm")[1].tolist(),
        }
    )
with open("all_pairs.json", "w") as file:
    json.dump(cases, file, indent=None)
    file.write("\n")
