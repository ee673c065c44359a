"""What is deliberately not compared between a recording and its replay, and why. The one place for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blur:
    """Text that is replaced on both sides before they are compared a second time.

    Attributes:
        field: Of the answer.
        where: Regular expression that the statement or action must match.
        pattern: Regular expression for what is not comparable in the rendered field.
        replacement: What both sides get instead.
        reason: Why.
    """

    field: str
    where: str
    pattern: str
    replacement: str
    reason: str


@dataclass(frozen=True, slots=True)
class Paired:
    """Values that differ between runs, but where equal ones must stay equal and different ones different."""

    where: str
    pattern: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unordered:
    """Rows whose order is not the same in any two runs."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Impossible:
    """A step that no stand-in can meet; the genuine build still has to."""

    recording: str
    where: str
    reason: str


BLURS = (
    Blur("log", "^start", r"key \d+, ID \d+", "key K, ID N", "shared memory ids are the machine's"),
    Blur("message_detail", "", r"^\(Rust backtrace\)$", "", "a stand-in is written in C and has no backtrace"),
    Blur(
        "stderr",
        "^pg_dump",
        r"(?ms)^(DETAIL:  \n   \d+: .*|pg_dump: detail: Query was: SELECT\n.*)\Z",
        "",
        "a backtrace takes the place of the query's first lines",
    ),
    Blur("stderr", "^pg_dump", r"'\{\d+\}'", "'{OID}'", "OIDs"),
    Blur(
        "notices",
        "",
        r"(?m)^(WARNING 01000 AbortTransaction while in ABORT state\n?)+",
        "WARNING 01000 AbortTransaction while in ABORT state, repeated",
        "how often an aborting transaction aborts again before the server gives up is a matter of stack depth",
    ),
    Blur(
        "notices",
        "",
        r"(?m)^(INFO 00000 maintain: number_of_\w+ = )\d+$",
        r"\1N",
        "VectorChord's page counts belong to its index format",
    ),
    Blur(
        "rows",
        "vchordrq_prewarm",
        r"(number of pages: )\d+",
        r"\1N",
        "VectorChord's page counts belong to its index format",
    ),
    Blur(
        "rows",
        "p.prosrc FROM pg_proc p .* e.extname = 'vchord'",
        r'("plpgsql", null, )".*"',
        r"\1BODY",
        "VectorChord's PL/pgSQL is foreign code, a stand-in has bodies of its own",
    ),
    *(
        Blur(
            "message",
            r"sampling_factor = 5000",
            rf"(range \[\{{(?:.*, )?)\"{key}\": Number\((\d+)\)(?:, )?(.*?)(?:, )?(\}}\])",
            rf"\1\3\4 {key}=\2",
            "VectorChord names the three parts of a range in the order of a hash map, which is another each time",
        )
        for key in ("max", "min", "value")
    ),
    Blur(
        "first_connection_refused_with",
        "",
        r"(?s)^.+$",
        "lost",
        "whether the client meets the crash or the recovery after it is a race",
    ),
)

PAIRS = (
    Paired(
        r"hash_record_extended|hashvarlena|bytes_hash|md5",
        r"-?\d{6,}|[0-9a-f]{32}",
        "hashes over random keys or values: compared within the recording",
    ),
)

UNORDERED = (Unordered("FROM dirty ORDER BY id", "ordered by a random key"),)

IMPOSSIBLE: tuple[Impossible, ...] = ()
