"""Law 5: no CASCADE, no truncation, no version compared as text, no overwritten preload list, no pasted SQL."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sources import built_sql, compared_versions, offences, product, sql_files, written_sql
from workshop import CONVERSION, Workshop, steps_of
from workshops import MakeWorkshop

from migrator.sandbox.server import Server
from migrator.settings import split_list
from migrator.step import NoWayBack, Statement
from steps import paths
from steps.shared import preload
from steps.shared.options import Options

PATHS = {
    "automatic": paths.automatic(Options()),
    "automatic, by Immich": paths.automatic(Options(reindex_by="immich")),
    "manual": paths.manual(Options()),
    "pgvector": paths.pgvector(Options()),
}


def test_every_module_is_looked_at() -> None:
    """Nothing of the two packages is left out but the sandbox, which imitates others; the folders are there."""
    folders = {name.rpartition("/")[0] for name in product()}
    assert folders >= {"migrator", "migrator/backup", "migrator/cli", "migrator/cli/render", "migrator/commands"}
    assert folders >= {"steps", "steps/advice", "steps/content", "steps/shared"}
    assert not [name for name in product() if "sandbox" in name]


def test_no_module_contains_such_sql() -> None:
    """What a module makes SQL of contains neither CASCADE (but for CREATE EXTENSION) nor TRUNCATE, nor a reload."""
    texts = {name: written_sql(source) for name, source in product().items()}
    assert sum(len(found) for found in texts.values()) > 100, "hardly any SQL was found"
    assert [(name, sql, bad) for name, found in texts.items() for sql in found if (bad := offences(sql))] == []


def test_no_module_builds_sql_as_text() -> None:
    """SQL is composed of literals, identifiers and placeholders, never of pasted text."""
    # the file is SQLite's, whose PRAGMA takes no parameters; what is pasted there are constants of its own
    others = {name: source for name, source in product().items() if name != "migrator/journal_file.py"}
    assert {name: lines for name, source in others.items() if (lines := built_sql(source))} == {}


def test_no_module_orders_versions_as_text() -> None:
    """Versions are parsed before they are compared."""
    assert {name: lines for name, source in product().items() if (lines := compared_versions(source))} == {}


def test_no_file_contains_such_sql() -> None:
    """The same for SQL in files of its own."""
    assert "catalog.sql" in sql_files()
    assert {name: found for name, sql in sql_files().items() if (found := offences(sql))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('SQL("DROP EXTENSION vectors CASCADE")', ["CASCADE"]),
        ('connection.execute("truncate smart_search")', ["TRUNCATE"]),
        ('QUERY = "SELECT pg_reload_conf()"', ["reload"]),
        ('SQL("CREATE EXTENSION vchord CASCADE")', []),
        ('"DROP TABLE x CASCADE is what we never do"', []),
    ],
)
def test_the_search_finds_what_it_looks_for(source: str, found: list[str]) -> None:
    """The tests above would fail for a module that contains one of these lines."""
    assert [offence for sql in written_sql(source) for offence in offences(sql)] == found


@pytest.mark.parametrize(
    "source",
    [
        'execute(f"DROP TABLE {name}")',
        'execute("DROP TABLE " + name)',
        'execute("DROP TABLE %s" % name)',
        'execute("DROP TABLE {}".format(name))',
        'SQL(f"DROP TABLE {name}")',
    ],
)
def test_the_search_finds_built_sql(source: str) -> None:
    """The test above would fail for a module that contains one of these lines, and not for quoted composition."""
    assert built_sql(source) == [1]
    assert built_sql('execute(SQL("DROP TABLE {}").format(Identifier(name)))') == []
    assert compared_versions('old.version < "0.10.0"') == [1]


def planned(workshop: Workshop) -> list[Statement]:
    """Return every statement that any step of any path would send now, forward or back."""
    catalog, facts = workshop.catalog(), workshop.facts()
    found: list[Statement] = []
    for step in (step for path in PATHS.values() for step in path):
        undo = step.undo(catalog, facts)
        found += [*step.plan(catalog, facts), *(() if isinstance(undo, NoWayBack) else undo)]
    return found


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_no_plan_and_no_way_back_contains_such_sql(version: str, make_workshop: MakeWorkshop) -> None:
    """The same for every statement as it is sent, of every step of every path, in every state of the automatic one."""
    workshop = make_workshop(version)
    for key in CONVERSION:
        statements = [s.sql.as_string(None) for s in planned(workshop)]
        assert statements
        assert {sql: found for sql in statements if (found := offences(sql))} == {}
        workshop.run(steps_of("record-embeddings", key))


def test_the_preload_list_keeps_what_others_put_there(make_workshop: MakeWorkshop) -> None:
    """The list that is written contains everything that was in it, in its order, whatever is added or taken out."""
    workshop = make_workshop()
    server = workshop.server
    with _extended(server, ("vchord.so", "vectors.so", "other_one", "$libdir/other two")):
        catalog = workshop.catalog()
        (statement,) = steps_of("preload-vectorchord-only")[0].plan(catalog, {})
        assert "'other_one', '$libdir/other two'" in statement.sql.as_string(None)
        assert preload.merged(catalog, ("third",), remove=("vectors",)) == (
            "third.so",
            "vchord.so",
            "other_one",
            "$libdir/other two",
        )


class _extended:  # noqa: N801 - reads as a verb
    """A preload list in the file of a running server, for as long as a block lasts."""

    def __init__(self, server: Server, libraries: Sequence[str]) -> None:
        self._server, self._libraries = server, libraries

    def __enter__(self) -> None:
        self._server.set_preload(", ".join(f'"{library}"' for library in self._libraries))

    def __exit__(self, *_: object) -> None:
        self._server.set_preload("vchord.so, vectors.so")


def test_a_list_is_split_as_postgres_does() -> None:
    """Quoted elements of the list stay whole."""
    assert split_list('a, "b c", d') == ("a", "b c", "d")
