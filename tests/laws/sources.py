"""Reads the product's own sources: the SQL in them, and how it is made."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import migrator.engine
import steps.paths

FORBIDDEN = {
    "CASCADE": re.compile(r"\bCASCADE\b", re.IGNORECASE),
    "TRUNCATE": re.compile(r"\bTRUNCATE\b", re.IGNORECASE),
    "reload": re.compile(r"\bpg_reload_conf\b|\bSIGHUP\b|\bpg_ctl\s+reload\b", re.IGNORECASE),
}
ALLOWED = re.compile(r"\s*CREATE EXTENSION\b", re.IGNORECASE)
VERSIONS = {"version", "offered", "extversion"}
ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


@cache
def product() -> dict[str, str]:
    """Return the sources of both packages by name; the sandbox imitates others, and is left out."""
    found: dict[str, str] = {}
    for module in (migrator.engine, steps.paths):
        folder = Path(str(module.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            name = str(path.relative_to(folder.parent))
            if "sandbox" not in path.parts:
                found[name] = path.read_text(encoding="utf-8")
    return found


def sql_files() -> dict[str, str]:
    """Return the SQL that lies in files of its own, comments taken out."""
    folder = Path(str(migrator.engine.__file__)).parent
    files = (path for path in folder.rglob("*.sql") if "sandbox" not in path.parts)
    return {path.name: re.sub(r"--.*", "", path.read_text(encoding="utf-8")) for path in files}


def offences(sql: str) -> list[str]:
    """Return what one SQL command may not contain."""
    found = [name for name, pattern in FORBIDDEN.items() if pattern.search(sql)]
    return [name for name in found if not (name == "CASCADE" and ALLOWED.match(sql))]


def written_sql(source: str) -> list[str]:
    """Return the texts that a module makes SQL of: arguments of SQL() and execute(), and constants in capitals."""
    return [text for node in _sql_arguments(ast.parse(source)) for text in _texts(node)]


def built_sql(source: str) -> list[int]:
    """Return the lines on which SQL is put together as text: by f-strings, +, % or str.format."""
    return [node.lineno for node in _sql_arguments(ast.parse(source)) if _is_built(node)]


def compared_versions(source: str) -> list[int]:
    """Return the lines on which a version is ordered without having been parsed."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare))
    return [
        node.lineno
        for node in nodes
        if any(isinstance(operator, ORDERS) for operator in node.ops)
        and any(isinstance(side, ast.Attribute) and side.attr in VERSIONS for side in (node.left, *node.comparators))
    ]


def named(source: str, pattern: re.Pattern[str]) -> list[int]:
    """Return the lines whose code, documentation and comments left out, names what a pattern describes."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found: list[int] = []
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if pattern.search(name):
            found.append(node.lineno)  # type: ignore[attr-defined] # names have a place
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            commands = re.findall(r"(?:SELECT|EXECUTE|PERFORM)\b[^;]*", node.value)
            found += [node.lineno for command in commands if pattern.search(command)]
    return found


def _sql_arguments(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            if name in ("SQL", "execute", "executemany", "executescript"):
                yield node.args[0]
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            yield from _queries(node.value)


def _queries(node: ast.expr) -> Iterator[ast.expr]:
    texts = _texts(node)
    if texts and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|ALTER|CREATE|DROP)\b", texts[0]):
        yield node


def _texts(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr | ast.BinOp):
        return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return []


def _is_built(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return not isinstance(node.left, ast.Call) and isinstance(node.op, ast.Add | ast.Mod)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join"):
        # methods of psycopg's SQL quote what they are given, those of str do not
        return isinstance(node.func.value, ast.Constant | ast.JoinedStr)
    return False
