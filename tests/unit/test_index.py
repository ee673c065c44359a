"""Immich's list count, and the index text in which it looks for it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.shared.index import create_index, fits, list_count, lists_of, options_for, probe_count

OF_IMMICH = re.compile(r"lists = \[(\d+)")


@pytest.mark.parametrize(
    ("rows", "lists", "probes"),
    [
        (0, 1, 1),
        (1, 1, 1),
        (127_999, 1, 1),
        (128_000, 256, 32),
        (255_999, 256, 32),
        (256_000, 512, 64),
        (511_999, 512, 64),
        (512_000, 1024, 128),
        (1_023_999, 1024, 128),
        (1_024_000, 2048, 256),
        (2_047_999, 2048, 256),
        (2_048_000, 4096, 512),
        (4_194_303, 4096, 512),
        (4_194_304, 8192, 1024),
    ],
)
def test_immichs_formula(rows: int, lists: int, probes: int) -> None:
    """Every corner of it."""
    assert (list_count(rows), probe_count(lists)) == (lists, probes)


@given(st.integers(min_value=0, max_value=20_000_000))
def test_what_is_built_is_left_alone(rows: int) -> None:
    """An index built for so many rows has the count that Immich finds in its text, and wants for as many rows."""
    text = options_for(rows)
    found = OF_IMMICH.search(text)
    assert found is not None
    assert int(found[1]) == list_count(rows) == lists_of([f"options={text}"])
    assert fits([f"options={text}"], rows)


@pytest.mark.parametrize(
    ("lists", "rows", "is_left_alone"),
    [(256, 106_666, False), (256, 106_667, True), (1, 127_999, True), (1, 128_000, False), (512, 128_000, False)],
)
def test_growth_is_allowed_for(lists: int, rows: int, is_left_alone: bool) -> None:  # noqa: FBT001
    """Immich accepts the count of a table a fifth larger too."""
    assert fits([f"options=[build.internal]\nlists = [{lists}]"], rows) is is_left_alone


def test_an_index_without_a_count_has_one_list() -> None:
    """Immich reads it so; without rows to compare with, any index fits."""
    assert lists_of([]) == lists_of(["options=residual_quantization = true"]) == 1
    assert fits(["options=lists = [7]"], None)


def test_its_statement_is_qualified() -> None:
    """Whatever the search_path is, table and operator class are meant exactly; an index in the way is an error."""
    statement = create_index("public", "smart_search", "clip_index", "embedding", 5).as_string(None)
    assert statement.startswith(
        'CREATE INDEX "clip_index" ON "public"."smart_search" USING vchordrq ("embedding" public.vector_cosine_ops)'
    )
    assert "IF NOT EXISTS" not in statement
