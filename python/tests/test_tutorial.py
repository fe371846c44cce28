"""The tutorial's cells run one after the other; what they assert holds."""

import json
from pathlib import Path

import pytest


def test_the_tutorial_runs():
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    notebook = json.loads((Path(__file__).parents[1] / "tutorial.ipynb").read_text())
    names = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "tutorial.ipynb", "exec"), names)
    assert len(names["frame"]) == 6
