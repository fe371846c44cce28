"""Whole runs, one or many."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping

import numpy as np

from . import _supermask
from .core import seed_of
from .program import supermask
from .records import Record, read_results

if TYPE_CHECKING:
    import pandas


def run(
    config: str | os.PathLike | Mapping[str, Any],
    *,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    fitness: str | Mapping[str, Any] | Callable[[np.ndarray, np.ndarray, str], Any] | None = None,
    needs: str = "predictions",
    callback: Callable[[str, float, float], None] | None = None,
    adapter: str = "auto",
    arithmetic: str | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> Record:
    """Makes the run of a configuration, a file's path or its content, as `supermask run` does: same seed, same ticket.
    `settings` are set in place of its own, by their paths: `{"algorithm.population": 500}`.

    `fitness` is an objective as configurations have it (`"balanced_accuracy"`, `{"costs": matrix}`), or is a function that is called with what it `needs` of a batch of masks
    (`"predictions"`, `[masks, samples]`; `"outputs"`, `[masks, samples, outputs]`; `"confusion"`,
    `[masks, classes, classes]`), the samples' classes, `[samples]`, and `"train"`, `"test"` or `"validation"`. It returns a
    finite score for each mask, larger being better. `callback` is called some times a second with a unit (`"generation"`,
    `"proposals"` or `"epoch"`), how many there were, and the best training accuracy so far. A `checkpoint` file is written every five seconds and
    when Ctrl-C is pressed; the same call goes on from it.
    """
    settings = dict(settings or {})
    if seed is not None:
        settings["seed"] = seed_of(seed)
    if fitness is not None:
        settings["algorithm.fitness"] = "own" if callable(fitness) else fitness
    if not isinstance(config, (str, os.PathLike, Mapping)):
        raise TypeError(f"config: must be a file's path or a mapping, found {config!r}")
    source = json.dumps({"name": "run", **config}) if isinstance(config, Mapping) else Path(config)
    function = (fitness, needs) if callable(fitness) else None
    checkpoint = None if checkpoint is None else os.fspath(checkpoint)
    return Record(json.loads(_supermask.run(source, json.dumps(settings), (adapter, arithmetic), function, callback, checkpoint)))


def sweep(
    config: str | os.PathLike | Mapping[str, Any],
    out: str | os.PathLike,
    *,
    adapter: str = "auto",
    arithmetic: str | None = None,
    shows: bool = True,
) -> pandas.DataFrame:
    """Makes all runs of a sweep's configuration, a file's path or its content, into the folder `out`, as `supermask sweep`
    does: runs that are there already are not made again. Returns `read_results(out)`, which needs pandas.

    It runs in a process of its own, and shows its progress unless told not to.
    """
    options = ["--out", out, "--adapter", adapter, *(["--arithmetic", arithmetic] if arithmetic else [])]
    if isinstance(config, Mapping):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{config.get('name', 'sweep')}.json"
            file.write_text(json.dumps(config))
            supermask("sweep", file, *options, shows=shows)
    else:
        supermask("sweep", config, *options, shows=shows)
    return read_results(out)
