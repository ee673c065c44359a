"""The comparison has teeth: what is declared as not comparable hides nothing else."""

from collections.abc import Sequence
from itertools import permutations

from compare import Comparison
from recording import Answer, Recording, Step

HASH = "SELECT count(*), sum(hash_record_extended(row(id, embedding), 0)::numeric) FROM smart_search"


def compared(*pairs: tuple[str, Answer, Answer], genuine: bool = False) -> Sequence[str]:
    """Return the outcome of each (statement, recorded, replayed), compared in order."""
    comparison = Comparison(Recording("made/up", "16.14", ()), genuine)
    return [
        comparison.verdict(Step(number, sql, None, "", None, recorded), replayed).outcome
        for number, (sql, recorded, replayed) in enumerate(pairs, start=1)
    ]


def counted(rows: int, value: str) -> Answer:
    """Return the answer to HASH."""
    return Answer(ok=True, rows=[[str(rows), value]])


def refused(message: str, detail: str | None = None, sqlstate: str = "XX000") -> Answer:
    """Return an error."""
    return Answer(ok=False, sqlstate=sqlstate, severity="ERROR", message=message, message_detail=detail)


def test_another_message_or_code_differs() -> None:
    """Word for word, code for code."""
    recorded = refused("a message")
    answers = [refused("a message"), refused("another"), refused("a message", sqlstate="58P01"), Answer(ok=True)]
    assert compared(*(("SELECT 1", recorded, answer) for answer in answers)) == ["agrees", *["differs"] * 3]


def test_a_missing_backtrace_is_excused_and_another_detail_is_not() -> None:
    """Only the backtrace itself."""
    recorded = refused("a message", "(Rust backtrace)")
    assert compared(
        ("SELECT 1", recorded, refused("a message")),
        ("SELECT 1", recorded, refused("a message", "something else")),
        ("SELECT 1", refused("a message", "a detail"), refused("a message")),
    ) == ["not compared", "differs", "differs"]


RANGE = "error while validating options: build.source.sampling_factor: Validation error: range [{%s}]"
SAMPLING = "CREATE INDEX i ON t USING vchordrq (e vector_cosine_ops) WITH (options = $$ sampling_factor = 5000 $$)"


def test_the_parts_of_a_range_may_come_in_any_order_and_nothing_else_may_differ() -> None:
    """Genuine VectorChord writes them in another order each time; a number or a word more is a difference."""
    parts = ('"max": Number(1024)', '"min": Number(1)', '"value": Number(5000)')
    recorded = refused(RANGE % ", ".join(parts))
    for order in permutations(parts):
        assert compared((SAMPLING, recorded, refused(RANGE % ", ".join(order)))) != ["differs"]
    other = [
        RANGE % '"max": Number(1024), "min": Number(2), "value": Number(5000)',
        RANGE % '"max": Number(5000), "min": Number(1), "value": Number(1024)',
        RANGE % ", ".join(parts[:2]),
        RANGE % ", ".join((*parts, '"more": Number(1)')),
        (RANGE % ", ".join(parts)).replace("Validation", "Another"),
    ]
    for text in other:
        assert compared((SAMPLING, recorded, refused(text))) == ["differs"]
    assert compared(("SELECT 1", recorded, refused(RANGE % ", ".join(reversed(parts))))) == ["differs"]


def test_hashes_that_were_equal_have_to_stay_equal() -> None:
    """Another hash is fine once; a changed one is not, nor is another count."""
    recorded = counted(10, "-1234567890123")
    assert compared(
        (HASH, recorded, counted(10, "-999999999999")),
        (HASH, recorded, counted(10, "-999999999999")),
        (HASH, recorded, counted(10, "-888888888888")),
        (HASH, counted(10, "777777777777"), counted(10, "-999999999999")),
        (HASH, recorded, counted(11, "-999999999999")),
    ) == ["not compared", "not compared", "differs", "differs", "differs"]


def test_a_hash_that_was_met_exactly_has_to_be_met_again() -> None:
    """Equality at first does not excuse a difference later."""
    recorded = counted(10, "-1234567890123")
    assert compared((HASH, recorded, recorded), (HASH, recorded, counted(10, "888888888888"))) == [
        "agrees",
        "differs",
    ]


def test_page_counts_may_differ_and_what_stands_beside_them_may_not() -> None:
    """A notice more, or another severity, is a difference."""
    freed, freed_more = ([["INFO", "00000", f"maintain: number_of_freed_pages = {number}"]] for number in (3, 4))
    warned = [["WARNING", *freed[0][1:]]]
    assert compared(
        ("VACUUM t", Answer(ok=True, notices=freed), Answer(ok=True, notices=freed_more)),
        ("VACUUM t", Answer(ok=True, notices=freed), Answer(ok=True, notices=warned)),
        ("VACUUM t", Answer(ok=True, notices=freed), Answer(ok=True)),
    ) == ["not compared", "differs", "differs"]


def test_a_lost_session_has_to_be_lost() -> None:
    """How it was refused is a race, that it was is not."""
    lost = Answer(ok=True, first_connection_refused_with="server closed the connection unexpectedly")
    recovering = Answer(ok=True, first_connection_refused_with="the database system is in recovery mode")
    assert compared(("SELECT 1", lost, recovering), ("SELECT 1", lost, Answer(ok=True))) == [
        "not compared",
        "differs",
    ]
