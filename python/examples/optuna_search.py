"""Optuna chooses the settings of a local search, by validation accuracy alone; the test set is looked at once.

    pip install optuna
    python python/examples/optuna_search.py
"""

import optuna
import supermask

BASE = {"dataset": {"kind": "digits", "validation": 0.2}, "network": {"hidden": [75]}}


def configuration(trial: optuna.Trial) -> dict:
    temperature = trial.suggest_float("temperature", 1e-6, 1e-2, log=True)
    return {
        **BASE,
        "algorithm": {
            "kind": "local_search",
            "proposals": 20_000,
            "temperature": {"start": temperature, "end": temperature / 100},
            "initial_density": trial.suggest_float("initial_density", 0.2, 0.8),
            "swap_rate": trial.suggest_float("swap_rate", 0.0, 0.5),
        },
    }


def objective(trial: optuna.Trial) -> float:
    runs = [supermask.run(configuration(trial), seed=seed) for seed in range(3)]
    return sum(record["result"]["validation_accuracy"] for record in runs) / len(runs)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(objective, n_trials=20, show_progress_bar=True)
    tests = [supermask.run(configuration(study.best_trial), seed=seed).test_accuracy for seed in range(100, 105)]
    print(f"validation accuracy {study.best_value:.2%} with {study.best_params}")
    print(f"test accuracy of five other seeds: {sum(tests) / len(tests):.2%}")
