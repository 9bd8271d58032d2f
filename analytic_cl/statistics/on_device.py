"""Gram matrix and class sums of integer rows by PyTorch, on any of its devices.

Products are of int8 in int32. Rows of 16 and 32 bits are cut into signed bytes, x = sum of a_k 2^(8 k) with a_k from
-128 to 127; all bytes of some columns are multiplied at once, so that narrow matrices fill a card better.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl._device import (
    DeviceRows,
    columns,
    device_work,
    padded_side,
    product,
    pytorch,
    sent,
    torch_device,
)
from analytic_cl._interrupts import deferred_interrupts
from analytic_cl._parallel import row_blocks
from analytic_cl._sparse import SparseRows
from analytic_cl.statistics import gram

BLOCK_ROWS = 2**16  # in one product: 128^2 * 2^16 < 2^31
BAND = 2048  # rows, one a byte of a column, that are made at a time; what lies left of them is left out
_HALVES = 0x808080  # half of what each byte holds, but for the highest
_NUMBERS = 2**24  # that are summed at a time

# Of each plane (see `gram.PLANE_SHIFTS`): which bytes are multiplied, i with j and j with i, and the weight.
_PRODUCTS = {
    8: [[(0, 0, 1)]],
    16: [[(1, 1, 2**16), (1, 0, 2**8), (0, 0, 1)]],
    32: [
        [(3, 3, 2**16), (3, 2, 2**8), (2, 2, 1)],
        [(3, 1, 2**16), (3, 0, 2**8), (2, 1, 2**8), (2, 0, 1)],
        [(1, 1, 2**16), (1, 0, 2**8), (0, 0, 1)],
    ],
}


class GramOnDevice:
    """What is still to be added to the planes of a Gram matrix, in int64 squares on one device.

    Only what lies in the upper triangle counts. Exactness: bit for bit.
    """

    def __init__(self, width: int, bits: int) -> None:
        self.device = torch_device()
        self._width, self._bits, self._n_bytes = width, bits, bits // 8
        self._squares: list[Any] = []  # none until there is something

    def change(self, rows: NDArray[Any] | DeviceRows | SparseRows, sign: int, interruptible: bool) -> None:
        """Add sign * rows.T @ rows, whole or not at all: the sums of one call are complete before they enter."""
        with device_work(f"a Gram matrix of {self._width} columns"), deferred_interrupts() as guard:
            fresh = self._empty()
            for part in row_blocks(len(rows), BLOCK_ROWS):
                if interruptible:
                    guard.check()
                self._add_products(fresh, self._columns(rows, part), sign)
            self.settle()
            if interruptible:
                guard.check()
            if self._squares:
                for square, more in zip(self._squares, fresh, strict=True):
                    square.add_(more)
                self.settle()
            else:
                self._squares = fresh

    def settle(self) -> None:
        """Wait for the device, so that its errors are raised here, and threads may use streams of their own."""
        torch = pytorch()

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _empty(self) -> list[Any]:
        torch = pytorch()

        side = padded_side(self._width * self._n_bytes) // self._n_bytes
        return [torch.zeros((side, side), dtype=torch.int64, device=self.device) for _ in _PRODUCTS[self._bits]]

    def _columns(self, rows: NDArray[Any] | DeviceRows | SparseRows, part: slice) -> Any:
        """The bytes of the columns of some rows, low to high, one a row, padded."""
        torch = pytorch()

        x = rows.tensor[part].to(self.device) if isinstance(rows, DeviceRows) else sent(rows[part], self.device)
        if self._bits > 8:
            # Bytes of the sum are a_k + 128, the highest a_k itself; the limit of rows leaves room for it.
            halves = _HALVES >> (32 - self._bits)
            x = ((x + halves) ^ halves).view(torch.int8)
        return columns(x)

    def _add_products(self, squares: list[Any], sides: Any, sign: int) -> None:
        k = self._n_bytes
        for band in row_blocks(len(squares[0]), BAND // k):
            found = product(sides[k * band.start : k * band.stop], sides[k * band.start :])
            found = found.view(band.stop - band.start, k, -1, k)
            for square, terms in zip(squares, _PRODUCTS[self._bits], strict=True):
                target = square[band, band.start :]
                for i, j, weight in terms:
                    for a, b in {(i, j), (j, i)}:
                        target.add_(found[:, a, :, b], alpha=sign * weight)

    def diagonals(self) -> list[NDArray[np.int64]]:
        """Of each square."""
        return [square.diagonal()[: self._width].cpu().numpy() for square in self._squares]

    def largest(self) -> int:
        """Largest magnitude of an entry."""
        ends = (end for square in self._squares for end in square.aminmax())
        return max((abs(int(end)) for end in ends), default=0)

    def move_into(self, planes: gram.Planes) -> None:
        """Add everything to planes on the host, whole or not at all, and let go of it."""
        d = self._width
        here = [square[:d, :d].contiguous().cpu().numpy() for square in self._squares]
        for plane, square in zip(planes, here, strict=False):
            gram.add_triangle(plane, square)
        self._squares = []


def class_sums_on_device(rows: DeviceRows, codes: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Row sums by class, shape (n_classes, width)."""
    torch = pytorch()

    tensor = rows.tensor
    n, d = tensor.shape
    with device_work(f"sums of {n_classes} classes"):
        places = sent(codes, tensor.device)
        sums = torch.zeros((n_classes, d), dtype=torch.int64, device=tensor.device)
        for part in row_blocks(n, max(1, _NUMBERS // d)):
            sums.index_add_(0, places[part], tensor[part].to(torch.int64))
        return np.asarray(sums.cpu().numpy())
