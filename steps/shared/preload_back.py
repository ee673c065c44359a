"""`shared_preload_libraries` on the way back: what was in it before the run comes in again, what was not goes.

Merged like on the way there. Where the list is then what a file says below the line that ALTER SYSTEM wrote, that line
is taken away instead of written once more: nothing is left of the run.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog
from migrator.settings import PRELOAD, library_name
from migrator.step import SUPERUSER, Blocker, Facts, Statement
from steps.shared import other_databases, preload
from steps.shared.before import libraries_before, was_preloaded
from steps.shared.names import PGVECTORS, VCHORD
from steps.shared.options import Options


def to_add(catalog: Catalog, facts: Facts, library: str) -> bool:
    """Tell whether a library was preloaded before the run and will not be after the next start, but could be.

    One that is listed and not installed keeps PostgreSQL from starting.
    """
    installed = catalog.extensions[library].offered is not None
    return installed and was_preloaded(facts, library) is True and preload.will_lack(catalog, library)


def to_remove(catalog: Catalog, facts: Facts, library: str) -> bool:
    """Tell whether a library was not preloaded before the run and will be after the next start."""
    return was_preloaded(facts, library) is False and not preload.will_lack(catalog, library)


def with_pgvectors(catalog: Catalog, facts: Facts) -> Sequence[Statement]:
    """Return what has pgvecto.rs loaded again, if it was."""
    if not to_add(catalog, facts, PGVECTORS):
        return ()
    return _statements(catalog, _elements(catalog, facts))


def without_vectorchord(catalog: Catalog, facts: Facts) -> Sequence[Statement]:
    """Return what has VectorChord no longer loaded, if it was not."""
    if not to_remove(catalog, facts, VCHORD):
        return ()
    return _statements(catalog, _elements(catalog, facts, remove=VCHORD))


def blockers_with_pgvectors(catalog: Catalog, facts: Facts, options: Options) -> Sequence[Blocker]:
    """Return an operator's task where ALTER SYSTEM would not decide the value, or is not wanted."""
    return _by_hand(catalog, _elements(catalog, facts), options, "preload vectors.so again")


def blockers_without_vectorchord(catalog: Catalog, facts: Facts, options: Options) -> Sequence[Blocker]:
    """Return other databases that use VectorChord; then, as for pgvecto.rs, an operator's task."""
    needed = other_databases.blockers_of_vectorchord(catalog, options)
    return needed or _by_hand(
        catalog, _elements(catalog, facts, remove=VCHORD), options, "take vchord.so out of the preload list"
    )


def _elements(catalog: Catalog, facts: Facts, remove: str | None = None) -> tuple[str, ...]:
    """Return the list to write; in the order and spelling of before as soon as it is the same again.

    A library that was in it comes in again wherever it is installed: one that is listed and missing keeps PostgreSQL
    from starting.
    """
    before = libraries_before(facts) or ()
    offered = catalog.extensions[PGVECTORS].offered is not None
    add = (PGVECTORS,) if offered and PGVECTORS in preload.names(before) else ()
    merged = preload.merged(catalog, add, remove=(remove,) if remove else ())
    if preload.names(merged) == preload.names(before):
        return before
    spelling = {library_name(element): element for element in before}
    return tuple(spelling.get(library_name(element), element) for element in merged)


def _statements(catalog: Catalog, elements: Sequence[str]) -> Sequence[Statement]:
    """Return one ALTER SYSTEM; where the operator has to edit the list, that stands in the way of it."""
    if not elements or _is_below(catalog, elements):
        sql = SQL("ALTER SYSTEM RESET {}").format(Identifier(PRELOAD))
        why = "a file says the same below it; in force after a restart, and never followed by a reload"
        return (Statement("alter-system", sql, why, SUPERUSER, alone=True),)
    return (preload.alter_system(elements),)


def _by_hand(catalog: Catalog, elements: Sequence[str], options: Options, what: str) -> Sequence[Blocker]:
    # a list that is decided elsewhere is not ours to write, and an empty one cannot be written, only taken away
    possible = preload.may_alter_system(catalog, elements or ("none",), options.environment)
    if options.alter_system and possible and (elements or _is_below(catalog, elements)):
        return ()
    return (preload.edit_by_hand(catalog, elements, what, options.environment),)


def _is_below(catalog: Catalog, elements: Sequence[str]) -> bool:
    """Tell whether the list stands in a file already, below the line that ALTER SYSTEM wrote."""
    winner = preload.last_line(catalog)
    if winner is None or not winner.file.endswith(preload.AUTO_CONF):
        return False
    others = [line for line in catalog.file_settings or () if line.name == PRELOAD and line != winner]
    below = max(others, key=lambda line: line.sequence, default=None)
    return tuple(elements) == (preload.split(below.value) if below else ())
