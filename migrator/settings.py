"""PostgreSQL's list settings: how `shared_preload_libraries` is read and written."""

from __future__ import annotations

PRELOAD = "shared_preload_libraries"


_BLANKS = " \t\n\r\f\v"
"""What PostgreSQL's scanner takes for blanks; Python knows more of them."""


def split_list(value: str) -> tuple[str, ...]:
    """Split a list setting as Postgres does: commas, double quotes with "" inside, blanks around elements ignored.

    Unlike identifiers, file names keep their case, their inner blanks, and quotes that do not come first.

    Raises:
        ValueError: Postgres would refuse the list (unbalanced quote, empty element).
    """
    elements: list[str] = []
    rest = value.strip(_BLANKS)
    if not rest:
        return ()
    while True:
        if rest.startswith('"'):
            end = 1
            while (end := rest.index('"', end)) + 1 < len(rest) and rest[end + 1] == '"':
                end += 2
            element, rest = rest[1:end].replace('""', '"'), rest[end + 1 :].lstrip(_BLANKS)
            if rest and not rest.startswith(","):
                raise ValueError(f"text after a quoted element: {rest}")
        else:
            head, comma, tail = rest.partition(",")
            element, rest = head.strip(_BLANKS), comma + tail
            if not element:
                raise ValueError(f"an element is empty: {value}")
        elements.append(element)
        if not rest:
            return tuple(elements)
        rest = rest[1:].strip(_BLANKS)
        if not rest:
            raise ValueError(f"an element is missing after the last comma: {value}")


def library_name(element: str) -> str:
    """Return the bare name of a preloaded library: `$libdir/vchord.so`, `vchord.so` and `vchord` are one."""
    return element.rsplit("/", 1)[-1].removesuffix(".so")
