"""What the package must hold: arrays equal NumPy's own forward pass, and runs equal the command line's."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import supermask

SMALL = {
    "seed": 1,
    "dataset": {"kind": "moons", "train_samples": 300, "test_samples": 100},
    "network": {"hidden": [8]},
    "algorithm": {"kind": "ga", "population": 20, "termination": {"max_generations": 15}},
}


@pytest.fixture(scope="module")
def problem():
    random = np.random.default_rng(5)
    X = random.normal(size=(211, 4)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)
    data = supermask.Dataset.from_arrays(X[:150], y[:150], X[150:], y[150:])
    network = supermask.Network([4, 9, 7, 3], seed=2)
    masks = random.random((6, network.weights)) < 0.6
    return data, network, masks


def plain(network, mask, X):
    return supermask.Ticket(network, mask).outputs(X)


def test_evaluators_equal_numpy(problem):
    data, network, masks = problem
    evaluator = supermask.Evaluator(network, data, adapter="cpu")
    for split in ["train", "test"]:
        X, y = data.arrays(split)
        outputs = evaluator.outputs(masks, split)
        assert outputs.shape == (6, len(y), 3) and outputs.dtype == np.float32
        for mask, found in zip(masks, outputs):
            np.testing.assert_allclose(found, plain(network, mask, X), rtol=1e-4, atol=1e-5)
        predictions = evaluator.predictions(supermask.pack(masks), split)
        np.testing.assert_array_equal(predictions, outputs.argmax(axis=2))
        np.testing.assert_array_equal(evaluator.counts(masks, split), (predictions == y).sum(axis=1))
        confusion = np.zeros((6, 3, 3), int)
        for n in range(6):
            np.add.at(confusion[n], (y, predictions[n]), 1)
        np.testing.assert_array_equal(evaluator.confusion(masks, split), confusion)


def test_masks_are_packed_and_unpacked(problem):
    _, network, masks = problem
    packed = supermask.pack(masks)
    assert packed.dtype == np.uint32 and packed.shape == (6, -(-network.weights // 32))
    np.testing.assert_array_equal(supermask.unpack(packed, network.weights), masks)


def test_threads_share_an_evaluator(problem):
    data, network, masks = problem
    evaluator = supermask.Evaluator(network, data, adapter="cpu")
    expected, found = evaluator.counts(masks), []
    threads = [threading.Thread(target=lambda: found.append(evaluator.counts(masks))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(np.array_equal(counts, expected) for counts in found)


def test_what_is_wrong_is_said(problem):
    data, network, masks = problem
    evaluator = supermask.Evaluator(network, data, adapter="cpu")
    for call, kind, message in [
        (lambda: evaluator.counts(masks[:, :-1]), ValueError, "a mask has"),
        (lambda: evaluator.counts(masks.astype(float)), TypeError, "dtype bool"),
        (lambda: evaluator.counts(masks, "all"), ValueError, "split: must be"),
        (lambda: supermask.Evaluator(network, data, adapter="no such"), ValueError, "no such adapter"),
        (lambda: supermask.Dataset("suns"), ValueError, "suns"),
        (lambda: supermask.Dataset.from_arrays([[np.nan]], [0], [[1]], [0]), ValueError, "row 0, column 0"),
        (lambda: supermask.Dataset.from_arrays([[1], [2]], [0], [[1]], [0]), ValueError, "2 rows of features, but 1"),
        (lambda: supermask.run({**SMALL, "network": {"hidden": [0]}}), ValueError, "network"),
        (lambda: supermask.GeneticAlgorithm(network, populatoin=3), ValueError, "populatoin"),
    ]:
        with pytest.raises(kind, match=message):
            call()


SEARCHES = [
    (supermask.GeneticAlgorithm, {"population": 12, "termination": {"min_generations": 5, "patience": 5, "max_generations": 8}}),
    (supermask.LocalSearch, {"proposals": 60, "batch": 4, "chains": 2, "temperature": {"start": 2.0, "end": 0.1}}),
]


@pytest.mark.parametrize(("kind", "settings"), SEARCHES)
def test_asking_and_telling_goes_on_from_a_saved_state(problem, kind, settings):
    data, network, _ = problem
    evaluator = supermask.Evaluator(network, data, adapter="cpu")

    def steps(search, most=None):
        while (masks := search.ask()) is not None and most != 0:
            search.tell(evaluator.counts(masks))
            most = None if most is None else most - 1
        return search

    whole = steps(kind(network, seed=3, **settings))
    begun = steps(kind(network, seed=3, **settings), 4)
    rest = steps(kind.load(network, begun.save()))
    mask, score = whole.best()
    np.testing.assert_array_equal(mask, rest.best()[0])
    assert score == rest.best()[1] == evaluator.counts(mask)[0]
    other = kind(network, seed=4, **settings)
    asked = other.ask()
    np.testing.assert_array_equal(asked, other.ask())
    for call, message in [
        (lambda: other.tell(np.zeros(len(asked) + 1)), f"{len(asked) + 1} scores"),
        (lambda: other.tell(np.full(len(asked), np.nan)), "must be finite"),
        (lambda: other.tell([[1.0]]), "must be \\[masks\\]"),
        (lambda: whole.tell([1.0]), "ask comes first"),
        (lambda: kind.load(network, "{}"), "not a saved search"),
        (lambda: kind.load(supermask.Network([4, 5, 3]), begun.save()), "load: "),
        (lambda: kind(network, populatoin=3), "populatoin"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_searches_run_by_any_fitness(problem):
    data, network, _ = problem
    evaluator = supermask.Evaluator(network, data, adapter="cpu")

    def worst(confusion, labels, split):
        return (confusion.diagonal(axis1=1, axis2=2) / np.bincount(labels, minlength=3)).min(axis=1)

    for kind, settings in SEARCHES:
        steps = []
        named = kind(network, seed=5, **settings).run(evaluator, "worst_class_recall", callback=steps.append)
        own = kind(network, seed=5, **settings).run(evaluator, worst, needs="confusion")
        np.testing.assert_array_equal(named[0], own[0])
        assert named[1] == pytest.approx(own[1]) and len(steps) > 4
        assert evaluator.scores(named[0], "accuracy")[0] == evaluator.counts(named[0])[0] / 150
    costs = {"costs": [[0, 3, 1], [2, 0, 1], [9, 1, 0]]}
    confusion = evaluator.confusion(named[0])[0]
    assert evaluator.scores(named[0], costs)[0] == pytest.approx(-(confusion * costs["costs"]).sum() / 150)
    for fitness, message in [("margin", "no measure"), ("accurate", "fitness: "), ({"costs": [[0, 1], [1, 0]]}, "3 by 3")]:
        with pytest.raises(ValueError, match=message):
            evaluator.scores(named[0], fitness)


def test_a_run_is_that_of_the_command_line(tmp_path):
    program = [sys.executable, "-m", "supermask"]
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    place = {"cwd": tmp_path, "check": True, "env": {**os.environ, "PYTHONPATH": str(Path(supermask.__file__).parents[1])}}
    subprocess.run([*program, "run", "small.json", "--adapter", "cpu", "--out", "out"], **place)
    written = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    told = []
    (tmp_path / "noted.json").write_text("// As small.json.\n" + json.dumps({**SMALL, "name": "small"}))
    record = supermask.run(tmp_path / "noted.json", adapter="cpu", callback=lambda *news: told.append(news))
    assert record["ticket"] == written["ticket"] and record["result"] == written["result"]
    assert told and told[-1][0] == "generation"
    changed = supermask.run(tmp_path / "small.json", adapter="cpu", settings={"algorithm.population": 25, "seed": 7})
    assert changed["config"]["algorithm"]["population"] == 25 and changed["config"]["seed"] == 7
    assert supermask.Dataset.read(tmp_path / "noted.json").checksum == record["data"]["checksum"]
    record.save(tmp_path / "saved.json")
    subprocess.run([*program, "table", "saved.json"], **place)
    X, y = supermask.Dataset(SMALL["dataset"]).arrays("test")
    assert (record.ticket.predict(X) == y).mean() == pytest.approx(record.test_accuracy, abs=0.011)
    shown = record._repr_html_()
    assert "test accuracy" in shown and shown.count("<svg") == 2


def test_a_function_is_a_fitness():
    def worst(confusion, labels, split):
        return (confusion.diagonal(axis1=1, axis2=2) / np.bincount(labels)).min(axis=1)

    own = supermask.run(SMALL, fitness=worst, needs="confusion", adapter="cpu")
    named = supermask.run(SMALL, fitness="worst_class_recall", adapter="cpu")
    assert own["result"]["measure"]["train"] == pytest.approx(named["result"]["measure"]["train"], abs=1e-6)
    assert own["result"]["measure"]["name"] == "own"
    for answer, kind, message in [
        (lambda *_: 1.0, TypeError, "one score a mask"),
        (lambda evidence, *_: np.full(len(evidence), np.nan), ValueError, "must be finite"),
        (lambda evidence, *_: np.zeros(len(evidence) + 1), ValueError, "scores for"),
        (lambda evidence, *_: ["a"] * len(evidence), ValueError, "could not convert"),
        (lambda *_: {}["digit"], KeyError, "digit"),
    ]:
        with pytest.raises(kind, match=message):
            supermask.run(SMALL, fitness=answer, adapter="cpu")


def test_ctrl_c_ends_a_run_soon():
    long = {**SMALL, "algorithm": {"kind": "ga", "termination": {"min_generations": 10**6, "patience": 10**6}}}
    # What runs in the background of a shell has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        supermask.run(long, adapter="cpu")
    assert time.monotonic() - begun < 1.5
    assert supermask.run(SMALL, adapter="cpu")["stop_reason"] == "max_generations"


def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    class Enough(Exception):
        pass

    def end(unit, made, accuracy):
        if made > 0:
            raise Enough

    saved = tmp_path / "run.checkpoint"
    # Callbacks come ten times a second: long enough for several on any machine.
    long = {**SMALL, "dataset": {"kind": "moons", "train_samples": 5000}, "algorithm": {"kind": "ga", "population": 40, "termination": {"min_generations": 10_000, "max_generations": 10_000}}}
    with pytest.raises(Enough):
        supermask.run(long, adapter="cpu", callback=end, checkpoint=saved)
    assert saved.exists()
    resumed, whole = supermask.run(long, adapter="cpu", checkpoint=saved), supermask.run(long, adapter="cpu")
    assert resumed["ticket"] == whole["ticket"] and resumed["history"] == whole["history"]


def test_a_sweep_is_a_data_frame(tmp_path):
    pandas = pytest.importorskip("pandas")
    grid = {"name": "small", "seeds": 2, "base": SMALL, "grid": {"algorithm.population": [10, 20]}}
    frame = supermask.sweep(grid, tmp_path / "out", adapter="cpu", shows=False)
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 4 and frame["seed"].nunique() == 2
    assert frame["test_accuracy"].between(0.5, 1).all()
    with pytest.raises(ValueError, match="grid"):
        supermask.sweep({**grid, "grid": 3}, tmp_path / "other", adapter="cpu", shows=False)


@pytest.mark.parametrize("seed, error", [(-1, ValueError), (2**64, ValueError), (1.5, TypeError), ("1", TypeError)])
def test_a_seed_that_is_none_is_named(seed, error):
    network = supermask.Network([2, 5, 2])
    for use in [lambda: supermask.Network([2, 5, 2], seed=seed), lambda: supermask.GeneticAlgorithm(network, seed=seed),
                lambda: supermask.LocalSearch(network, seed=seed), lambda: supermask.run(SMALL, seed=seed)]:
        with pytest.raises(error, match="seed: must be a whole number"):
            use()


def test_what_is_no_configuration_and_no_table_is_named():
    with pytest.raises(TypeError, match="config: must be a file's path or a mapping, found 3"):
        supermask.run(3)
    with pytest.raises(ValueError, match=r"features: must be \[samples, features\], found the shape \(0,\)"):
        supermask.Dataset.from_arrays([], [], [], [])


def test_arrays_become_a_file_that_runs_read(tmp_path, problem):
    data, _, _ = problem
    section = data.save(tmp_path / "own.npz")
    record = supermask.run({**SMALL, "dataset": section}, adapter="cpu", seed=3)
    assert supermask.Dataset(section).checksum == data.checksum
    record.ticket.to_onnx(tmp_path / "ticket.onnx")
    record.export(tmp_path / "ticket.npz", compact=True)
    assert (tmp_path / "ticket.onnx").stat().st_size > 100 and (tmp_path / "ticket.npz").exists()
    with pytest.raises(ValueError, match="pdf"):
        record.export(tmp_path / "ticket.pdf")


def test_torch_predicts_the_same(problem):
    torch = pytest.importorskip("torch")
    data, network, masks = problem
    X, _ = data.arrays("test")
    ticket = supermask.Ticket(network, masks[0])
    with torch.no_grad():
        found = ticket.to_torch()(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(found, ticket.outputs(X), rtol=1e-4, atol=1e-5)
