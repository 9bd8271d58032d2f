"""Claim: our heads, wrapped by river's `SKL2RiverClassifier`, pass the checks that river makes of its own classifiers.

Two classes with the streams that river picks; seven classes with one of its streams. Failures are held against
`river_reasons.toml`.
"""

import functools
import random
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

from _reasons import Reasons, write_section
from river import datasets
from river.checks import yield_checks
from river.compat import SKL2RiverClassifier

from analytic_cl import (
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestMeanClassifier,
    NearestNeighborsClassifier,
    RLSClassifier,
)

ROWS = 200
HEADS = (LDAClassifier, RLSClassifier, NearestMeanClassifier, NearestNeighborsClassifier, KeyValueBottleneckClassifier)
SEGMENTS = sorted({y for _, y in datasets.ImageSegments()})
TEXT = """river {version} checks estimators (`river.checks`). These are its checks of classifiers, on our heads behind
its wrapper for scikit-learn's estimators, `SKL2RiverClassifier`, less the three that river leaves out for the wrapper.
Two classes: web pages, as river has them. Seven classes: {rows} image segments.

{tables}"""


def cases(model):
    """Checks with their streams: river's for two classes; for more, each check once over segments."""
    done = set(model._unit_test_skips())
    for check in yield_checks(model):
        over_rows = "dataset" in getattr(check, "keywords", {})
        if not model._multiclass and check.__name__ not in done:
            yield check.__name__, check
        elif over_rows and check.__name__ not in done:
            done.add(check.__name__)
            yield check.__name__, functools.partial(check.func, dataset=datasets.ImageSegments().take(ROWS))


def main():
    passed, failed = {}, []
    warnings.simplefilter("ignore")  # of columns that the quantizer does not suit
    for kind in HEADS:
        for classes in ([False, True], SEGMENTS):
            group = f"{kind.__name__}, {len(classes)} classes"
            passed[group] = 0
            model = SKL2RiverClassifier(kind(), classes=classes)
            for name, check in cases(model):
                random.seed(0)
                try:
                    check(model.clone())
                    passed[group] += 1
                except Exception as error:
                    failed.append((group, name, f"{type(error).__name__}: {error}"))
    reasons = Reasons(Path(__file__).with_name("river_reasons.toml"))
    found, problems = reasons.judge(failed)
    text = TEXT.format(version=version("river"), rows=ROWS, tables=reasons.tables("head", passed, found))
    print(f"river's checks\n\n{text}")
    if problems:
        sys.exit("\n".join(["", *problems, f"{len(problems)} not as river_reasons.toml lists: nothing was written"]))
    write_section("river's checks of estimators", text)


if __name__ == "__main__":
    main()
