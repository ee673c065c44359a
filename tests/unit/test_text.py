"""The pieces of text that screens are made of."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.cli.render import text
from migrator.step import Blocker, Json


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "1 s"),
        (0.4, "1 s"),
        (4.4, "4 s"),
        (89.4, "89 s"),
        (90.0, "2 min"),
        (1500.0, "25 min"),
        (5370.0, "1 h 30 min"),
        (4199.0 + 3600, "2 h 10 min"),
    ],
)
def test_duration(seconds: float, written: str) -> None:
    """Never nothing, never more than two units."""
    assert text.duration(seconds) == written


@pytest.mark.parametrize(("seconds", "written"), [(0.0, "0:00"), (7.9, "0:07"), (761.0, "12:41"), (3600.0, "60:00")])
def test_clock(seconds: float, written: str) -> None:
    """Minutes and seconds, as a clock shows them."""
    assert text.clock(seconds) == written


@pytest.mark.parametrize(
    ("size_bytes", "written"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_100_000_000, "1.1 GB")]
)
def test_size(size_bytes: float, written: str) -> None:
    """Decimal units, as disks are sold."""
    assert text.size(size_bytes) == written


def test_a_path_below_home_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only such a path."""
    monkeypatch.setenv("HOME", "/home/anna")
    assert text.short(Path("/home/anna/.local/state/x.db")) == "~/.local/state/x.db"
    assert text.short(Path("/home/annabel/x.db")) == "/home/annabel/x.db"


@given(st.lists(st.text(alphabet="abc-/.,", min_size=1, max_size=30), min_size=1, max_size=60))
def test_folding_keeps_every_word(words: list[str]) -> None:
    """No line is wider than the terminal, no word is broken, none is lost."""
    sentence = " ".join(words)
    lines = text.wrapped(sentence, "    ", "  found   ")
    assert all(len(line) <= text.WIDTH for line in lines)
    assert " ".join(lines).split()[1:] == sentence.split()
    assert all(line.startswith("    ") for line in lines[1:])


def test_a_long_command_stays_whole() -> None:
    """It can be copied, however wide the terminal is."""
    command = "/opt/" + "x" * 100
    assert any(command in line for line in text.wrapped(f"run {command} now", "  "))


def test_a_blocker_says_found_wanted_do() -> None:
    """In this order, the remedies below each other."""
    blocker = Blocker(what="it", found="this", wanted="that", fix=("first this", "then that"))
    lines = text.blocker_lines(blocker)
    assert [line.split() for line in lines] == [
        ["found", "this"], ["wanted", "that"], ["do", "first", "this"], ["then", "that"],
    ]  # fmt: skip
    assert len({line.index(word) for line, word in zip(lines, ("this", "that", "first", "then"), strict=True)}) == 1


def test_a_measurement_is_shortened() -> None:
    """Rows in groups of three, hashes by their ends, nothing for what is no measurement."""
    value: Json = {"kind": "bytes", "rows": 218_341, "hash": "-2209512345678901237604"}
    assert text.measured(value) == "kind=bytes rows=218,341 hash=-22095...7604"
    assert text.measured(None) == ""
