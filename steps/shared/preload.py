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
from steps.advice.environment import Environment, environments, is_in, shown
from steps.advice.instructions import DATABASE, REBUILD, UP, cluster_of
from steps.shared.names import PGVECTORS, VCHORD
from steps.shared.state import is_loaded

OWNED_BY_FILE = ("configuration file", "default")
"""Sources that ALTER SYSTEM overrides; a value from the command line or the environment wins over it."""

DECLARED = (Environment.CLOUDNATIVEPG, Environment.NIXOS)
"""Places where the value is declared, and what ALTER SYSTEM writes is refused or surprises at the next declaration."""

AS_SUPERUSER = "so as a superuser, and without a reload:"
AUTO_CONF = "postgresql.auto.conf"
"""Where ALTER SYSTEM writes."""
WRITTEN_BY_IMAGE = "/etc/postgresql/postgresql.conf"
"""Where Immich's image puts its own configuration, anew at each start."""


def in_force(catalog: Catalog) -> tuple[str, ...]:
    """Return the list that the running server was started with, as written.

    A role without pg_read_all_settings may not see it: then what is known to be loaded stands for it.
    """
    setting = catalog.settings.get(PRELOAD)
    if setting is None:
        return tuple(f"{library}.so" for library in (VCHORD, PGVECTORS) if is_loaded(catalog, library))
    return split(setting.value)


def after_restart(catalog: Catalog) -> tuple[str, ...] | None:
    """Return the list that the files ask for, in force after the next restart; None where nobody can see it."""
    setting = catalog.settings.get(PRELOAD)
    if catalog.file_settings is None or setting is None or setting.source not in OWNED_BY_FILE:
        return None
    winner = last_line(catalog)
    return () if winner is None else split(winner.value)


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
    """Return the list with libraries added (vchord first, as documented) and removed, everything else as it was.

    Except what would keep PostgreSQL from starting: a whole list that stands in the quotes of one name is taken apart.
    """
    planned = after_restart(catalog)
    present = in_force(catalog) if planned is None else planned
    sound = [
        part for element in present for part in (split(element) if element in run_together(catalog) else [element])
    ]
    kept = [element for element in sound if element and library_name(element) not in remove]
    missing = [f"{library}.so" for library in add if library not in names(kept)]
    return (*missing, *kept)


def run_together(catalog: Catalog) -> tuple[str, ...]:
    """Return elements that the files ask for and no library is called: "", or a list quoted as if it were one name.

    ALTER SYSTEM writes such an element where somebody gives it the whole list as one string.
    """
    asked = set(after_restart(catalog) or ()) - set(in_force(catalog))
    return tuple(element for element in asked if not element or "," in element)


def may_alter_system(catalog: Catalog, elements: Sequence[str], environment: Environment | None = None) -> bool:
    """Tell whether ALTER SYSTEM by this role would decide the value, and is the way of the place.

    An empty list cannot be written so: PostgreSQL stores "" as the name of one library, and then does not start.
    """
    setting = catalog.settings.get(PRELOAD)
    if shown(catalog, "allow_alter_system") == "off" or any(is_in(catalog, e, environment) for e in DECLARED):
        return False
    return bool(elements) and catalog.role.superuser and setting is not None and setting.source in OWNED_BY_FILE


def alter_system(elements: Sequence[str]) -> Statement:
    """Return the statement that writes the list, one literal per element: a single literal would be one file name."""
    values = SQL(", ").join(Literal(element) for element in elements)
    sql = SQL("ALTER SYSTEM SET {} = {}").format(Identifier(PRELOAD), values)
    why = "merged with what is there; in force after a restart, and never followed by a reload"
    return Statement("alter-system", sql, why, SUPERUSER, alone=True)


def not_yet_in_force(catalog: Catalog) -> str:
    """Tell where a change waits for the restart, to be put behind what was found; "" where nobody can see it."""
    setting, line, planned = catalog.settings.get(PRELOAD), last_line(catalog), after_restart(catalog)
    if setting is None or planned is None or planned == in_force(catalog):
        return ""
    where = f"{line.file}, line {line.line}" if line else "the configuration"
    if setting.pending_restart:
        return f"; {where}, was reloaded since, and waits for the restart"
    return f"; {where}, was edited and not reloaded: the restart reads it"


def restart_to(catalog: Catalog, how: str, fix: Sequence[str]) -> Blocker:
    """Return what is left to do once the list is as it should be: start the server `how` ("without vchord.so")."""
    return Blocker(
        what=f"restart PostgreSQL {how}",
        found=f"the running server was started with another list{not_yet_in_force(catalog)}",
        wanted="a restart (a reload is not enough)",
        fix=tuple(fix),
        kind="operator",
        restarts=True,
    )


def edit_by_hand(
    catalog: Catalog, elements: Sequence[str], why: str, environment: Environment | None = None
) -> Blocker:
    """Return what the operator has to write, and where the value is owned."""
    setting, line = catalog.settings.get(PRELOAD), last_line(catalog)
    source = setting.source if setting else "not visible to this role"
    at = f" {line.file}, line {line.line}" if line and source in OWNED_BY_FILE else ""
    wanted = f"{PRELOAD} = '{', '.join(elements)}'" + ("" if setting else " (keep other libraries that are in it)")
    # without a look at the files only a restart shows that they were changed
    unseen = ("then restart PostgreSQL: this role sees the change only then",) if after_restart(catalog) is None else ()
    return Blocker(
        what=why,
        found=f"{PRELOAD} = '{', '.join(in_force(catalog))}' (from: {source}{at}){_overruled(catalog)}",
        wanted=wanted,
        fix=(*_edit(catalog, elements, wanted, environment), *unseen),
        kind="operator",
    )


