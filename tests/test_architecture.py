"""The domain is pure and exact: a static rule, and proof that the rule bites."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

DOMAIN = Path(__file__).parent.parent / "app" / "domain"
MODULES = sorted(DOMAIN.glob("**/*.py"))

DECLARATIONS = [ast.parse(path.read_text()) for path in MODULES]

ALLOWED_IMPORTS = {
    "array.array",
    "bisect",
    "collections.abc",
    "collections.deque",
    "dataclasses",
    "enum",
    "fractions",
    "hashlib",
    "itertools",
    "math.gcd",
    "math.isqrt",
    "math.lcm",
    "operator.mul",
    "operator.sub",
    "re",
    "types",
    "typing",
}
NAME_BY_NAME = {"array", "collections", "math", "operator"}
"""Modules of which only some names are exact."""
BANNED_NAMES = {
    "__import__",
    "breakpoint",
    "compile",
    "complex",
    "eval",
    "exec",
    "float",
    "globals",
    "input",
    "open",
    "print",
    "setattr",
}
BANNED_ATTRIBUTES = {"__complex__", "__float__", "__truediv__"}


class Exactness:
    """Which expressions of one module are fractions, by its annotations and by what is made of fractions.

    Only a division by or of a fraction is exact; any other `/` makes a float of two whole numbers.
    """

    def __init__(self, module: ast.Module, fields: set[str], functions: set[str]) -> None:
        self._module = module
        self._fields = fields
        self._functions = functions

    def inexact_divisions(self) -> Iterator[ast.AST]:
        functions = [node for node in ast.walk(self._module) if isinstance(node, ast.FunctionDef)]
        inside = {id(node) for function in functions for node in ast.walk(function)}
        for function in functions:
            names = self._exact_names(function)
            yield from self._divisions(ast.walk(function), names)
        yield from self._divisions((node for node in ast.walk(self._module) if id(node) not in inside), set())

    def _divisions(self, nodes: Iterator[ast.AST], names: set[str]) -> Iterator[ast.AST]:
        for node in nodes:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not self._is_exact(node, names):
                yield node
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
                yield node

    def _exact_names(self, function: ast.FunctionDef) -> set[str]:
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        names = {argument.arg for argument in arguments if _is_fraction(argument.annotation)}
        assignments = [pair for node in ast.walk(function) if isinstance(node, ast.Assign) for pair in _assigned(node)]
        for target, value in assignments:
            if self._is_exact(value, names):
                names.add(target)
        return names - {target for target, value in assignments if not self._is_exact(value, names)}

    def _is_exact(self, node: ast.expr, names: set[str]) -> bool:
        match node:
            case ast.Call(func=ast.Name(id=name)):
                return name == "Fraction" or name in self._functions
            case ast.Name(id=name):
                return name in names
            case ast.Attribute(attr=name):
                return name in self._fields
            case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
                return self._is_exact(left, names) or self._is_exact(right, names)
            case ast.UnaryOp(operand=operand):
                return self._is_exact(operand, names)
        return False


def violations(source: str) -> list[str]:
    """What in `source` the domain may not contain, by line."""
    module = ast.parse(source)
    found = [f"{node.lineno}: {why}" for node in ast.walk(module) for why in _banned(node) if hasattr(node, "lineno")]
    divisions = Exactness(module, *fractions_declared(module)).inexact_divisions()
    return found + [f"{getattr(node, 'lineno', 0)}: division that may make a float" for node in divisions]


def fractions_declared(module: ast.Module) -> tuple[set[str], set[str]]:
    """Fields that are fractions wherever the domain or `module` declares them, and functions that return them."""
    exact, inexact, functions = set[str](), set[str](), set[str]()
    for node in (node for declaring in (module, *DECLARATIONS) for node in ast.walk(declaring)):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            (exact if _is_fraction(node.annotation) else inexact).add(node.target.id)
        if isinstance(node, ast.FunctionDef) and _is_fraction(node.returns):
            functions.add(node.name)
    return exact - inexact, functions


def _is_fraction(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation) in {"Fraction", "Fraction | None"}


def _assigned(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for name, value in zip(target.elts, node.value.elts, strict=True):
                if isinstance(name, ast.Name):
                    yield name.id, value


def _banned(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=float() | complex()):
            yield f"the literal {node.value!r}"
        case ast.Name(id=name) if name in BANNED_NAMES:
            yield f"the name {name}"
        case ast.Attribute(attr=name) if name in BANNED_ATTRIBUTES:
            yield f"the attribute {name}"
        case ast.Call(func=ast.Name(id="array"), args=[ast.Constant(value="d" | "f"), *_]):
            yield "an array of floats"
        case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
            yield "a negative power, which is a float"
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            yield "asynchrony"
        case ast.Global() | ast.Nonlocal():
            yield "state of a module or a closure"
        case ast.Import() | ast.ImportFrom():
            yield from (f"the import of {name}" for name in _imported(node) if not _is_allowed(name))


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.module in NAME_BY_NAME:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    else:
        yield "." * node.level + (node.module or "")


def _is_allowed(name: str) -> bool:
    return name in ALLOWED_IMPORTS or name == "app.domain" or name.startswith("app.domain.")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_domain_has_no_float_clock_io_or_framework(path: Path) -> None:
    assert violations(path.read_text()) == []


def test_there_is_a_domain_to_judge() -> None:
    assert len(MODULES) > 10


@pytest.mark.parametrize(
    "source",
    [
        "x = 0.18",
        "x = 1e9",
        "x = 1j",
        "x = float(1)",
        "def f(x: float) -> int: return 1",
        "x = list(map(float, []))",
        "x = 10 ** -9",
        "x = 3 / 2",
        "def f(a: int, b: int) -> int: return int(a / b)",
        "def f(a: int) -> int:\n    a /= 2\n    return a",
        "def f(a: int, b: int) -> int:\n    c = a * b\n    return round(c / 8)",
        "def f(value: int) -> int: return int(value / 2)\ndef g(value: Fraction) -> Fraction: return value / 2",
        "def f(a: Fraction, b: int) -> int:\n    c = a * b\n    c = 3\n    return int(c / b)",
        "class A:\n    fee: int\n    def f(self) -> int: return int(self.fee / 2)",
        "x = (1).__truediv__(2)",
        "import math",
        "from math import floor",
        "from math import sqrt",
        "import time",
        "from time import monotonic",
        "from datetime import datetime, UTC",
        "import random",
        "import secrets",
        "import os",
        "from pathlib import Path",
        "import logging",
        "import asyncio",
        "import socket",
        "import operator",
        "from operator import truediv",
        "import array",
        "x = array('d')",
        "x = array('f', [1])",
        "import decimal",
        "from decimal import Decimal",
        "import json",
        "from pydantic import BaseModel",
        "import web3",
        "from app.engine.ports import Clock",
        "from app import settings",
        "from . import units",
        "x = open('fees')",
        "print(1)",
        "x = input()",
        "x = eval('1.5')",
        "async def f() -> None: ...",
        "def f() -> None:\n    global x\n    x = 1",
    ],
)
def test_the_rule_bites(source: str) -> None:
    assert violations(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "x = 3 // 2",
        "from math import gcd, lcm",
        "from collections.abc import Iterator",
        "from collections import deque",
        "from operator import mul",
        "from array import array\nx = array('Q')",
        "from app.domain.units import Wei",
        "from app.domain import units",
        "x = Fraction(1) / 3",
        "def f(a: Fraction, b: int) -> Fraction: return a / b",
        "def f(a: int, b: Fraction) -> Fraction: return a / b",
        "def f(a: Fraction, b: int) -> Fraction:\n    c = a * b + 1\n    return c / b",
        "class A:\n    share: Fraction\n    def f(self, b: int) -> Fraction: return self.share / b",
        "def half(a: int) -> Fraction: return Fraction(a, 2)\ndef f(a: int) -> Fraction: return half(a) / 2",
        "x = 10 ** 9",
        "def f(a: Fraction, b: int) -> Fraction:\n    c, d = a / b, 1\n    return c / d",
    ],
)
def test_the_rule_lets_exact_arithmetic_pass(source: str) -> None:
    assert violations(source) == []
