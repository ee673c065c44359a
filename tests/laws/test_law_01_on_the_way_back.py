"""Law 1, backwards: a way back commits only if count and content hash of the table equal those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from psycopg.sql import SQL
from workshop import CONVERSION, steps_of
from workshops import MakeWorkshop

from migrator.catalog import Catalog
from migrator.errors import ProofFailed
from migrator.step import Documentation, Facts, NoWayBack, Statement
from migrator.take_back import TakeBack, way_back
from steps.convert_table import ConvertTable
from steps.shared.names import SMART_SEARCH
from steps.shared.options import Options

LAST = 'SELECT max("assetId"::text) FROM public.smart_search'
DAMAGES = {
    "one element of one embedding changed": SQL(
        "UPDATE public.smart_search SET embedding = ((embedding::real[])[:511] || 0.125::real)::vectors.vector "
        f'WHERE "assetId"::text = ({LAST})'
    ),
    "one row deleted": SQL(f'DELETE FROM public.smart_search WHERE "assetId"::text = ({LAST})'),
}


class Harmful(ConvertTable):
    """A conversion whose way back has a mistake in it, right after the rewrite."""

    def __init__(self, damage: SQL) -> None:
        super().__init__(SMART_SEARCH, Options())
        self._damage = damage
        self.carries_out(Documentation("a mistake", 7))

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Return the way back of the real step, and the mistake."""
        back = super().undo(catalog, facts)
        assert not isinstance(back, NoWayBack)
        mistake = Statement("mistake", self._damage, "what must never happen")
        return [part for s in back for part in ([s, mistake] if s.key == "rewrite" else [s])]


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_way_back_that_changes_an_embedding_is_rolled_back(
    damage: str, version: str, make_workshop: MakeWorkshop
) -> None:
    """The mistake is noticed within the transaction, and the table is as it was: converted."""
    workshop = make_workshop(version)
    workshop.run(steps_of("create-extension-vchord", "record-embeddings", "convert-smart-search"))
    before = workshop.state()
    with pytest.raises(ProofFailed, match="everything was rolled back"):
        workshop.run([TakeBack(Harmful(DAMAGES[damage]))])
    assert workshop.state() == before
    assert workshop.run([TakeBack(Harmful(SQL("SELECT 1")))]).kind == "done"
    assert workshop.state()[1] == before[1]


def unproven(statements: Sequence[Statement]) -> list[str]:
    """Return the rewrites that no comparison follows before their transaction ends."""
    found: list[str] = []
    for place, statement in enumerate(statements):
        if " TYPE " not in statement.sql.as_string(None) or "ALTER COLUMN" not in statement.sql.as_string(None):
            continue
        after = statements[place:]
        ends = next((n for n, s in enumerate(after) if s.alone), len(after))
        if not any(s.must_equal for s in after[:ends]):
            found.append(statement.key)
    return found


def test_every_rewrite_on_the_way_back_is_compared_in_its_own_transaction(make_workshop: MakeWorkshop) -> None:
    """Also where the build of an old index follows; a comparison taken out is noticed."""
    workshop = make_workshop("0.2.0")
    workshop.run(steps_of(*CONVERSION))
    workshop.run(way_back(steps_of("drop-extension-vectors", "drop-schema-vectors")))
    catalog, facts = workshop.catalog(), workshop.facts()
    plans = {step.key: step.plan(catalog, facts) for step in way_back(steps_of(*CONVERSION))}
    assert {key for key, plan in plans.items() if any(s.key == "rewrite" for s in plan)} == {
        "undo-convert-smart-search",
        "undo-convert-face-search",
    }
    found = {key: unproven(plan) for key, plan in plans.items()}
    assert {key: rewrites for key, rewrites in found.items() if rewrites} == {}
    taken_out = [replace(s, must_equal=None) for s in plans["undo-convert-smart-search"]]
    assert unproven(taken_out) == ["rewrite"]
