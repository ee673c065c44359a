"""Whether our role holds what a statement needs, answered from the snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from migrator.catalog import Catalog
from migrator.step import Blocker, Privilege, Right, Statement


def holds(catalog: Catalog, privilege: Privilege) -> bool:
    """Tell whether the role holds a privilege. What the snapshot cannot tell counts as not held."""
    if catalog.role.superuser or privilege.right is Right.ANY:
        return True
    match privilege.right:
        case Right.TABLE_OWNER:
            return any(c.mine for c in catalog.columns if f"{c.schema}.{c.table}" == privilege.on)
        case Right.EXTENSION_OWNER:
            return bool(catalog.extensions[privilege.on].mine)
        case Right.SCHEMA_OWNER:
            return privilege.on in catalog.schemas and catalog.schemas[privilege.on].mine
        case Right.DATABASE_OWNER:
            return catalog.database.mine
        case _:
            return False


def lacking(catalog: Catalog, title: str, statements: Sequence[Statement]) -> tuple[Blocker, ...]:
    """Return what a DBA has to do because our role may not: one blocker with the SQL, or none."""
    if all(holds(catalog, statement.privilege) for statement in statements):
        return ()
    needs = sorted({str(s.privilege) for s in statements if not holds(catalog, s.privilege)})
    return (
        Blocker(
            what=title,
            found=f'role "{catalog.role.name}" may not do this',
            wanted=", ".join(needs),
            fix=(
                f'as such a role, in database "{catalog.database.name}":',
                *_as_they_run(statements),
            ),
            kind="operator",
            who="DBA",
        ),
    )


def _as_they_run(statements: Sequence[Statement]) -> Iterator[str]:
    """Yield the SQL, with BEGIN and COMMIT around what must not be committed one by one."""
    for alone, group in groupby(statements, key=lambda statement: statement.alone):
        lines = [f"{statement.sql.as_string(None)};" for statement in group]
        yield from lines if alone or len(lines) == 1 else ("BEGIN;", *lines, "COMMIT;")
