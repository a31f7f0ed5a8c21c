"""The mistakes that the mutation campaign makes: each kind is made, and nothing is left changed behind it."""

from __future__ import annotations

import ast

import pytest

from benchmarks.mutants import mutants


def made(source: str) -> list[tuple[str, str]]:
    """Kind and text of every mutant of a module."""
    return [(mutant.kind, mutant.after) for mutant in mutants(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "a <= b",
            [("comparison", "a < b"), ("comparison", "a > b"), ("boundary", "a <= b - 1")],
        ),
        ("a > b", [("comparison", "a >= b"), ("comparison", "a <= b"), ("boundary", "a > b + 1")]),
        ("a is b", [("comparison", "a is not b")]),
        ("a == 1", [("comparison", "a != 1"), ("boundary", "a == 2"), ("boundary", "a == 0")]),
        ("a + b", [("arithmetic", "a - b")]),
        ("-a", [("arithmetic", "a")]),
        ("a and b", [("boolean", "a or b"), ("boolean", "b"), ("boolean", "a")]),
        ("not a", [("boolean", "a")]),
        ("f(0)", [("constant", "f(1)"), ("constant", "f(-1)")]),
        ("True", [("constant", "False")]),
        ("max(a)", [("call", "min(a)")]),
        ("f('a', 'b')", [("call", "f('b')"), ("call", "f('a')")]),
        ("{a, b}", [("element", "nothing"), ("element", "nothing")]),
        ("{a: b, c: d}", [("element", "nothing"), ("element", "nothing")]),
        ("((a,), (b,))", [("element", "nothing"), ("element", "nothing")]),
        ("[x for x in y if z]", [("boolean", "[x for x in y if not z]")]),
        (
            "lambda: a < b",
            [("comparison", "lambda: a <= b"), ("comparison", "lambda: a >= b"), ("boundary", "lambda: a < b - 1")],
        ),
    ],
)
def test_what_is_made_of_an_expression(source: str, expected: list[tuple[str, str]]) -> None:
    """Also outside functions: tables are made of such."""
    assert [(kind, f"x = {text}" if text != "nothing" else text) for kind, text in expected] == made(f"x = {source}")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("g()", [("statement", "nothing")]),
        ("self.a = b", [("statement", "nothing")]),
        ("a += b", [("arithmetic", "a -= b"), ("statement", "nothing")]),
        ("return a", [("return", "return None")]),
        ("return", [("statement", "nothing")]),
        ("raise a", [("statement", "nothing")]),
        ("while a: break", [("boolean", "not a"), ("statement", "continue")]),
        ("if a: b", [("boolean", "not a"), ("statement", "nothing")]),
    ],
)
def test_what_is_made_of_a_statement(body: str, expected: list[tuple[str, str]]) -> None:
    """One without an effect beyond its line is left alone: its absence is an error, not a mistake."""
    assert expected == made(f"def f(a, b):\n    {body}")
    assert {"f"} == {mutant.function for mutant in mutants(f"def f(a, b):\n    {body}")}


@pytest.mark.parametrize(
    "source",
    [
        '"""A text."""',
        "from a import b",
        "x: 'a < b' = c",
        "def f(a: int | None) -> list[1]: ...",
        "__slots__ = ('a', 'b')",
        "def f():\n    assert a < b",
        "if TYPE_CHECKING:\n    f()",
        "@overload\ndef f(a=1): ...",
        "@dataclass(slots=True)\nclass A:\n    '''It.'''",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    """Nothing that no test could see."""
    assert [] == made(source)


def test_assertions_are_what_verify_is_for() -> None:
    """There they are mutated."""
    assert ("statement", "nothing") in made("def verify():\n    assert a")


def test_each_mutant_differs_from_the_original_and_leaves_nothing_behind() -> None:
    """Between two mutants, and after the last one, the module is itself again; same texts are told apart."""
    source = "def f(a, b):\n    if a < b + 1 and a == b:\n        a.x = 1\n        a.x = 1\n    return a"
    original = ast.dump(ast.parse(source))
    dumps, keys, tree = [], [], ast.Module([], [])
    for mutant in mutants(source):
        tree = mutant.tree
        dumps.append(ast.dump(tree))
        keys.append(mutant.key)
        compile(tree, "f", "exec")
    assert original == ast.dump(tree)
    assert original not in dumps
    assert len(set(dumps)) == len(dumps)
    assert len(set(keys)) == len(keys)
    assert "f: a.x = 1 -> nothing #2" in keys
