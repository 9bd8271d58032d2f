"""Settings that must be in force before NumPy, SciPy and hypothesis are used."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # without it scikit-learn skips one of its checks
if "PYTEST_XDIST_WORKER" in os.environ:  # threads of BLAS that wait for a core take it from the other workers
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("default")

# Fixtures of several files. Their modules use NumPy, so they come after the settings.
from store_commands import clinic, data, folder  # noqa: E402, F401
from stores import store  # noqa: E402, F401


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Examples of the registry are shared by the tables of all tests: each test has a clone of its own."""
    from sklearn.base import BaseEstimator, clone

    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if isinstance(parameters.get("head"), BaseEstimator):
        parameters["head"] = clone(parameters["head"])


@pytest.fixture(autouse=True, scope="session")
def _examples_stay_unfitted():
    """Examples of the registry are shared by all tests: what is fitted is a clone."""
    yield
    from analytic_cl.heads.registry import head_entries

    examples = [head for entry in head_entries().values() for head in entry.examples]
    assert not [head for head in examples if head.__sklearn_is_fitted__()]
