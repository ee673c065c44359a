"""The dimension of a column is known when every source that knows it says the same, and never guessed."""

import pytest
from handmade import array, column, snapshot

from migrator.catalog import Catalog, Observed
from migrator.step import Facts
from steps.shared.names import SMART_SEARCH
from steps.shared.state import (
    comment_with_dimension,
    dimension_blockers,
    dimension_candidates,
    dimension_in_comment,
    dimension_of,
)

MARK = "[vectorchord-migrator: dimension 768]"


def arrays(shortest: int | None, longest: int | None, comment: str | None = None) -> Catalog:
    """Return a snapshot of a column of arrays of such lengths."""
    row = tuple(None if length is None else str(length) for length in (shortest, longest))
    return snapshot(array(comment=comment), lengths_smart_search=Observed(rows=(row,)))


def test_a_typed_column_is_asked_alone() -> None:
    """What the journal or a comment says about another time does not count against it."""
    catalog = snapshot(column(typmod=512, comment=MARK))
    assert dimension_candidates(catalog, {"dimension.smart_search": 640}, SMART_SEARCH) == {"column": 512}
    assert dimension_of(catalog, {"dimension.smart_search": 640}, SMART_SEARCH) == 512


@pytest.mark.parametrize(
    ("catalog", "facts", "dimension"),
    [
        (arrays(768, 768), {}, 768),
        (arrays(768, 768, MARK), {"dimension.smart_search": 768}, 768),
        (arrays(None, None, MARK), {}, 768),
        (arrays(None, None), {"dimension.smart_search": 768}, 768),
        (arrays(None, None), {}, None),
        (arrays(3, 768), {}, None),
        (arrays(512, 512, MARK), {}, None),
        (arrays(None, None, MARK), {"dimension.smart_search": 512}, None),
        (arrays(768, 768), {"dimension.face_search": 512}, 768),
        (snapshot(), {}, None),
    ],
)
def test_sources_have_to_agree(catalog: Catalog, facts: Facts, dimension: int | None) -> None:
    """Journal, comment, shortest and longest array: one number, or none; a blocker names what each says."""
    assert dimension_of(catalog, facts, SMART_SEARCH) == dimension
    assert bool(dimension_blockers(catalog, facts, SMART_SEARCH)) is (dimension is None)


def test_the_blocker_names_the_sources_and_the_way_out() -> None:
    """Each source with its number, a query that shows the rows, and the option for an empty table."""
    (blocker,) = dimension_blockers(arrays(3, 768, MARK), {"dimension.smart_search": 512}, SMART_SEARCH)
    assert blocker.found == "journal: 512; comment on the column: 768; shortest array: 3; longest array: 768"
    assert any("--dimension smart_search=N" in fix for fix in blocker.fix)
    assert blocker.kind == "blocked"


def test_the_comment_of_somebody_else_stays() -> None:
    """The mark is added behind it, replaced when it is there, and found again."""
    assert comment_with_dimension(column(comment=None), 768) == MARK
    marked = comment_with_dimension(column(comment="ours"), 768)
    assert marked == f"ours {MARK}"
    again = comment_with_dimension(column(comment=marked), 512)
    assert again == "ours [vectorchord-migrator: dimension 512]"
    assert dimension_in_comment(column(comment=again)) == 512
    assert dimension_in_comment(column(comment="dimension 512")) is None
