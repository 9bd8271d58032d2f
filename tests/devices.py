"""What tests of devices share. "torch-cpu" runs the code of "cuda" without a GPU."""

import os

import pytest
from common import needs

DEVICES = ["torch-cpu", "cuda"]


@pytest.fixture(params=DEVICES)
def device(request):
    """Each device in turn. Where `ANALYTIC_CL_REQUIRE_CUDA` is set, a test without a GPU fails and is not skipped."""
    torch = needs("torch", "ANALYTIC_CL_REQUIRE_TORCH")
    if request.param == "cuda" and not torch.cuda.is_available() and "ANALYTIC_CL_REQUIRE_CUDA" not in os.environ:
        pytest.skip("needs a CUDA device")
    torch.set_num_threads(1)  # workers share the cores, and matrices are small
    return request.param


def tensor(rows, device):
    """Rows in the memory of a device."""
    import torch

    return torch.tensor(rows, device="cuda" if device == "cuda" else "cpu")
