"""YAML as Immich reads it (js-yaml, YAML 1.2), where PyYAML by itself is more forgiving or of another opinion."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

BOOLEAN = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """No objects, no key twice, and `on`, `off`, `yes`, `no` are words."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - its signature
        """Refuse a key that is there twice: the last one would silently win."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(keys) != len(set(keys)):
            raise yaml.constructor.ConstructorError(None, None, "a key twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(BOOLEAN, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def load(text: str) -> object:
    """Return what the one document says.

    Raises:
        ValueError: the text is no YAML; the message says where, and repeats nothing of it.
    """
    try:
        loaded: object = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ValueError(f"line {mark.line + 1}" if mark else "as a whole") from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise ValueError("as a whole") from error
    return loaded
