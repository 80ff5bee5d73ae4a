"""Parameters as Python has them, and as the engine writes them."""

from __future__ import annotations

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
