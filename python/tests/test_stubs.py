"""The types that are declared are those that are there."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]


@pytest.mark.parametrize("check", [["mypy.stubtest", "supermask._supermask", "--concise"], ["mypy", "supermask", "--ignore-missing-imports"]])
def test_types_hold(check):
    pytest.importorskip("mypy")
    ended = subprocess.run([sys.executable, "-m", *check], cwd=PACKAGE, env={"PYTHONPATH": ".", "MYPYPATH": ".", "MYPY_CACHE_DIR": "/dev/null"},
                           text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert ended.returncode == 0, ended.stdout
