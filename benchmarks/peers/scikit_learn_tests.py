"""Claim: scikit-learn's own tests of these classifiers fail on ours only where ours does something else on purpose.

Its wheel holds its tests. They are read with our heads in place of five classifiers (`_rebound.py`), and a test counts
if it makes one of the five or is given one. Failures are held against `scikit_learn_reasons.toml`.
"""

import contextlib
import io
import os
import sys
from collections import Counter
from pathlib import Path

os.environ["SKLEARN_RUN_FLOAT32_TESTS"] = "1"

import _rebound
import pytest
import sklearn
from _reasons import Reasons, write_section

SOURCES = Path(sklearn.__file__).parent
FILES = (
    "tests/test_discriminant_analysis.py",
    "linear_model/tests/test_ridge.py",
    "neighbors/tests/test_nearest_centroid.py",
    "neighbors/tests/test_neighbors.py",
)
TEXT = """scikit-learn {version} has its tests in its wheel. They are run with our heads behind the names of its
classifiers: `LDAClassifier` for `LinearDiscriminantAnalysis`, `RLSClassifier` for `RidgeClassifier` and
`RidgeClassifierCV`, `NearestMeanClassifier` for `NearestCentroid`, and `NearestNeighborsClassifier` with
`vote="majority"` for `KNeighborsClassifier`; `benchmarks/peers/_rebound.py` translates parameters that ours have. Every
test counts that makes one of these classifiers while it runs, or is given one. A test stops at the first thing that
fails. Not counted: {skipped} that scikit-learn skips here (array API without its switch or packages) or expects to
fail, and tests of other classes.

{tables}"""


class Watch:
    """What became of each test that counts."""

    def __init__(self):
        self.outcomes, self.failed, self.unread = {}, [], []

    def pytest_collectreport(self, report):
        if report.failed:
            self.unread.append(report.longreprtext)

    def pytest_runtest_setup(self, item):
        _rebound.made.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        given = _rebound.given_in(item.callspec.params.values()) if hasattr(item, "callspec") else False
        if (report.when == "call" or not report.passed) and (given or _rebound.made):
            self.outcomes[item.nodeid] = (item.path.name, report.outcome)
            if report.failed:
                self.failed.append(
                    (item.path.name, item.originalname, f"{call.excinfo.typename}: {call.excinfo.value}")
                )
        return report


def run():
    watch = Watch()
    _rebound.rebind()
    options = ["-c", os.devnull, f"--rootdir={SOURCES}", "-p", "no:cacheprovider", "--tb=no", "-q"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main([*options, *(str(SOURCES / name) for name in FILES)], plugins=[watch])
    if watch.unread or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sys.exit("\n".join([said.getvalue()[-3000:], *watch.unread]))
    return watch


def main():
    watch = run()
    counts = Counter(watch.outcomes.values())
    reasons = Reasons(Path(__file__).with_name("scikit_learn_reasons.toml"))
    found, problems = reasons.judge(watch.failed)
    tables = reasons.tables("file", {Path(name).name: counts[Path(name).name, "passed"] for name in FILES}, found)
    skipped = sum(cases for (_, outcome), cases in counts.items() if outcome == "skipped")
    text = TEXT.format(version=sklearn.__version__, skipped=skipped, tables=tables)
    print(f"scikit-learn's tests\n\n{text}")
    if problems:
        sys.exit(
            "\n".join(["", *problems, f"{len(problems)} not as scikit_learn_reasons.toml lists: nothing was written"])
        )
    write_section("scikit-learn's own tests", text)


if __name__ == "__main__":
    main()
