"""Law 1: a conversion commits only if count and content hash of the table equal those recorded before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from every_step import unproven_rewrites
from psycopg.sql import SQL
from workshop import steps_of
from workshops import MakeWorkshop

from migrator.catalog import Catalog
from migrator.errors import ExitCode, ProofFailed
from migrator.step import Documentation, Facts, Statement
from steps.convert_table import ConvertTable
from steps.shared.names import SMART_SEARCH
from steps.shared.options import Options

FIRST, LAST = (
    'SELECT min("assetId"::text) FROM public.smart_search',
    'SELECT max("assetId"::text) FROM public.smart_search',
)
DAMAGES = {
    "one element of one embedding changed": SQL(
        "UPDATE public.smart_search SET embedding = ((embedding::real[])[:dims - 1] || 0.125::real)::public.vector "
        "FROM (SELECT public.vector_dims(embedding) AS dims FROM public.smart_search LIMIT 1) AS one "
        f'WHERE "assetId"::text = ({LAST})'
    ),
    "one row deleted": SQL(f'DELETE FROM public.smart_search WHERE "assetId"::text = ({LAST})'),
    "two embeddings exchanged": SQL(
        "UPDATE public.smart_search AS one SET embedding = other.embedding FROM public.smart_search AS other "
        f'WHERE (one."assetId"::text, other."assetId"::text) IN ((({FIRST}), ({LAST})), (({LAST}), ({FIRST})))'
    ),
}
VARIANTS = {
    "superuser, bytes": {"superuser": True, "dimension": 512},
    "superuser, odd dimension": {"superuser": True, "dimension": 513},
    "owner, values": {"superuser": False, "dimension": 512},
}


class Harmful(ConvertTable):
    """A conversion with a mistake in it, right after the rewrite."""

    def __init__(self, damage: SQL) -> None:
        super().__init__(SMART_SEARCH, Options())
        self._damage = damage
        self.carries_out(Documentation("a mistake", 7))

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Return the plan of the real step, and the mistake."""
        mistake = Statement("mistake", self._damage, "what must never happen")
        planned: list[Statement] = []
        for statement in super().plan(catalog, facts):
            planned += [statement, mistake] if statement.key == "rewrite" else [statement]
        return planned


class Unproven(ConvertTable):
    """A conversion that compares nothing."""

    def __init__(self) -> None:
        super().__init__(SMART_SEARCH, Options())

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Return the plan of the real step, the comparison taken out."""
        return [replace(s, must_equal=None) for s in super().plan(catalog, facts)]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_conversion_that_changes_an_embedding_is_rolled_back(
    damage: str, variant: str, make_workshop: MakeWorkshop
) -> None:
    """The mistake is noticed within the transaction, the run fails, and the table is as it was."""
    workshop = make_workshop("0.2.0" if "values" in variant else "0.3.0", **VARIANTS[variant])
    workshop.run(steps_of("create-extension-vchord", "record-embeddings"))
    before = workshop.state()
    with pytest.raises(ProofFailed) as refused:
        workshop.run([*steps_of("record-embeddings"), Harmful(DAMAGES[damage])])
    assert refused.value.exit_code is ExitCode.FAILED
    assert dict(refused.value.facts).keys() == {"recorded", "now"}
    assert "everything was rolled back" in str(refused.value)
    assert workshop.state() == before
    assert workshop.records()[-1].event == "failed"


def test_the_same_conversion_without_a_mistake_commits(make_workshop: MakeWorkshop) -> None:
    """What is refused above is the mistake, not the conversion."""
    workshop = make_workshop()
    _, hashes = workshop.state()
    harmless = Harmful(SQL("SELECT 1"))
    assert workshop.run([*steps_of("create-extension-vchord", "record-embeddings"), harmless]).kind == "done"
    assert workshop.state()[1] == hashes
    assert harmless.is_done(workshop.catalog(), {})


def test_every_rewrite_is_compared_in_its_own_transaction(make_workshop: MakeWorkshop) -> None:
    """No plan, and no way back, rewrites a column without a comparison before its commit."""
    workshop = make_workshop()
    workshop.run(steps_of("create-extension-vchord", "record-embeddings"))
    catalog, facts = workshop.catalog(), workshop.facts()
    steps = steps_of("convert-smart-search", "convert-face-search")
    assert [unproven_rewrites(step, step.plan(catalog, facts)) for step in steps] == [[], []]
    assert unproven_rewrites(steps[0], Unproven().plan(catalog, facts)) == ["convert-smart-search/rewrite"]
    workshop.run(steps_of("record-embeddings", "convert-smart-search", "convert-face-search"))
    for step in steps:
        way_back = step.undo(workshop.catalog(), workshop.facts())
        assert isinstance(way_back, Sequence)
        assert unproven_rewrites(step, way_back) == []
        assert any("ALTER TABLE" in statement.sql.as_string(None) for statement in way_back)
