"""What help() says of each public name."""

from __future__ import annotations

import doctest
import inspect
import io
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import pytest
from programs import ROOT

import neural_filter as nf
import neural_filter.plot
import neural_filter.pyod
import neural_filter.sklearn

plt.switch_backend("Agg")
MODULES = [nf, neural_filter.plot, neural_filter.sklearn, neural_filter.pyod]
NAMES = [name for name in nf.__all__ if name != "__version__"]


def _public() -> Iterator[tuple[str, Any]]:
    """Classes, functions, and the methods that are of this package: once where several classes have one of them."""
    for module in MODULES:
        for name in module.__all__:
            thing: Any = getattr(module, name)
            if not callable(thing):
                continue
            yield f"{module.__name__}.{name}", thing
            for member in dir(thing) if inspect.isclass(thing) else ():
                owner = next(each for each in thing.__mro__ if member in vars(each))
                # scikit-learn makes methods for the routing of metadata.
                own = owner.__module__.startswith("neural_filter") and not member.endswith("_request")
                if own and not member.startswith("_") and callable(getattr(thing, member)):
                    yield f"{owner.__module__}.{owner.__name__}.{member}", getattr(thing, member)


CALLABLES: dict[str, Any] = dict(_public())


def test_every_public_callable_has_an_example() -> None:
    said = {name: inspect.getdoc(thing) or "" for name, thing in CALLABLES.items()}
    assert [name for name, text in said.items() if "Examples\n--------\n>>> " not in text] == [] and len(said) > 100


@pytest.mark.parametrize("name", CALLABLES)
def test_examples_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(CALLABLES[name]) or "", {}, name, None, None)
    said = io.StringIO()
    result = doctest.DocTestRunner().run(example, out=said.write)
    plt.close("all")
    assert result.failed == 0, said.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_explained(name: str) -> None:
    thing: Any = getattr(nf, name)
    assert thing.__module__ == "neural_filter"
    if not inspect.isclass(thing) or issubclass(thing, BaseException):
        return
    for member in dir(thing):
        value = inspect.getattr_static(thing, member)
        method = callable(getattr(thing, member))
        if member.startswith("_") or not (method or isinstance(value, property) or inspect.isdatadescriptor(value)):
            continue
        said = inspect.getdoc(getattr(thing, member) if method else value) or ""
        assert said, member
        if method:
            assert "Returns\n" in said or "Raises\n" in said, member


def test_defaults_are_shown() -> None:
    signature = inspect.signature(nf.SessionConfig)
    assert signature.parameters["idle_tcp"].default == nf.SessionConfig().idle_tcp
    assert nf.SessionConfig(**{name: each.default for name, each in signature.parameters.items()}) == nf.SessionConfig()
