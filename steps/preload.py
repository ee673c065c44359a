"""`shared_preload_libraries`: what is in it, what a file says it will be, who owns it, and how to change it by merging.

It is never overwritten: what other software put there stays. It is never followed by a reload: the setting needs a
restart anyway, and a reload ends the worker of pgvecto.rs up to 0.2.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog, FileSetting
from migrator.settings import PRELOAD, library_name, split_list
from migrator.step import SUPERUSER, Blocker, Statement
from steps.names import PGVECTORS, VCHORD
from steps.state import is_loaded

OWNED_BY_FILE = ("configuration file", "default")
"""Sources that ALTER SYSTEM overrides; a value from the command line or the environment wins over it."""


def in_force(catalog: Catalog) -> tuple[str, ...]:
    """Return the list that the running server was started with, as written.

    A role without pg_read_all_settings may not see it: then what is known to be loaded stands for it.
    """
    setting = catalog.settings.get(PRELOAD)
    if setting is None:
        return tuple(f"{library}.so" for library in (VCHORD, PGVECTORS) if is_loaded(catalog, library))
    return _split(setting.value)


def after_restart(catalog: Catalog) -> tuple[str, ...] | None:
    """Return the list that the files ask for, in force after the next restart; None where nobody can see it."""
    setting = catalog.settings.get(PRELOAD)
    if catalog.file_settings is None or setting is None or setting.source not in OWNED_BY_FILE:
        return None
    winner = last_line(catalog)
    return () if winner is None else _split(winner.value)


def last_line(catalog: Catalog) -> FileSetting | None:
    """Return the line of the configuration files that wins, as they read now."""
    lines = [line for line in catalog.file_settings or () if line.name == PRELOAD]
    return max(lines, key=lambda line: line.sequence, default=None)


def names(elements: Sequence[str]) -> set[str]:
    """Return the bare names of the libraries in a list."""
    return {library_name(element) for element in elements}


def will_have(catalog: Catalog, *libraries: str) -> bool:
    """Tell whether libraries are preloaded now, or will be after a restart as the files read."""
    planned = after_restart(catalog)
    return set(libraries) <= names(in_force(catalog) if planned is None else planned)


def is_listed_in_a_file(catalog: Catalog) -> bool:
    """Tell whether a configuration file that this role can see decides the list."""
    return after_restart(catalog) is not None and last_line(catalog) is not None


def will_lack(catalog: Catalog, library: str) -> bool:
    """Tell whether a library will no longer be preloaded after a restart as the files read, or already is not."""
    planned = after_restart(catalog)
    return library not in names(in_force(catalog) if planned is None else planned)


def merged(catalog: Catalog, add: Sequence[str], remove: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the list with libraries added (vchord first, as documented) and removed, everything else as it was."""
    planned = after_restart(catalog)
    present = in_force(catalog) if planned is None else planned
    kept = [element for element in present if library_name(element) not in remove]
    missing = [f"{library}.so" for library in add if library not in names(kept)]
    return (*missing, *kept)


def may_alter_system(catalog: Catalog, elements: Sequence[str]) -> bool:
    """Tell whether ALTER SYSTEM by this role would decide the value.

    An empty list cannot be written so: PostgreSQL stores "" as the name of one library, and then does not start.
    """
    setting = catalog.settings.get(PRELOAD)
    return bool(elements) and catalog.role.superuser and setting is not None and setting.source in OWNED_BY_FILE


def alter_system(elements: Sequence[str]) -> Statement:
    """Return the statement that writes the list, one literal per element: a single literal would be one file name."""
    values = SQL(", ").join(Literal(element) for element in elements)
    sql = SQL("ALTER SYSTEM SET {} = {}").format(Identifier(PRELOAD), values)
    why = "merged with what is there; in force after a restart, and never followed by a reload"
    return Statement("alter-system", sql, why, SUPERUSER, alone=True)


def edit_by_hand(catalog: Catalog, elements: Sequence[str], why: str) -> Blocker:
    """Return what the operator has to write, and where the value is owned."""
    setting, line = catalog.settings.get(PRELOAD), last_line(catalog)
    source = setting.source if setting else "not visible to this role"
    wanted = f"{PRELOAD} = '{', '.join(elements)}'" + ("" if setting else " (keep other libraries that are in it)")
    if source == "command line":
        where = "the server's command line decides (-c shared_preload_libraries=...): change it where it is started"
    elif line is not None:
        where = f"edit {line.file}, line {line.line}, to read:"
    else:
        where = "edit postgresql.conf to read:"
    # without a look at the files only a restart shows that they were changed
    unseen = ("then restart PostgreSQL: this role sees the change only then",) if after_restart(catalog) is None else ()
    return Blocker(
        what=why,
        found=f"{PRELOAD} = '{', '.join(in_force(catalog))}' (from: {source})",
        wanted=wanted,
        fix=(where, wanted, *unseen),
        kind="operator",
    )


def _split(value: str) -> tuple[str, ...]:
    try:
        return split_list(value)
    except ValueError:
        return (value,)
