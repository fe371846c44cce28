"""Hands the progress of `supermask run … --log run.jsonl` to MLflow (or to Weights & Biases: the lines are the same).

    pip install mlflow
    python examples/progress.py run.jsonl
"""

import json
import sys

try:
    import mlflow
except ImportError:
    sys.exit("progress.py hands numbers to MLflow: pip install mlflow")

for line in open(sys.argv[1]):
    event = json.loads(line)
    step = next((event.pop(unit) for unit in ("generation", "proposals", "epoch") if unit in event), None)
    numbers = {key: value for key, value in event.items() if isinstance(value, (int, float)) and key != "seed"}
    mlflow.log_metrics({f"{event['run']}/{key}": value for key, value in numbers.items()}, step=step)
    # wandb.log({f"{event['run']}/{key}": value for key, value in numbers.items()})
