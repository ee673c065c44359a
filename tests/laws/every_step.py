"""Every step of every path, found in the program itself, and every question that a step is asked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Literal

from migrator.catalog import Catalog, Interest
from migrator.content import Content
from migrator.step import Facts, Statement, Step
from migrator.take_back import way_back
from steps import paths
from steps.content.immich import ImmichContent
from steps.content.update import UpdateContent
from steps.shared.options import Options

NOT_ASKED = {"carries_out"}
"""The one public method that is no question: the path gives a step its place with it."""


def options() -> Iterator[tuple[str, Options]]:
    """Return the options that change what a path consists of, or what a step plans."""
    by: tuple[Literal["tool", "immich"], ...] = ("tool", "immich")
    for reindex_by, alter_system in product(by, (True, False)):
        yield f"by {reindex_by}, {alter_system=}", Options(reindex_by=reindex_by, alter_system=alter_system)


def path_functions() -> Mapping[str, Callable[[Options], tuple[Step, ...]]]:
    """Return the functions of `steps.paths` that make a path of options."""
    found = {}
    for name, function in inspect.getmembers(paths, inspect.isfunction):
        if function.__module__ == paths.__name__ and not name.startswith("_"):
            hints = inspect.get_annotations(function)
            if (*hints.values(),) == ("Options", "tuple[Step, ...]"):
                found[name] = function
    return found


def every_path() -> dict[str, tuple[Step, ...]]:
    """Return every path with every such option, and its way back, by a name for a person."""
    found: dict[str, tuple[Step, ...]] = {}
    for name, function in path_functions().items():
        for how, given in options():
            found[f"{name}, {how}"] = function(given)
            found[f"{name}, {how}, back"] = way_back(function(given))
    return found


def interest_of(path: str) -> Interest:
    """Return what the snapshot of a path has to contain."""
    content: Content = UpdateContent(Options()) if path.startswith("update") else ImmichContent("pgvecto.rs")
    return content.interest


def questions() -> list[str]:
    """Return the names of the public methods of a step, those that are added later included."""
    members = inspect.getmembers(Step, inspect.isfunction)
    return [name for name, _ in members if not name.startswith("_") and name not in NOT_ASKED]


def ask(step: Step, catalog: Catalog, facts: Facts) -> dict[str, object]:
    """Ask a step everything, and return its answers."""
    known = {"catalog": catalog, "facts": facts}
    answers = {}
    for name in questions():
        wanted = list(inspect.signature(getattr(step, name)).parameters)
        answers[name] = getattr(step, name)(*(known[parameter] for parameter in wanted))
    return answers


def statements(answers: Mapping[str, object]) -> list[Statement]:
    """Return every statement among answers, forward or back."""
    found: list[Statement] = []
    for answer in answers.values():
        if isinstance(answer, tuple | list):
            found += [item for item in answer if isinstance(item, Statement)]
    return found


def unproven_rewrites(step: Step, statements: Sequence[Statement]) -> list[str]:
    """Return the rewrites of a plan without a comparison after them in the same transaction."""
    found: list[str] = []
    for place, statement in enumerate(statements):
        rewrites = "ALTER COLUMN" in statement.sql.as_string(None) and " TYPE " in statement.sql.as_string(None)
        compared = [s for s in statements[place:] if s.must_equal and not s.alone]
        if rewrites and (statement.alone or not compared or any(s.alone for s in statements[place : place + 2])):
            found.append(f"{step.key}/{statement.key}")
    return found
