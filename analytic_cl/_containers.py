"""What users hold rows, labels and ids in, brought to NumPy: series, tensors, chunked and lazy arrays.

No library is imported: an object of one that nobody has imported can't exist.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Types of columns that NumPy has, too.
POLARS_NUMBERS = {f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)} | {"Float32", "Float64"}


def is_a(value: Any, library: str, *names: str) -> bool:
    """Whether `value` is of one of these classes of a library."""
    module = sys.modules.get(library)
    kinds = [getattr(module, name, None) for name in names]
    return isinstance(value, tuple(kind for kind in kinds if isinstance(kind, type)))


def local(values: Any, name: str = "X") -> Any:
    """`values` as NumPy can read them: what dask would compute, what narwhals wraps, tensors as arrays.

    Everything else is handed back. Raises TypeError for what can't be read: lazy frames and sparse tensors.
    """
    if type(values) in (np.ndarray, list, tuple):
        return values
    if method := _collecting_method(values):
        raise TypeError(f"{name} is a {type(values).__name__}, which is lazy and holds no rows: call {method}() first")
    if is_a(values, "narwhals", "DataFrame", "Series"):
        return local(values.to_native(), name)
    if "dask" in sys.modules and sys.modules["dask"].is_dask_collection(values):
        return local(values.compute(), name)
    if is_a(values, "torch", "Tensor"):
        return _tensor(values, name)
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        return _from_dlpack(values, name)
    return values


def tensor_of(values: Any, name: str = "X") -> Any:
    """A tensor of PyTorch, which is loaded, over the memory of a tensor of any library; None for everything else."""
    torch = sys.modules["torch"]
    if not isinstance(values, torch.Tensor):
        if isinstance(values, np.ndarray | np.generic) or not hasattr(values, "__dlpack__"):
            return None
        values = torch.from_dlpack(values)
    _check_dense(values, name)
    return values.detach()


def _collecting_method(values: Any) -> str:
    """What would give the rows of something lazy; "" for what holds its rows."""
    if is_a(values, "polars", "LazyFrame") or is_a(values, "narwhals", "LazyFrame"):
        return "collect"
    if hasattr(values, "__len__") or hasattr(values, "__array__"):
        return ""
    return next((name for name in ("collect", "to_table") if hasattr(values, name)), "")  # Spark, pyarrow's data sets


def _check_dense(tensor: Any, name: str) -> None:
    if tensor.layout is not sys.modules["torch"].strided:
        raise TypeError(f"{name} is a sparse tensor, but dense data is required: use .to_dense()")


def _from_dlpack(values: Any, name: str) -> NDArray[Any]:
    try:
        return np.from_dlpack(values)
    except (BufferError, RuntimeError) as error:
        hint = ', or use_device("cuda")' if name == "X" else ""
        raise TypeError(f"{name} is not in memory that NumPy reads ({error}): copy it to the host{hint}") from error


def _tensor(tensor: Any, name: str) -> NDArray[Any]:
    _check_dense(tensor, name)
    try:
        return np.asarray(tensor.numpy(force=True))
    except TypeError:  # bfloat16 and the like, of which float32 holds every value
        return np.asarray(tensor.float().numpy(force=True))


def column_values(values: Any) -> Any:
    """The values of one column of polars, pyarrow or pandas, missing ones as None; everything else is handed back.

    Text, categories and anything with missing values come as an object array; numbers and booleans as they are.
    """
    if is_a(values, "polars", "Series"):
        kind = str(values.dtype)
        plain = (kind in POLARS_NUMBERS or kind == "Boolean") and not values.null_count()
        return np.asarray(values.to_numpy()) if plain else objects(values.to_list())
    if is_a(values, "pyarrow", "Array", "ChunkedArray"):
        types = sys.modules["pyarrow"].types
        plain = types.is_primitive(values.type) and not values.null_count
        return values.to_numpy(zero_copy_only=False) if plain else objects(values.to_pylist())
    if hasattr(values, "to_numpy") and hasattr(values, "isna") and not hasattr(values, "columns"):
        if isinstance(values.dtype, np.dtype):
            return values.to_numpy()
        missing = np.asarray(values.isna())
        found = np.array(values.to_numpy(dtype=object))
        found[missing] = None
        return found
    return values


def plain_scalar(value: Any) -> Any:
    """The value of a tensor or a pyarrow scalar that holds one; anything else is handed back."""
    if is_a(value, "torch", "Tensor") and value.ndim == 0:
        return value.item()
    return value.as_py() if is_a(value, "pyarrow", "Scalar") else value


def objects(values: Any) -> NDArray[Any]:
    """A list as an object array, because NumPy would turn [1, "a"] into strings."""
    array: NDArray[Any] = np.empty(len(values), dtype=object)
    array[:] = values if set(map(type, values)) <= {int, str, bool} else list(map(plain_scalar, values))
    return array
