"""What the adapters for scikit-learn and PyOD have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state


def seed_of(random_state: Any) -> int | None:
    """A seed of anything that scikit-learn takes for one; ``None`` is the engine's own."""
    if random_state is None or isinstance(random_state, (int, np.integer)):
        return None if random_state is None else int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def engine(adapter: Any, kind: Any) -> Any:
    """The package's own estimator with an adapter's parameters: they are named alike, but ``contamination`` is the adapter's alone."""
    parameters = adapter.get_params(deep=False)
    del parameters["contamination"]
    parameters["random_state"] = seed_of(adapter.random_state)
    return kind(**parameters)
