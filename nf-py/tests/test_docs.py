"""What help() says of each public name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import neural_filter as nf

NAMES = [name for name in nf.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_explained(name: str) -> None:
    thing: Any = getattr(nf, name)
    doc = inspect.getdoc(thing) or ""
    assert doc and ">>>" in doc, "an example that runs"
    assert thing.__module__ == "neural_filter"
    if not inspect.isclass(thing) or issubclass(thing, BaseException):
        return
    for member, value in vars(thing).items():
        if member.startswith("_") or not (callable(getattr(thing, member)) or isinstance(value, property) or inspect.isdatadescriptor(value)):
            continue
        method = callable(getattr(thing, member))
        said = inspect.getdoc(getattr(thing, member) if method else value) or ""
        assert said, member
        if method:
            assert "Returns\n" in said or "Raises\n" in said, member


def test_defaults_are_shown() -> None:
    signature = inspect.signature(nf.SessionConfig)
    assert signature.parameters["idle_tcp"].default == nf.SessionConfig().idle_tcp
    assert nf.SessionConfig(**{name: each.default for name, each in signature.parameters.items()}) == nf.SessionConfig()
