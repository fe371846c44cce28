"""Writes mixedlm_boundary.json: small cases whose variances lie on or near the boundary.

statsmodels' Powell method stops early on such cases, so each fit is repeated from its own result until it
stays. Needs numpy, pandas and statsmodels (0.15.0 wrote the committed file).
"""

import json
import pathlib
import warnings

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

REPEATS = 12
MODELS = {
    "intercept": {},
    "intercept_and_seed": {"vc_formula": {"seed": "0+C(seed)"}, "re_formula": "1"},
    "seed_only": {"vc_formula": {"seed": "0+C(seed)"}},
}


def rows(rng, groups, seeds, group_variance, seed_variance, dropped):
    found = []
    for group in "ABCDEF"[:groups]:
        of_group = rng.normal() * group_variance**0.5
        for seed in range(seeds):
            of_seed = rng.normal() * seed_variance**0.5
            for algorithm in (0, 1):
                if rng.random() >= dropped:
                    accuracy = of_group + of_seed + 0.4 * algorithm + rng.normal() * 0.5
                    found.append((accuracy, algorithm, group, seed))
    data = pd.DataFrame(found, columns=["accuracy", "algorithm", "architecture", "seed"])
    data.accuracy = (data.accuracy - data.accuracy.mean()) / data.accuracy.std(ddof=0)
    return data


def fit(data, options):
    model = smf.mixedlm("accuracy ~ algorithm", data, groups=data.architecture, **options)
    result = model.fit(reml=True, method="powell")
    for _ in range(REPEATS):
        result = model.fit(reml=True, method="powell", start_params=result.params_object)
    interval = np.asarray(result.conf_int())[:2]
    intercepts = result.random_effects
    return {
        "fixed_coef": list(result.fe_params),
        "fixed_se": list(result.bse_fe),
        "z": list(np.asarray(result.tvalues)[:2]),
        "p": list(np.asarray(result.pvalues)[:2]),
        "ci95_low": list(interval[:, 0]),
        "ci95_high": list(interval[:, 1]),
        "cov_re": np.asarray(result.cov_re).tolist(),
        "vcomp": {"seed": result.vcomp[0]} if len(result.vcomp) else {},
        "scale": result.scale,
        "loglike": result.llf,
        "group_intercepts": {
            group: {"Group": effects.iloc[0]} if "vc_formula" not in options or "re_formula" in options else {}
            for group, effects in intercepts.items()
        },
    }


def main():
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(7)
    cases = {}
    for name, arguments in {
        "two_groups_no_variance": (2, 6, 0.0, 0.0, 0.3),
        "two_groups_seed_variance": (2, 6, 0.0, 1.0, 0.0),
        "three_groups_group_variance": (3, 6, 0.5, 0.0, 0.3),
        "six_groups_small_variances": (6, 5, 0.05, 0.05, 0.2),
    }.items():
        data = rows(rng, *arguments)
        fits = {model: fit(data, options) for model, options in MODELS.items()}
        columns = {column: data[column].tolist() for column in data.columns}
        cases[name] = {"rows": len(data), "data": columns, "fits": fits}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"cases": cases}, default=float) + "\n")


main()
