"""Documentation that runs: every Python block of README and docs, and docstrings that say what they must."""

import inspect
import os
import re
import runpy
import shutil
import tomllib
import warnings
from importlib.metadata import metadata
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

import analytic_cl
from analytic_cl import checks

REPOSITORY = "https://github.com/analytic-cl/analytic-cl"
ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def python_blocks(page):
    """Code of the blocks that run, each with the packages that it needs beyond those of every test."""
    found = re.findall(
        r"^(?:<!-- needs: ([\w,.]+) -->\n)?```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
    )
    return [(tuple(filter(None, needed.split(","))), code) for needed, code in found]


SWITCHES = {"pyspark": "ANALYTIC_CL_REQUIRE_SPARK", "ray": "ANALYTIC_CL_REQUIRE_RAY"}  # as in make scale; others: STACK
TALKATIVE = {"mlflow", "pyspark", "ray"}  # they warn of themselves


def is_there(name):
    java = name != "pyspark" or "JAVA_HOME" in os.environ or shutil.which("java") is not None
    try:
        return java and find_spec(name) is not None
    except ModuleNotFoundError:  # of a part of a package
        return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_of_a_page_run_one_after_another(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, missing = {"__name__": "docs"}, set()
    for needed, block in python_blocks(page):
        absent = {name for name in needed if not is_there(name)}
        missing |= absent
        if absent:
            continue
        with warnings.catch_warnings():
            if TALKATIVE.intersection(needed):
                warnings.simplefilter("ignore")
            exec(compile(block, str(page), "exec"), names)
    if missing:
        assert not [name for name in missing if SWITCHES.get(name, "ANALYTIC_CL_REQUIRE_STACK") in os.environ]
        pytest.skip(f"all but the blocks that need {', '.join(sorted(missing))} ran")


def test_the_readme_has_an_example():
    assert python_blocks(ROOT / "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        made = page.parent.name == "reference" and "/" not in target  # by make docs; tests/test_site.py follows them
        assert made or (page.parent / target).exists(), target
    for target in re.findall(rf"\]\({re.escape(REPOSITORY)}/blob/main/([^)#]+)", page.read_text()):
        assert (ROOT / target).exists(), target


def test_the_package_index_gets_links_that_lead_somewhere_licences_and_an_extra_for_everything():
    about = metadata("analytic-cl")
    urls = dict(line.split(", ", 1) for line in about.get_all("Project-URL"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert not re.findall(r"\]\((?!https://|#)[^)]+", (ROOT / "README.md").read_text()), "links relative to what?"
    assert urls["Homepage"] == REPOSITORY
    assert {"Documentation", "Changelog", "Issues"} <= urls.keys()
    assert about["License-Expression"] == "BSD-3-Clause AND CC-BY-3.0 AND Apache-2.0"
    assert about.get_all("License-File") == ["LICENSE", "analytic_cl/data/README.md"]
    assert set(re.findall(r"[\w-]+", extras["all"][0].split("[")[1])) == extras.keys() - {
        "all",
        "faiss-gpu",
        "spark",
        "ray",
    }
    assert files("analytic_cl").joinpath("py.typed").is_file()


TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.name)
def test_tutorials_show_the_code_of_the_files_that_they_name(page):
    tool = runpy.run_path(str(ROOT / "tools" / "include_sources.py"))

    assert page.read_text() == tool["written"](page), "run tools/include_sources.py"
    assert "<!-- source:" in page.read_text()


PUBLIC = [name for name in analytic_cl.__all__ if inspect.isclass(getattr(analytic_cl, name))]
HEADS = [name for name in PUBLIC if name.endswith(("Classifier", "Regressor"))]


@pytest.mark.parametrize("name", analytic_cl.__all__)
def test_public_names_are_documented(name):
    assert inspect.getdoc(getattr(analytic_cl, name))


@pytest.mark.parametrize(
    "name",
    [
        *HEADS,
        "ContinualPipeline",
        "Moments",
        "FixedPoint",
        "FourierFeatures",
        "NearestKeys",
        "OrientedGradients",
        "RandomProjection",
    ],
)
def test_docstrings_state_cost_exactness_and_an_example(name):
    text = inspect.getdoc(getattr(analytic_cl, name))

    for part in ("Exactness:", "Cost:", "Examples\n---", "Parameters\n---", ">>>"):
        assert part in text, part


@pytest.mark.parametrize("name", HEADS)
def test_head_docstrings_name_every_parameter_a_source_and_a_downside(name):
    head = getattr(analytic_cl, name)
    text = inspect.getdoc(head)

    for parameter in inspect.signature(head).parameters:
        assert re.search(rf"^(\w+, )*{parameter}( :|,)", text, re.MULTILINE), parameter
    assert "References\n---" in text
    assert "downside" in text


def test_every_room_has_a_page_of_the_reference_or_is_inner():
    hooks = runpy.run_path(str(ROOT / "tools" / "site_hooks.py"))
    code = Path(analytic_cl.__file__).parent
    rooms = {path.parent.name for path in code.glob("*/__init__.py")} | {path.stem for path in code.glob("*.py")}

    assert {name for name in rooms if not name.startswith("_")} == hooks["ROOMS"].keys() | hooks["INNER"]
    assert {name for name in dir(analytic_cl) if name in rooms} <= hooks["ROOMS"].keys()
    assert set(analytic_cl._HOMES) - {"_config", "_device"} <= hooks["ROOMS"].keys()


def test_every_check_says_what_it_proves():
    named = {
        name
        for name, value in vars(checks).items()
        if name.startswith("check_") and name not in ("check_head", "check_random_state")
    }

    assert named == {check.__name__ for check in checks.ALL_CHECKS}
    assert all(check.__doc__ for check in checks.ALL_CHECKS)
