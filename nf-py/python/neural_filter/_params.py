"""Parameters as Python has them, and as the engine writes them."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Mapping
from typing import Any

# Names that other libraries use too, and those of the engine.
_NAMES = {"random_state": "seed", "strangeness": "score"}
_OWN = {theirs: ours for ours, theirs in _NAMES.items()}

# What the values that are one of several hold.
_CHOICES: dict[str, dict[str, tuple[str, ...]]] = {
    "attention": {"full": (), "linear": (), "window": ("left", "right", "global"), "low_rank": ("rank",)},
    "objective": {"reconstruct": (), "masked": ("ratio",), "next_packet": ()},
    "strangeness": {"error": (), "density": ()},
}

# What of a fit is not stored with what was fitted.
UNSTORED = ("threads", "checkpoint", "checkpoint_every")


def checked(params: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the kinds that their defaults have, so that what is of another is refused by name."""
    return {name: _kind(name, value, defaults.get(name)) for name, value in params.items()}


def _kind(name: str, value: Any, default: Any) -> Any:
    if name in _CHOICES or isinstance(default, bool):
        return value
    if name == "checkpoint":
        return os.fspath(value)
    if isinstance(default, int):
        return whole(name, value, 1 if name == "checkpoint_every" else 0)
    if isinstance(default, float):
        return _real(name, value)
    if isinstance(default, list):
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise TypeError(f"{name} is {value!r}, it must be a list of whole numbers")
        return [whole(name, each) for each in value]
    return value


def whole(name: str, value: Any, least: int = 0) -> int:
    """A whole number that the engine can take."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, it must be a whole number") from None
    if number < least:
        raise ValueError(f"{name} is {number}, it must be at least {least}")
    if number >= 2**64:
        raise ValueError(f"{name} is {number}, it must be below 2**64")
    return number


def _real(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}, it must be a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}, it must be finite")
    return number


def texts(name: str, value: Any) -> list[str] | None:
    """A list of names, where it is given; one name is none."""
    if isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, it must be a list of names: [{value!r}]")
    return None if value is None else list(value)


def to_engine(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as the engine reads them."""
    return {_NAMES.get(name, name): _choice(name, value) if name in _CHOICES else value for name, value in params.items()}


def from_engine(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as the estimators take them."""
    own = {_OWN.get(name, name): value for name, value in params.items()}
    return {name: _chosen(name, value) if name in _CHOICES else value for name, value in own.items()}


def _choice(name: str, value: Any) -> Any:
    """``"low_rank"`` as ``"LowRank"``, ``("low_rank", 4)`` as ``{"LowRank": {"rank": 4}}``."""
    kind, *held = value if isinstance(value, (tuple, list)) and value else (value,)
    fields = _CHOICES[name].get(kind) if isinstance(kind, str) else None
    if kind == "window" and len(held) == 2:
        held.append(False)
    if fields is None or len(held) != len(fields):
        raise ValueError(f"{name} is {value!r}, it must be {_allowed(name)}")
    theirs = "".join(part.capitalize() for part in kind.split("_"))
    return {theirs: dict(zip(fields, held))} if fields else theirs


def _chosen(name: str, value: Any) -> Any:
    """What `_choice` was made of."""
    theirs, held = next(iter(value.items())) if isinstance(value, dict) else (value, {})
    kind = next(kind for kind in _CHOICES[name] if kind.replace("_", "") == theirs.lower())
    return (kind, *(held[field] for field in _CHOICES[name][kind])) if held else kind


def _allowed(name: str) -> str:
    each = [f"({', '.join([repr(kind), *fields])})" if fields else repr(kind) for kind, fields in _CHOICES[name].items()]
    return f"{', '.join(each[:-1])} or {each[-1]}"
