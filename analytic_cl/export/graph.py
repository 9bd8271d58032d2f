"""A graph of ONNX operators, as it grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from analytic_cl.export.onnx_library import load_onnx

OPSET = 18
IR_VERSION = 9  # of onnx 1.14: what runtimes of 2023 read
MOST_BYTES = 2**31 - 2**20  # of a file of protocol buffers


class Graph:
    """`Algebra` whose values are names in a graph; with what quantizers and memories need besides.

    All names but those of inputs and outputs begin with `prefix`, for graphs that become part of another.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._onnx = load_onnx("an export to ONNX")
        self._nodes: list[list[Any]] = [[]]  # those of the graph, and of bodies of loops that are being made
        self._constants: dict[tuple[Any, ...], str] = {}
        self._tensors: list[Any] = []
        self._count = 0
        self.n_bytes = 0

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}{kind}_{self._count}"

    # ---- nodes

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output, whose name comes back."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, n_outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        outputs = [self._name(kind.lower()) for _ in range(n_outputs)]
        self._nodes[-1].append(self._onnx.helper.make_node(kind, list(inputs), outputs, **attributes))
        return outputs

    def rename(self, value: str, name: str) -> None:
        """Give a value the name of an output."""
        self._nodes[-1].append(self._onnx.helper.make_node("Identity", [value], [name]))

    def array(self, values: Any, dtype: Any) -> str:
        """A constant of this dtype; strings are `np.str_`."""
        text = dtype is np.str_
        array = np.asarray(values, dtype=object if text else dtype)
        array = array if text else np.ascontiguousarray(array).reshape(array.shape)
        key: tuple[Any, ...] = (self._count,)  # large ones are never the same
        if text or array.nbytes <= 4096:
            key = str(dtype), array.shape, tuple(array.tolist()) if text else array.tobytes()
        if key not in self._constants:
            self.n_bytes += array.nbytes
            if self.n_bytes > MOST_BYTES:
                raise ValueError(
                    "the graph would be larger than 2 GB, which is what an ONNX file can hold: export a head with "
                    "fewer classes, columns or learned rows, or serve it with this package"
                )
            name = self._constants[key] = self._name("constant")
            if text:
                strings = [value.encode() for value in array.ravel()]
                kind = self._onnx.TensorProto.STRING
                self._tensors.append(self._onnx.helper.make_tensor(name, kind, array.shape, strings))
            else:
                self._tensors.append(self._onnx.numpy_helper.from_array(array, name))
        return self._constants[key]

    def integers(self, *values: int) -> str:
        return self.array(values, np.int64)

    def cast(self, x: str, dtype: Any) -> str:
        to = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.op("Cast", x, to=to)

    # ---- algebra

    def constant(self, array: Any, error: Any = 0.0) -> str:
        return self.array(array, np.float64)

    def add(self, x: str, y: str) -> str:
        return self.op("Add", x, y)

    def sub(self, x: str, y: str) -> str:
        return self.op("Sub", x, y)

    def mul(self, x: str, y: str) -> str:
        return self.op("Mul", x, y)

    def div(self, x: str, y: str) -> str:
        return self.op("Div", x, y)

    def sqrt(self, x: str) -> str:
        return self.op("Sqrt", x)

    def matmul(self, x: str, weights: str) -> str:
        return self.op("MatMul", x, weights)

    def total(self, x: str) -> str:
        return self.op("ReduceSum", x, self.integers(-1), keepdims=0)

    def largest(self, x: str) -> str:
        return self.op("ReduceMax", x, self.integers(1), keepdims=1)

    def least(self, x: str) -> str:
        return self.op("ReduceMin", x, self.integers(1), keepdims=1)

    def at_least(self, x: str, y: str) -> str:
        return self.op("GreaterOrEqual", x, y)

    def above(self, x: str, y: str) -> str:
        return self.op("Greater", x, y)

    def both(self, x: str, y: str) -> str:
        return self.op("And", x, y)

    def where(self, condition: str, x: str, y: str) -> str:
        return self.op("Where", condition, x, y)

    def columns(self, x: str, start: int, stop: int) -> str:
        return self.op("Slice", x, self.integers(start), self.integers(stop), self.integers(-1))

    def folded(self, x: str, k: int, width: int) -> str:
        return self.op("Reshape", x, self.integers(-1, k, width) if width > 1 else self.integers(-1, k))

    def each(self, body: Callable[..., str], *stacked: Any) -> str:
        stacks = [self.constant(part) for part in stacked]
        shapes = [np.shape(part)[1:] for part in stacked]
        # Stacked up as columns right away, no rows end the process of ONNX Runtime by a division by zero.
        (lines,) = self.scan(lambda _, *lines: ([], [body(*lines)]), [], stacks, shapes)
        return self.op("Transpose", lines, perm=[1, 0])

    def scan(
        self,
        body: Callable[..., tuple[list[str], list[str]]],
        carried: Sequence[str],
        stacks: Sequence[str],
        shapes: Sequence[Sequence[Any]],
        *,
        dtypes: Sequence[Any] = (),
        carried_shape: Sequence[Any] = (),
    ) -> list[str]:
        """A loop over the leading axis of stacks, whose lines have these shapes.

        `body` takes a list of carried values and the lines, and gives those that it carries on and those that are
        stacked up. Other values of the graph can be used in it.
        """
        helper, double = self._onnx.helper, self._onnx.TensorProto.DOUBLE
        kinds = [helper.np_dtype_to_tensor_dtype(np.dtype(dtype)) for dtype in dtypes] or [double] * len(stacks)
        before = [self._name("carried") for _ in carried]
        lines = [self._name("line") for _ in stacks]
        self._nodes.append([])
        kept, found = body(before, *lines)
        nodes = self._nodes.pop()
        inputs = [helper.make_tensor_value_info(name, double, carried_shape) for name in before]
        inputs += [
            helper.make_tensor_value_info(name, kind, shape)
            for name, kind, shape in zip(lines, kinds, shapes, strict=True)
        ]
        outputs = [helper.make_tensor_value_info(name, double, carried_shape) for name in kept]
        outputs += [helper.make_tensor_value_info(name, double, ["rows"]) for name in found]
        loop = helper.make_graph(nodes, self._name("loop"), inputs, outputs)
        return self.ops("Scan", len(outputs), *carried, *stacks, body=loop, num_scan_inputs=len(stacks))

    # ---- the whole

    def model(self, inputs: Sequence[Any], outputs: Sequence[Any], about: dict[str, str], doc: str) -> Any:
        """A checked model; raises ValueError where onnx finds it wrong, which is an error of ours."""
        onnx = self._onnx
        graph = onnx.helper.make_graph(self._nodes[0], "analytic_cl", list(inputs), list(outputs), self._tensors)
        model = onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="analytic-cl",
            doc_string=doc,
        )
        onnx.helper.set_model_props(model, about)
        onnx.checker.check_model(model, full_check=True)
        return model

    def value(self, name: str, dtype: Any, shape: Sequence[Any]) -> Any:
        """What an input or an output is."""
        kinds = self._onnx.TensorProto
        kind = kinds.STRING if dtype is np.str_ else self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, list(shape))
