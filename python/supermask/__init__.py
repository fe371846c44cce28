"""supermask finds strong lottery tickets: pruning masks with which an untrained network solves a task.

    >>> import supermask
    >>> record = supermask.run({"dataset": "moons", "network": {"hidden": [20]}}, seed=1)   # doctest: +SKIP
    >>> record.test_accuracy, record.mask.shape                                              # doctest: +SKIP

Masks are boolean arrays `[masks, weights]`, in the order of the network's layers, `[output, input]` each, or the
packed form `[masks, words]` of `uint32` that `pack` makes of them.
"""

import os
import sys

# Without a desktop session, a layer of Mesa's Vulkan drivers complains of that; which GPU is the desktop's is no matter.
if sys.platform == "linux" and "XDG_RUNTIME_DIR" not in os.environ:
    os.environ.setdefault("NODEVICE_SELECT", "1")

from ._supermask import __version__
from .core import Dataset, Evaluator, Network, pack, unpack
from .records import Record, Ticket, read_results
from .runs import run, sweep
from .search import GeneticAlgorithm, LocalSearch

__all__ = [
    "Dataset",
    "Evaluator",
    "GeneticAlgorithm",
    "LocalSearch",
    "Network",
    "Record",
    "Ticket",
    "__version__",
    "pack",
    "read_results",
    "run",
    "sweep",
    "unpack",
]
