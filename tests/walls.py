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
    """For each module the modules that it imports. A name from a room's `__init__` counts for the file it comes from."""
    exported = {}
    for module, path in MODULES.items():
        if path.name == "__init__.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom):
                    exported |= {f"{module}.{a.asname or a.name}": node.module for a in node.names}
    graph = {}
    for module, path in MODULES.items():
        if path.name != "__init__.py":
            found = {name if name in MODULES else module_of(exported.get(name, name)) for name in imports_of(path)}
            graph[module] = found - {None, module, "analytic_cl"}
    return graph


def circles(graph):
    """Groups of modules that import each other, directly or not."""
    reach = {module: set(graph[module]) for module in graph}
    changed = True
    while changed:
        changed = False
        for module in reach:
            more = set().union(*(reach.get(other, set()) for other in reach[module])) - reach[module]
            if more:
                reach[module] |= more
                changed = True
    return sorted(
        {tuple(sorted(m for m in reach if m in reach[n] and n in reach.get(m, ()))) for n in reach if n in reach[n]}
    )


def private_reads(path):
    """Private names of other files that a file reads: imported, or as attributes of what is not its own."""
    tree = ast.parse(path.read_text())
    own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    own |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)}
    own |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("analytic_cl"):
            yield from (
                f"{node.module}.{alias.name}"
                for alias in node.names
                if is_private(alias.name) and module_of(f"{node.module}.{alias.name}") == node.module
            )
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")) and not is_super(node.value):
                yield ast.unparse(node)


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def is_super(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
