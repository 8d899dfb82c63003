"""Every public name of framing says what it is."""

from __future__ import annotations

import inspect

import pytest

from eyesocket import framing


def names():
    for name in framing.__all__:
        yield name
        value = getattr(framing, name)
        if isinstance(value, type) and not issubclass(value, BaseException):
            # What the standard library's abstract classes have is documented there.
            for member in dir(value):
                owner = next((kind for kind in value.__mro__ if member in vars(kind)), None)
                if not member.startswith("_") and owner and owner.__module__.startswith("eyesocket"):
                    yield f"{name}.{member}"


@pytest.mark.parametrize("name", sorted(set(names())))
def test_it_has_a_docstring(name):
    value = framing
    for part in name.split("."):
        value = inspect.getattr_static(value, part)
    if name == "DEFAULT_MAX_FRAME":
        assert value == 1 << 20
        return
    text = inspect.getdoc(value)
    assert text, f"{name} has no docstring"
    assert text[0].isupper(), text
    assert text.splitlines()[0].rstrip().endswith((".", ":", ",")) or "\n" in text, text
