"""The models on flat rows with PyOD's names: ``decision_scores_``, ``labels_``, ``predict_proba``; higher = stranger.

Unlike in PyOD a row's score does not depend on the rows it is scored with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pyod.models.base import BaseDetector
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

import neural_filter as nf

__all__ = ["Autoencoder", "IsolationForest"]


class _Detector(BaseDetector):  # type: ignore[misc]
    """What both have in common."""

    decision_scores_: npt.NDArray[np.float64]

    def _estimator(self) -> Any:
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from rows of shape (rows, columns)."""
        X = check_array(X, dtype=np.float32)
        self._set_n_classes(y)
        self.detector_ = self._estimator().fit(X, progress=False)
        self.decision_scores_ = self.detector_.score(X).astype(np.float64)
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """The engine's scores, higher = stranger."""
        check_is_fitted(self, ["decision_scores_", "threshold_", "labels_"])
        scores: npt.NDArray[np.float64] = self.detector_.score(check_array(X, dtype=np.float32)).astype(np.float64)
        return scores


class IsolationForest(_Detector):
    """`neural_filter.IsolationForest` for PyOD.

    Examples
    --------
    >>> import numpy as np
    >>> from neural_filter.pyod import IsolationForest
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> IsolationForest(random_state=0).fit(X).predict(np.array([[0.0, 0], [9, 9]])).tolist()
    [0, 1]
    """

    def __init__(
        self,
        contamination: float = 0.1,
        trees: int | None = None,
        samples: int | None = None,
        extension: int | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(contamination=contamination)
        self.trees = trees
        self.samples = samples
        self.extension = extension
        self.random_state = random_state
        self.threads = threads

    def _estimator(self) -> Any:
        return nf.IsolationForest(
            trees=self.trees,
            samples=self.samples,
            extension=self.extension,
            random_state=self.random_state,
            threads=self.threads,
        )


class Autoencoder(_Detector):
    """`neural_filter.Autoencoder` for PyOD."""

    def __init__(
        self,
        contamination: float = 0.1,
        hidden: Sequence[int] | None = None,
        latent: int | None = None,
        noise: float | None = None,
        variational: float | None = None,
        strangeness: str | None = None,
        epochs: int | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(contamination=contamination)
        self.hidden = hidden
        self.latent = latent
        self.noise = noise
        self.variational = variational
        self.strangeness = strangeness
        self.epochs = epochs
        self.random_state = random_state
        self.threads = threads

    def _estimator(self) -> Any:
        return nf.Autoencoder(
            hidden=self.hidden,
            latent=self.latent,
            noise=self.noise,
            variational=self.variational,
            strangeness=self.strangeness,
            epochs=self.epochs,
            random_state=self.random_state,
            threads=self.threads,
        )
