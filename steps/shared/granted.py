"""Rights on extension vectors and its schema, recorded before a run and granted again where it is taken back.

What the extension's own scripts grant comes back with it; only what differs from that is recorded and stated. Nothing
that somebody has granted meanwhile is revoked. The grantor is the object's owner, as PostgreSQL has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg.sql import SQL, Composable, Composed, Identifier

from migrator.catalog import Catalog
from migrator.rights import Grant, Rights
from migrator.step import Fact, Facts, Json, Privilege, Right, Statement
from steps.shared.names import PGVECTORS
from steps.shared.state import mapping

FACT = "rights.before"
KINDS = {"ROUTINE": SQL("ROUTINE"), "TYPE": SQL("TYPE"), "TABLE": SQL("TABLE")}
PRIVILEGES = {
    name: SQL(name)
    for name in (
        "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN",
        "USAGE", "CREATE", "EXECUTE",
    )
}  # fmt: skip


def rights_facts(catalog: Catalog) -> tuple[Fact, ...]:
    """Return the rights on members of extension vectors that are not those it was created with."""
    value: Json = [_as_json(rights) for rights in catalog.rights if rights.extension == PGVECTORS]
    return (Fact(FACT, value, first=True),)


def grants_as_json(grants: Sequence[Grant]) -> Json:
    """Return rights as the journal keeps them."""
    return [[grant.grantee, grant.privilege, grant.grantable] for grant in grants]


def grants_of(value: Json) -> tuple[Grant, ...]:
    """Return the rights that the journal has kept."""
    rows = [row for row in value if isinstance(row, list)] if isinstance(value, list) else []
    return tuple(Grant(None if who is None else str(who), str(what), bool(pass_on)) for who, what, pass_on in rows)


def schema_rights_back(
    catalog: Catalog, granted: Sequence[Grant], initial: Sequence[Grant], owner: Privilege
) -> tuple[Statement, ...]:
    """Return what gives pgvecto.rs's schema the rights that it had; `initial` are those that come by themselves.

    Where there is no schema yet it is about to be created, without any rights.
    """
    schema, place = catalog.schemas.get(PGVECTORS), SQL("SCHEMA {}").format(Identifier(PGVECTORS))
    now, whose = (schema.grants, schema.owner) if schema else ((), None)
    return tuple(
        _changes(catalog, place, "schema", now=now, granted=granted, initial=initial, owner=whose, right=owner)
    )


def schema_rights_too_many(granted: Sequence[Grant], initial: Sequence[Grant]) -> tuple[Statement, ...]:
    """Return the revocations of what CREATE EXTENSION is about to grant on its schema, and had been taken away."""
    place, owner = SQL("SCHEMA {}").format(Identifier(PGVECTORS)), Privilege(Right.SCHEMA_OWNER, PGVECTORS)
    too_many = [grant for grant in initial if grant not in granted]
    return tuple(_revoke(place, f"revoke-schema-{number}", grant, owner) for number, grant in enumerate(too_many, 1))


def member_rights_back(catalog: Catalog, facts: Facts) -> tuple[Statement, ...]:
    """Return what gives the members of extension vectors the rights that they had, whether it is there yet or not."""
    extension = catalog.extensions[PGVECTORS]
    there = {(r.kind, r.schema, r.name, r.arguments): r.grants for r in catalog.rights if r.extension == PGVECTORS}
    recorded = facts.get(FACT)
    statements: list[Statement] = []
    for number, item in enumerate(recorded if isinstance(recorded, list) else (), 1):
        rights = _rights(item)
        now = there.get((rights.kind, rights.schema, rights.name, rights.arguments), rights.initial)
        statements += _changes(
            catalog,
            _place(rights),
            f"member-{number}",
            now=now,
            granted=rights.grants,
            initial=rights.initial,
            owner=extension.owner,
            right=Privilege(Right.EXTENSION_OWNER, PGVECTORS),
        )
    return tuple(statements)


def _changes(
    catalog: Catalog,
    place: Composed,
    key: str,
    *,
    now: Sequence[Grant],
    granted: Sequence[Grant],
    initial: Sequence[Grant],
    owner: str | None,
    right: Privilege,
) -> Iterator[Statement]:
    gone = [grant for grant in now if grant in initial and grant not in granted]
    yield from (_revoke(place, f"revoke-{key}-{number}", grant, right) for number, grant in enumerate(gone, 1))
    missing = [grant for grant in granted if grant not in now and _can_be_given(catalog, grant, owner)]
    for number, grant in enumerate(missing, 1):
        sql = SQL("GRANT {} ON {} TO {}{}").format(
            PRIVILEGES[grant.privilege],
            place,
            _grantee(grant),
            SQL(" WITH GRANT OPTION" if grant.grantable else ""),
        )
        yield Statement(f"grant-{key}-{number}", sql, "as it was before", right)


def _can_be_given(catalog: Catalog, grant: Grant, owner: str | None) -> bool:
    """Tell whether it is for everybody, or for a role that is still there and has not got it as the owner."""
    somebody = grant.grantee is None or (grant.grantee in catalog.roles and grant.grantee != owner)
    return somebody and grant.privilege in PRIVILEGES


def _revoke(place: Composed, key: str, grant: Grant, owner: Privilege) -> Statement:
    sql = SQL("REVOKE {} ON {} FROM {}").format(PRIVILEGES[grant.privilege], place, _grantee(grant))
    return Statement(key, sql, "it had been taken away before", owner)


def _grantee(grant: Grant) -> Composable:
    return SQL("PUBLIC") if grant.grantee is None else Identifier(grant.grantee)


def _place(rights: Rights) -> Composed:
    name = Identifier(rights.schema, rights.name)
    if rights.kind != "ROUTINE":
        return SQL("{} {}").format(KINDS[rights.kind], name)
    arguments = SQL(", ").join(Identifier(*argument) for argument in rights.arguments)
    return SQL("{} {}({})").format(KINDS[rights.kind], name, arguments)


def _as_json(rights: Rights) -> Json:
    return {
        "kind": rights.kind,
        "schema": rights.schema,
        "name": rights.name,
        "arguments": [list(argument) for argument in rights.arguments],
        "grants": grants_as_json(rights.grants),
        "initial": grants_as_json(rights.initial),
    }


def _rights(value: Json) -> Rights:
    found = mapping(value)
    arguments = found.get("arguments")
    return Rights(
        extension=PGVECTORS,
        kind=str(found.get("kind")),
        schema=str(found.get("schema")),
        name=str(found.get("name")),
        arguments=tuple((str(a[0]), str(a[1])) for a in arguments if isinstance(a, list))
        if isinstance(arguments, list)
        else (),
        grants=grants_of(found.get("grants")),
        initial=grants_of(found.get("initial")),
    )
