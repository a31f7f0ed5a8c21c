"""Small mistakes put into a module one at a time: what ``mutation.py`` lets the tests look for.

A mutant is a changed syntax tree, so nothing is written to disk. Whatever stands in the module is changed, inside
functions or not: the synchroniser decides by a table of lambdas. Left alone is what no test can see or what only helps
a reader: annotations, docstrings and texts, decorators, what is there for type checkers, assertions outside ``verify``.

The kinds of mistake:

* ``comparison``: ``<`` becomes ``<=`` and ``>=``, and so on; ``==``, ``is`` and ``in`` become their opposites;
* ``boundary``: an order comparison is stricter by one, a number in a comparison is one more or one less;
* ``arithmetic``: ``+`` and ``-`` change places, and so on; a sign is left out;
* ``constant``: a whole number is one more, or one less; a flag is the other one;
* ``boolean``: ``and`` and ``or`` change places; one of their operands, or ``not``, is left out; a condition is negated;
* ``call``: ``min`` and ``max``, ``any`` and ``all`` change places; one of several literal arguments is left out;
* ``return``: ``None`` is returned;
* ``statement``: one with an effect is left out; ``break`` and ``continue`` change places;
* ``element``: one entry of a set, a dictionary or a table is left out.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

TEXT_MAX: Final = 160
"""How much of the source describes a mutant, in characters."""

COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
# What is done to the right side of an order comparison to make it stricter by one.
STRICTER: Final[dict[type[ast.cmpop], type[ast.operator]]] = {
    ast.Lt: ast.Sub,
    ast.LtE: ast.Sub,
    ast.Gt: ast.Add,
    ast.GtE: ast.Add,
}
# ``|`` is missing: in this library it mostly joins types.
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
SWAPPED: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
NOT_MUTATED: Final = frozenset({"__slots__", "__all__"})

Part = TypeVar("Part")
Parts = list[tuple[ast.AST, str, int | None]]
"""Where a node hangs: the node above it, the field, the position in it."""


class Mutant(NamedTuple):
    """One mistake. ``tree`` is the changed module; it is valid until the next mutant is asked for."""

    kind: str
    function: str
    """Qualified name, empty outside functions and classes."""
    line: int
    before: str
    after: str
    repetition: int
    """How many earlier mutants of the module read the same."""
    tree: ast.Module

    @property
    def key(self) -> str:
        """What names it, whatever lines are added elsewhere."""
        again = f" #{self.repetition + 1}" if self.repetition else ""
        return f"{self.function}: {self.before} -> {self.after}{again}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    seen: Counter[tuple[str, str, str]] = Counter()
    for path, function in _sites(tree):
        parent, field, index = path[-1]
        original = _get(parent, field, index)
        shown = _shown(path)
        for kind, replacement, left_out in _replacements(original, path):
            before = ast.unparse(left_out or _get(*path[shown]))
            _put(parent, field, index, replacement)
            try:
                after = "nothing" if left_out else ast.unparse(_get(*path[shown]))
                ast.fix_missing_locations(tree)
                words = (function, before, after)
                yield Mutant(
                    kind, function, getattr(left_out or original, "lineno", 0), before, after, seen[words], tree
                )
                seen[words] += 1
            finally:
                _put(parent, field, index, original)


# -- where --


def _sites(tree: ast.Module) -> Iterator[tuple[Parts, str]]:
    """The way to every node that may be changed, with the function that it is in."""
    yield from _below(tree, [], "")


def _below(node: ast.AST, path: Parts, function: str) -> Iterator[tuple[Parts, str]]:
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "pattern", "bases", "ctx", "op", "ops"):
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in list(children):
            if not isinstance(child, ast.AST) or _is_left_alone(child, function):
                continue
            here = [*path, (node, field, index)]
            name = function
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{function}.{child.name}".lstrip(".")
            yield here, name
            yield from _below(child, here, name)


def _is_left_alone(node: ast.AST, function: str) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assert():
            return not function.endswith("verify")
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in NOT_MUTATED
        case ast.FunctionDef(decorator_list=[ast.Name(id="overload")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _get(parent: ast.AST, field: str, index: int | None) -> ast.AST:
    value = getattr(parent, field)
    found = value if index is None else value[index]
    assert isinstance(found, ast.AST)
    return found


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _shown(path: Parts) -> int:
    """Which node on the way shows a change best: the largest one that is still read at a glance."""
    for depth, place in enumerate(path):
        node = _get(*place)
        is_whole = isinstance(node, ast.expr) or not hasattr(node, "body")
        if is_whole and len(ast.unparse(node)) <= TEXT_MAX:
            return depth
    return len(path) - 1


# -- what --


Change = tuple[str, ast.AST, ast.AST | None]
"""The kind of mistake, what stands there instead, and what is missing then, if that is all of it."""


def _replacements(node: ast.AST, path: Parts) -> Iterator[Change]:
    yield from _expressed(node, path)
    yield from _collected(node)
    yield from _stated(node)
    if _is_condition(node, path):
        assert isinstance(node, ast.expr)
        yield "boolean", ast.UnaryOp(ast.Not(), node), None


def _expressed(node: ast.AST, path: Parts) -> Iterator[Change]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.Call():
            yield from _called(node)
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in ARITHMETIC:
            yield "arithmetic", _with(node, op=ARITHMETIC[type(op)]()), None
        case ast.UnaryOp(op=ast.USub() | ast.Not() as op):
            yield "boolean" if isinstance(op, ast.Not) else "arithmetic", node.operand, None
        case ast.BoolOp():
            yield "boolean", _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And()), None
            for values, _ in _shortened(node.values):
                yield "boolean", values[0] if len(values) == 1 else _with(node, values=values), None
        case ast.Constant(value=bool(flag)):
            yield "constant", ast.Constant(not flag), None
        case ast.Constant(value=int(number)):
            kind = "boundary" if any(isinstance(_get(*place), ast.Compare) for place in path) else "constant"
            yield kind, _number(number + 1), None
            yield kind, _number(number - 1), None


def _collected(node: ast.AST) -> Iterator[Change]:
    """An entry of a set, a dictionary or a table: a tuple of tuples. Other tuples are records, which want all parts."""
    match node:
        case ast.Set(elts=[_, _, *_] as parts) | ast.Tuple(elts=[ast.Tuple(), ast.Tuple(), *_] as parts):
            for rest, missing in _shortened(parts):
                yield "element", _with(node, elts=rest), missing
        case ast.Dict(keys=[_, _, *_]):
            pairs = list(zip(node.keys, node.values, strict=True))
            for others, (_, missing) in _shortened(pairs):
                yield "element", ast.Dict([key for key, _ in others], [value for _, value in others]), missing


def _compared(node: ast.Compare) -> Iterator[Change]:
    for place, op in enumerate(node.ops):
        for other in COMPARISONS[type(op)]:
            yield "comparison", _with(node, ops=[*node.ops[:place], other(), *node.ops[place + 1 :]]), None
        if type(op) in STRICTER:
            stricter = ast.BinOp(node.comparators[place], STRICTER[type(op)](), ast.Constant(1))
            beside = [*node.comparators[:place], stricter, *node.comparators[place + 1 :]]
            yield "boundary", _with(node, comparators=beside), None


def _called(node: ast.Call) -> Iterator[Change]:
    if isinstance(node.func, ast.Name) and node.func.id in SWAPPED:
        yield "call", _with(node, func=ast.Name(SWAPPED[node.func.id], ast.Load())), None
    if len(node.args) > 1 and all(isinstance(argument, ast.Constant) for argument in node.args):
        for rest, _ in _shortened(node.args):
            yield "call", _with(node, args=rest), None


def _stated(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Break():
            yield "statement", ast.Continue(), None
        case ast.Continue():
            yield "statement", ast.Break(), None
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Delete() | ast.Assert() | ast.Return(value=None):
            yield "statement", ast.Pass(), node
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
            yield "return", ast.Return(ast.Constant(None)), None
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]) | ast.AnnAssign(target=ast.Attribute()):
            yield "statement", ast.Pass(), node


def _shortened(parts: Sequence[Part]) -> Iterator[tuple[list[Part], Part]]:
    """The parts without each of them in turn, and that one."""
    for left_out, part in enumerate(parts):
        yield [*parts[:left_out], *parts[left_out + 1 :]], part


def _is_condition(node: ast.AST, path: Parts) -> bool:
    """Whether it decides a branch, and nothing in it is changed to the same effect."""
    parent, field, _ = path[-1]
    decides = field == "test" or (field == "ifs" and isinstance(parent, ast.comprehension))
    return decides and not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp)


def _number(value: int) -> ast.expr:
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
