"""Makes nsga2.json: what pymoo says of points of two and three objectives, all to be small.

Run with pymoo 0.6.2. Each case has the points, their fronts, the crowding distance of each within its front
(pymoo's is a mean over objectives; here it is their sum, as in the paper), and the hypervolume to a reference.
"""

import json

import numpy as np
from pymoo.indicators.hv import HV
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

random = np.random.default_rng(2002)
crowding = get_crowding_function("cd")


def case(points):
    reference = points.max(axis=0) * 0.9 + 1
    fronts = NonDominatedSorting().do(points.astype(float))
    distances = np.zeros(len(points))
    for front in fronts:
        front.sort()
        distances[front] = crowding.do(points[front].astype(float)) * points.shape[1]
    return {
        "points": points.tolist(),
        "fronts": [front.tolist() for front in fronts],
        # JSON has no infinity.
        "crowding": [None if np.isinf(distance) else distance for distance in distances],
        "reference": reference.tolist(),
        "hypervolume": HV(ref_point=reference)(points.astype(float)),
    }


cases = []
for goals in [2, 3]:
    for count in [7, 40, 120]:
        for most in [12, 1000, 10**9]:  # with many ties, with few, with none
            points = random.integers(0, most, (count, goals))
            cases.append(case(points))
            # Most of them on one front.
            on_front = random.dirichlet(np.ones(goals), count) * most
            cases.append(case(np.round(on_front).astype(int)))
with open("nsga2.json", "w") as file:
    json.dump(cases, file, indent=None)
    file.write("\n")
