"""The one table of versions: parsed before they are compared, each release in exactly one row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from steps.shared.versions import (
    DOCUMENTED,
    FIRST_WITH_VECTORCHORD,
    TABLE,
    accepted_by,
    accepts,
    at_most,
    parse,
    written,
)


@pytest.mark.parametrize(
    ("immich", "vchord", "refused"),
    [
        ("1.133.0", "0.3.0", "0.4.0"),
        ("v1.134.0", "0.3.1", "0.2.2"),
        ("1.135.0", "0.4.3", "0.5.0"),
        ("2.0.1", "0.4.3", "0.5.3"),
        ("2.1.0", "0.5.3", "0.6.0"),
        ("2.4.1", "0.5.3", "1.0.0"),
        ("2.5.0", "1.1.1", "2.0.0"),
        ("3.0.0", "1.1.1", "2.0.0"),
    ],
)
def test_what_a_release_accepts(immich: str, vchord: str, refused: str) -> None:
    """The ranges are those of Immich's own check."""
    row = accepted_by(immich)
    assert accepts(row.vchord, vchord)
    assert not accepts(row.vchord, refused)


@pytest.mark.parametrize("immich", [None, "", "1.132.3", "nonsense", "99.0"])
def test_an_unknown_release_gets_the_documented_row(immich: str | None) -> None:
    """Also one from before VectorChord: what is documented for the next one holds."""
    assert accepted_by(immich) is DOCUMENTED


def test_every_release_is_in_one_row() -> None:
    """The rows neither overlap nor leave a gap between 1.133 and 3.x."""
    releases = [Version(f"1.{minor}.0") for minor in range(133, 145)]
    releases += [Version(f"{major}.{minor}.{patch}") for major in (2, 3) for minor in range(12) for patch in (0, 9)]
    for release in releases:
        assert len([row for row in TABLE if release in row.immich]) == 1, release


def test_immich_three_does_not_know_pgvectors() -> None:
    """All earlier ones do."""
    assert [row.pgvectors is None for row in TABLE] == [False, False, False, False, True]


@pytest.mark.parametrize(("text", "is_accepted"), [("0.7.0", True), ("0.10.1", True), ("0.6.2", False), ("1.0", False)])
def test_versions_are_numbers(text: str, is_accepted: bool) -> None:  # noqa: FBT001
    """0.10 comes after 0.7, although it sorts before it as text."""
    assert accepts(DOCUMENTED.pgvector, text) is is_accepted


@pytest.mark.parametrize("text", [None, "", "unpackaged", "0.3.0-dirty thing"])
def test_what_is_no_version(text: str | None) -> None:
    """It lies in no range; where a release is known to be dangerous, it counts as that one."""
    assert parse(text) is None
    assert not accepts(DOCUMENTED.vchord, text)
    assert at_most(text, "0.2.1")


@pytest.mark.parametrize(("text", "is_so"), [("0.1.13", True), ("0.2.1", True), ("0.3.0", False), ("0.10.0", False)])
def test_at_most(text: str, is_so: bool) -> None:  # noqa: FBT001
    """Releases of pgvecto.rs that a reload cripples, and later ones."""
    assert at_most(text, "0.2.1") is is_so


def test_a_range_is_written_for_people() -> None:
    """Lower bound first, whatever order the parser keeps."""
    assert written(DOCUMENTED.vchord) == ">=0.3, <0.4"


@given(st.integers(0, 12), st.integers(0, 200), st.integers(0, 30), st.sampled_from(["", "v"]))
def test_every_release_is_read_as_numbers(major: int, minor: int, patch: int, prefix: str) -> None:
    """Whatever the numbers: at most one row takes a release, and it is the row that its neighbours by number have."""
    text = f"{prefix}{major}.{minor}.{patch}"
    version = Version(f"{major}.{minor}.{patch}")
    assert parse(text) == version
    rows = [row for row in TABLE if version in row.immich]
    assert len(rows) <= 1
    assert accepted_by(text) is (rows[0] if rows else DOCUMENTED)
    assert (version < FIRST_WITH_VECTORCHORD) == (not rows and (major, minor) < (1, 133))


@given(st.text(max_size=12))
def test_any_text_is_a_version_or_none(text: str) -> None:
    """Nothing that stands in a catalog makes the comparison fail; what is no version lies in no range."""
    if parse(text) is None:
        assert not any(accepts(row.vchord, text) for row in TABLE)
    else:
        assert at_most(text, str(parse(text)))
