"""The models on flat rows with scikit-learn's signs: negative = outlier.

``score_samples`` is minus the engine's score, ``decision_function`` is ``score_samples - offset_``, and ``predict`` gives -1 for
outliers and 1 for inliers. The cut is chosen by ``contamination``, the assumed share of outliers among the training rows, as in
scikit-learn; `neural_filter.Detector` promises a false-positive rate instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

import neural_filter as nf

__all__ = ["Autoencoder", "IsolationForest"]


class _Outliers(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """What both have in common."""

    contamination: float
    random_state: Any
    offset_: float
    model_: Any

    def _estimator(self, seed: int | None) -> Any:
        raise NotImplementedError

    def _seed(self) -> int | None:
        if self.random_state is None or isinstance(self.random_state, (int, np.integer)):
            return None if self.random_state is None else int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from rows of shape (rows, columns)."""
        if not 0.0 < self.contamination <= 0.5:
            raise ValueError(f"contamination is {self.contamination}, it must be above 0 and at most 0.5")
        X = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        self.model_ = self._estimator(self._seed()).fit(X, progress=False)
        self.offset_ = float(np.percentile(-self.model_.score(X), 100.0 * self.contamination))
        return self

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:
        """Minus the engine's score: lower = stranger."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        scores: npt.NDArray[np.float64] = self.model_.score(X).astype(np.float64)
        return -scores

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """``score_samples(X) - offset_``: negative = outlier."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """-1 for outliers, 1 for inliers."""
        return np.where(self.decision_function(X) < 0, -1, 1)


class IsolationForest(_Outliers):
    """`neural_filter.IsolationForest` for scikit-learn.

    Parameters
    ----------
    trees, samples, extension, threads : int, optional
        As there.
    contamination : float
        The assumed share of outliers among the training rows, above 0 and at most 0.5.
    random_state : int or RandomState, optional
        Where the random numbers start.

    Examples
    --------
    >>> import numpy as np
    >>> from neural_filter.sklearn import IsolationForest
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> IsolationForest(random_state=0).fit(X).predict([[0, 0], [9, 9]]).tolist()
    [1, -1]
    """

    def __init__(
        self,
        *,
        trees: int | None = None,
        samples: int | None = None,
        extension: int | None = None,
        contamination: float = 0.1,
        random_state: Any = None,
        threads: int | None = None,
    ) -> None:
        self.trees = trees
        self.samples = samples
        self.extension = extension
        self.contamination = contamination
        self.random_state = random_state
        self.threads = threads

    def _estimator(self, seed: int | None) -> Any:
        return nf.IsolationForest(
            trees=self.trees, samples=self.samples, extension=self.extension, random_state=seed, threads=self.threads
        )


class Autoencoder(_Outliers):
    """`neural_filter.Autoencoder` for scikit-learn.

    Parameters
    ----------
    hidden, latent, noise, variational, strangeness, scale, epochs, batch, learning_rate, threads : optional
        As there.
    contamination : float
        The assumed share of outliers among the training rows, above 0 and at most 0.5.
    random_state : int or RandomState, optional
        Where the random numbers start.
    """

    def __init__(
        self,
        *,
        hidden: Sequence[int] | None = None,
        latent: int | None = None,
        noise: float | None = None,
        variational: float | None = None,
        strangeness: str | None = None,
        scale: bool = True,
        epochs: int | None = None,
        batch: int | None = None,
        learning_rate: float | None = None,
        contamination: float = 0.1,
        random_state: Any = None,
        threads: int | None = None,
    ) -> None:
        self.hidden = hidden
        self.latent = latent
        self.noise = noise
        self.variational = variational
        self.strangeness = strangeness
        self.scale = scale
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.contamination = contamination
        self.random_state = random_state
        self.threads = threads

    def _estimator(self, seed: int | None) -> Any:
        return nf.Autoencoder(
            hidden=self.hidden,
            latent=self.latent,
            noise=self.noise,
            variational=self.variational,
            strangeness=self.strangeness,
            scale=self.scale,
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            random_state=seed,
            threads=self.threads,
        )
