"""Reads the source of a checkout without running it: its modules, and what each imports. Plants small ones."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
"""The checkout under test."""

PACKAGES = ("orderbook", "snapshots")


class Import(NamedTuple):
    """One imported name."""

    target: str
    """Dotted name: a module, or a module and a name in it; with leading dots if relative."""
    line: int
    type_only: bool
    """Under ``if TYPE_CHECKING:``, so it never happens at run time."""


def modules(root: Path) -> dict[str, Path]:
    """Every module of the packages by its dotted name; a package is named like its folder."""
    found = {}
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.Module) -> list[Import]:
    """All imports of a module, wherever they stand: a lazy one is an arrow like any other."""
    type_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    return [
        Import(target, node.lineno, id(node) in type_only)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)
        for target in _targets(node)
    ]


def _targets(node: ast.Import | ast.ImportFrom | ast.Call) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            return [f"{'.' * level}{module or ''}.{alias.name}" for alias in names]
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if ast.unparse(function) in (
            "import_module",
            "importlib.import_module",
            "__import__",
        ):
            return [name]
        case _:
            return []


def resolve(target: str, known: dict[str, Path]) -> str | None:
    """The longest known module that ``target`` names or lies in; ``None`` if there is none."""
    while target and target not in known:
        target = target.rpartition(".")[0]
    return target or None


def plant(root: Path, files: dict[str, str]) -> Path:
    """Write a small checkout."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root
