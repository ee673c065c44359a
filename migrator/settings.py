"""PostgreSQL's list settings: how `shared_preload_libraries` is read and written."""

from __future__ import annotations

PRELOAD = "shared_preload_libraries"


def split_list(value: str) -> tuple[str, ...]:
    """Split a list setting as Postgres does: commas, double quotes with "" inside, blanks around elements ignored.

    Unlike identifiers, file names keep their case.

    Raises:
        ValueError: Postgres would refuse the list (unbalanced quote, empty element).
    """
    elements: list[str] = []
    rest = value.strip()
    if not rest:
        return ()
    while True:
        if rest.startswith('"'):
            end, element = 1, ""
            while (end := rest.index('"', end)) + 1 < len(rest) and rest[end + 1] == '"':
                end += 2
            element, rest = rest[1:end].replace('""', '"'), rest[end + 1 :].lstrip()
            if rest and not rest.startswith(","):
                raise ValueError(f"text after a quoted element: {rest}")
        else:
            head, comma, tail = rest.partition(",")
            element, rest = head.strip(), comma + tail
            if not element or '"' in element:
                raise ValueError(f"an element is empty or quoted in part: {value}")
        elements.append(element)
        if not rest:
            return tuple(elements)
        rest = rest[1:].strip()
        if not rest:
            raise ValueError(f"an element is missing after the last comma: {value}")


def library_name(element: str) -> str:
    """Return the bare name of a preloaded library: `$libdir/vchord.so`, `vchord.so` and `vchord` are one."""
    return element.rsplit("/", 1)[-1].removesuffix(".so")
