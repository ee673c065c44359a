"""What can stand in the way of preparing a database, each with what was found, wanted, and how to mend it."""

from __future__ import annotations

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog
from migrator.step import Blocker
from steps.advice.instructions import install_pgvector, install_vectorchord, restart
from steps.content.prepare_observations import CUBE, EARTHDISTANCE, owner_of
from steps.shared import preload
from steps.shared.names import PGVECTOR, VCHORD
from steps.shared.state import is_loaded
from steps.shared.versions import DOCUMENTED, TABLE, Accepted, accepted_by, accepts, written

OF_THE_SERVER = ("postgres", "template0", "template1")
SCHEMA = "public"


def blockers(catalog: Catalog, name: str, owner: str, target_immich: str | None) -> list[Blocker]:
    """Return everything at once."""
    rows = TABLE if target_immich is None else (accepted_by(target_immich),)
    return [*_role(catalog, owner), *_database(catalog, name, owner), *_extensions(catalog, rows), *_loaded(catalog)]


def _role(catalog: Catalog, owner: str) -> list[Blocker]:
    answer = catalog.observed.get("role")
    if answer is None or answer.value == "True":
        return []
    role = Identifier(owner)
    verb = "CREATE" if answer.value is None else "ALTER"
    sql = SQL("{} ROLE {} LOGIN PASSWORD {}").format(SQL(verb), role, SQL("'...'")).as_string(None)
    return [
        Blocker(
            what=f'role "{owner}"',
            found=f'there is no role "{owner}"' if answer.value is None else f'role "{owner}" may not log in',
            wanted="the role that Immich connects as",
            fix=(f"create it, with a password of your choice: {sql};",),
            kind="operator",
            who="DBA",
        )
    ]


def _database(catalog: Catalog, name: str, owner: str) -> list[Blocker]:
    if name in OF_THE_SERVER:
        return [
            Blocker(
                what=f'database "{name}"',
                found=f'"{name}" is a database of the server itself',
                wanted="a database of Immich's own",
                fix=("name another one: --name immich",),
            )
        ]
    now, tables = owner_of(catalog), catalog.observed.get("tables")
    if now in (None, owner) or tables is None or tables.value == "0":
        found = []
    else:
        found = [
            Blocker(
                what=f'database "{name}"',
                found=f'it belongs to "{now}" and has {tables.value} tables',
                wanted="a fresh database, or the owner's own",
                fix=(f"name its owner: --owner {now}", "or another database: --name NAME"),
            )
        ]
    if catalog.database.name == name and SCHEMA not in catalog.schemas:
        found.append(
            Blocker(
                what=f"schema {SCHEMA}",
                found=f'database "{name}" has no schema {SCHEMA}',
                wanted="the schema that Immich's tables and the extensions are in",
                fix=(f'in database "{name}": CREATE SCHEMA {SCHEMA};',),
                kind="operator",
                who="DBA",
            )
        )
    return found


def _extensions(catalog: Catalog, rows: tuple[Accepted, ...]) -> list[Blocker]:
    major = catalog.server.version_num // 10000
    row = rows[-1] if len(rows) == 1 else DOCUMENTED
    vchord, base = catalog.extensions[VCHORD], catalog.extensions[PGVECTOR]
    found: list[Blocker] = []
    if not any(accepts(row.vchord, vchord.offered) for row in rows):
        wanted = written(row.vchord) if len(rows) == 1 else ">=0.3, <2"
        found.append(_missing("VectorChord", VCHORD, vchord.offered, wanted, install_vectorchord(catalog, row)))
    if not accepts(row.pgvector, base.offered):
        wanted = written(row.pgvector)
        found.append(_missing("pgvector", PGVECTOR, base.offered, wanted, install_pgvector(catalog)))
    contrib = [name for name in (CUBE, EARTHDISTANCE) if catalog.extensions[name].offered is None]
    if contrib:
        fix = (
            f"Debian, Ubuntu, where they come with the server: sudo apt install --reinstall postgresql-{major}",
            "Fedora, Alpine and others: install the package postgresql-contrib",
        )
        names = " and ".join(contrib)
        found.append(
            Blocker(
                what="PostgreSQL's own extensions",
                found=f"PostgreSQL offers no extension {names}",
                wanted=f"{names}, of this PostgreSQL",
                fix=fix,
                kind="operator",
            )
        )
    return found


def _missing(what: str, name: str, offered: str | None, wanted: str, fix: tuple[str, ...]) -> Blocker:
    return Blocker(
        what=what,
        found=f"PostgreSQL offers no extension {name}" if offered is None else f"{what} {offered}",
        wanted=f"{what} {wanted}",
        fix=fix,
        kind="operator",
    )


def _loaded(catalog: Catalog) -> list[Blocker]:
    if is_loaded(catalog, VCHORD) or catalog.extensions[VCHORD].offered is None:
        return []
    if not preload.will_have(catalog, VCHORD):
        elements = preload.merged(catalog, (VCHORD,))
        return [preload.edit_by_hand(catalog, elements, "preload vchord.so, then restart PostgreSQL")]
    return [
        Blocker(
            what="library of VectorChord",
            found="the configuration preloads it, the running server was started without",
            wanted="VectorChord loaded",
            fix=restart(catalog),
            kind="operator",
        )
    ]
