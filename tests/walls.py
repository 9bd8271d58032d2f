"""Reading the package's own source: what imports what, and who reads whose private names."""

import ast
from pathlib import Path

import analytic_cl

PACKAGE = Path(analytic_cl.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """The dotted name of a file's module."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imports_of(path):
    """Everything that a file imports at any time: at its top, inside of functions, and for type checkers only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name):
    """The module of this package that a dotted name is, or is in; None for a foreign one."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def arrows():
    """For each module the modules that it imports. What a room's `__init__` hands on counts for the file it is from."""
    handed_on = {}
    for module, path in MODULES.items():
        if path.name == "__init__.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom):
                    handed_on |= {f"{module}.{a.asname or a.name}": node.module for a in node.names}
    graph = {}
    for module, path in MODULES.items():
        if path.name != "__init__.py":
            found = {name if name in MODULES else module_of(handed_on.get(name, name)) for name in imports_of(path)}
            graph[module] = found - {None, module, "analytic_cl"}
    return graph


def circles(graph):
    """Groups of modules that import each other, directly or not."""
    reached = {module: set(others) for module, others in graph.items()}
    changed = True
    while changed:
        changed = False
        for others in reached.values():
            more = set().union(*(reached.get(other, set()) for other in others)) - others
            others.update(more)
            changed = changed or bool(more)
    in_circles = [module for module, others in reached.items() if module in others]
    return sorted({tuple(sorted(b for b in in_circles if b in reached[a] and a in reached[b])) for a in in_circles})


def private_reads(path):
    """Private names of other files that a file reads: imported, or as attributes of what is not its own."""
    tree = ast.parse(path.read_text())
    own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    own |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)}
    own |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("analytic_cl."):
            named = [f"{node.module}.{alias.name}" for alias in node.names if is_private(alias.name)]
            yield from (name for name in named if name not in MODULES)  # a file may be private to its room
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and not is_itself(node.value):
            if node.attr not in own | NOT_PRIVATE:
                yield ast.unparse(node)


# Names with an underscore that other libraries document; and PyTorch's int8 product, which has no other.
NOT_PRIVATE = {"_replace", "_asdict", "_fields", "_getframe", "_int_mm"}


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def is_itself(node):
    """Whether an expression is self, cls or super()."""
    if isinstance(node, ast.Call):
        node = node.func
        return isinstance(node, ast.Name) and node.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
