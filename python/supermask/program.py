"""The command line as a process of its own, which a kill of this one leaves whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def supermask(*arguments: str | os.PathLike, shows: bool = False) -> None:
    """Runs the program with `arguments`; what it says is shown where it `shows`, else only raised where it fails."""
    command = [sys.executable, "-m", "supermask", *(os.fspath(argument) for argument in arguments)]
    # The package is found there however it was found here.
    roots = [os.fspath(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}
    done = subprocess.run(command, env=environment, text=True, stdout=None if shows else subprocess.PIPE,
                          stderr=None if shows else subprocess.PIPE)
    if done.returncode == 0:
        return
    if done.returncode == 130:
        raise KeyboardInterrupt
    said = "" if shows else ": " + done.stderr.strip().removeprefix("error: ")
    kind = ValueError if done.returncode == 2 else RuntimeError
    raise kind(f"supermask {os.fspath(arguments[0])} failed{said or ', as it says above'}")