def _edit(catalog: Catalog, elements: Sequence[str], wanted: str, environment: Environment | None) -> tuple[str, ...]:
    """Return the exact edit for whoever owns the value."""
    setting, line = catalog.settings.get(PRELOAD), last_line(catalog)
    source = setting.source if setting else ""
    if source == "command line":
        return _on_the_command_line(catalog, elements, environment)
    if source == "environment variable":
        return ("an environment variable of the server decides: change it where the server is started, to:", wanted)
    in_auto_conf = line is not None and line.file.endswith(AUTO_CONF)
    if is_in(catalog, Environment.CLOUDNATIVEPG, environment) or (
        is_in(catalog, Environment.NIXOS, environment) and not in_auto_conf
    ):
        return _declared(catalog, elements, environment)
    if line is None:
        return (f"edit {shown(catalog, 'config_file') or 'postgresql.conf'} to read:", wanted)
    return _in_auto_conf(catalog, elements, wanted, line) if in_auto_conf else _in_file(catalog, elements, wanted, line)


def _declared(catalog: Catalog, elements: Sequence[str], environment: Environment | None) -> tuple[str, ...]:
    quoted = [f'"{element}"' for element in elements]
    if is_in(catalog, Environment.CLOUDNATIVEPG, environment):
        return (
            f"kubectl edit cluster {cluster_of(catalog)}",
            f"spec.postgresql.shared_preload_libraries: [{', '.join(quoted)}]",
            "(not ALTER SYSTEM, which is refused there;",
            "the operator restarts the server by itself)",
        )
    setting = f"services.postgresql.settings.{PRELOAD} = [ {' '.join(quoted)} ];"
    return (f"in configuration.nix: {setting}", REBUILD)


def _in_file(catalog: Catalog, elements: Sequence[str], wanted: str, line: FileSetting) -> tuple[str, ...]:
    if line.file.startswith("/opt/bitnami/"):
        variable = f"POSTGRESQL_SHARED_PRELOAD_LIBRARIES={','.join(elements)}"
        return ("the image writes the file from its environment, so change that:", variable)
    if line.file == WRITTEN_BY_IMAGE and elements:
        sql = alter_system(elements).sql.as_string(None)
        return (f"Immich's image writes {line.file} at each start,", AS_SUPERUSER, f"{sql};")
    main = shown(catalog, "config_file")
    included = "" if line.file == main or not main else " (an included file)"
    return (f"edit {line.file}, line {line.line}{included}, to read:", wanted)


def _on_the_command_line(catalog: Catalog, elements: Sequence[str], environment: Environment | None) -> tuple[str, ...]:
    option = f"-c {PRELOAD}={','.join(elements)}"
    where = {
        Environment.DOCKER: (f"in the compose file, service {DATABASE}, `command:`: {option}", UP),
        Environment.DEBIAN: (f"in pg_ctl.conf, or the unit that starts the server: {option}",),
    }
    chosen = [where[e] for e in environments(catalog, environment) if e in where]
    if not chosen:
        return ("the server's command line decides, so change it where the server is started:", option)
    return (
        "the server's command line decides, over files and ALTER SYSTEM:",
        *(t for lines in chosen for t in lines),
    )


def _in_auto_conf(catalog: Catalog, elements: Sequence[str], wanted: str, line: FileSetting) -> tuple[str, ...]:
    advice = line.value.replace(" ", "") == '"vectors.so"'
    said = (
        f"ALTER SYSTEM wrote {line.file}, line {line.line}",
        f"{'(pgvecto.rs advises to), and it' if advice else 'and it'} wins over postgresql.conf,",
    )
    if not elements:
        again = [f"then in {other.file}, line {other.line}: {wanted}" for other in _below(catalog)]
        return (*said, f"so as a superuser: ALTER SYSTEM RESET {PRELOAD};", *again)
    return (*said, AS_SUPERUSER, f"{alter_system(elements).sql.as_string(None)};")


def _overruled(catalog: Catalog) -> str:
    """Say where a line stands that a person may think counts, and does not."""
    line = last_line(catalog)
    setting = catalog.settings.get(PRELOAD)
    parts = [f"; {other.file}, line {other.line} does not count" for other in _below(catalog)]
    if line is not None and setting is not None and setting.source not in OWNED_BY_FILE:
        parts.append(f"; {line.file}, line {line.line} does not count")
    parts += [
        f'; "{element}" would be taken for one library, and PostgreSQL would not start'
        for element in run_together(catalog)
    ]
    return "".join(parts)


def _below(catalog: Catalog) -> list[FileSetting]:
    winner = last_line(catalog)
    return [line for line in catalog.file_settings or () if line.name == PRELOAD and line != winner]


def split(value: str) -> tuple[str, ...]:
    """Split a list as PostgreSQL does; one that it would refuse is one element."""
    try:
        return split_list(value)
    except ValueError:
        return (value,)
