"""The Link field, RFC 8288 section 3."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["links"]

# Nothing is tried twice: a server writes the field.
_LINK = re.compile(r'<([^<>]*+)>((?:[^<>",]++|"(?:[^"\\]|\\.)*+"?+)*+)')
"""The target, and the parameters up to a comma that is not quoted."""
_PARAMETER = re.compile(r';\s*+([^\s;="]++)\s*+(?:=\s*+(?:"((?:[^"\\]|\\.)*+)"?+|([^\s;"]*+)))?+')
"""Name, and value as quoted or as it stands."""


def links(fields: Iterable[str]) -> dict[str, dict[str, str]]:
    """Give the links of these fields by relation, or by URL where they have none."""
    found: dict[str, dict[str, str]] = {}
    for field in fields:
        for target, parameters in _LINK.findall(field):
            link = {"url": target.strip()}
            for name, quoted, plain in _PARAMETER.findall(parameters):
                # Of several the first counts, section 3.3.
                link.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
            found[link.get("rel", link["url"])] = link
    return found
