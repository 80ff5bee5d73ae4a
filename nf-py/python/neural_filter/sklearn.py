"""The models on flat rows with scikit-learn's signs: negative = outlier.

``score_samples`` is minus the engine's score, ``decision_function`` is ``score_samples - offset_``, and ``predict`` gives -1 for
outliers and 1 for inliers. The cut is chosen by ``contamination``, the assumed share of outliers among the training rows; 0.1 unless
given, as in scikit-learn's other outlier detectors: a tenth of the training rows are called outliers, whatever they are.
`neural_filter.Detector` promises a false-positive rate instead. ``random_state=None`` is the engine's own seed, 0: a fit gives the
same model each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

import neural_filter as nf
from neural_filter._sklearn import engine

__all__ = ["Autoencoder", "IsolationForest"]


class _Outliers(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """What both have in common."""

    contamination: float
    _kind: Any
    offset_: float
    model_: Any

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from rows of shape (rows, columns).

        Returns
        -------
        estimator
            Itself.

        Examples
        --------
        >>> import numpy as np
        >>> from neural_filter.sklearn import IsolationForest
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> forest = IsolationForest(random_state=0).fit(X)
        >>> forest.n_features_in_
        2
        """
        if not isinstance(self.contamination, Real) or not 0.0 < self.contamination <= 0.5:
            raise ValueError(f"contamination is {self.contamination!r}, it must be above 0 and at most 0.5")
        X = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        self.model_ = engine(self, self._kind).fit(X, progress=False)
        self.offset_ = float(np.percentile(-self.model_.score(X), 100.0 * self.contamination))
        return self

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:
        """Minus the engine's score: lower = stranger.

        Returns
        -------
        array of float64, shape (rows,)
            Of a forest -1 to 0, of an autoencoder any number.

        Examples
        --------
        >>> import numpy as np
        >>> from neural_filter.sklearn import IsolationForest
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> forest = IsolationForest(random_state=0).fit(X)
        >>> usual, strange = forest.score_samples([[0, 0], [9, 9]])
        >>> bool(strange < usual)
        True
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        scores: npt.NDArray[np.float64] = self.model_.score(X).astype(np.float64)
        return -scores

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """``score_samples(X) - offset_``: negative = outlier.

        Returns
        -------
        array of float64, shape (rows,)
            Below 0 what is an outlier.

        Examples
        --------
        >>> import numpy as np
        >>> from neural_filter.sklearn import IsolationForest
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> forest = IsolationForest(random_state=0).fit(X)
        >>> (forest.decision_function([[0, 0], [9, 9]]) < 0).tolist()
        [False, True]
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """-1 for outliers, 1 for inliers.

        Returns
        -------
        array of int64, shape (rows,)
            One a row.

        Examples
        --------
        >>> import numpy as np
        >>> from neural_filter.sklearn import IsolationForest
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> forest = IsolationForest(random_state=0).fit(X)
        >>> forest.predict([[0, 0], [9, 9]]).tolist()
        [1, -1]
        """
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

    _kind = nf.IsolationForest

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


class Autoencoder(_Outliers):
    """`neural_filter.Autoencoder` for scikit-learn.

    Parameters
    ----------
    contamination : float
        The assumed share of outliers among the training rows, above 0 and at most 0.5.
    random_state : int or RandomState, optional
        Where the random numbers start.
    **others
        Those of `neural_filter.Autoencoder`, as there.

    Examples
    --------
    >>> import numpy as np
    >>> from neural_filter.sklearn import Autoencoder
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> Autoencoder(hidden=[8], latent=2, epochs=2).fit(X).score_samples(X).shape
    (500,)
    """

    _kind = nf.Autoencoder

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
        micro_batch: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        clip: float | None = None,
        warm_up: float | None = None,
        held_out: float | None = None,
        patience: int | None = None,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        contamination: float = 0.1,
        random_state: Any = None,
        threads: int | None = None,
    ) -> None:
        self.contamination = contamination
        self.hidden = hidden
        self.latent = latent
        self.noise = noise
        self.variational = variational
        self.strangeness = strangeness
        self.scale = scale
        self.epochs = epochs
        self.batch = batch
        self.micro_batch = micro_batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip = clip
        self.warm_up = warm_up
        self.held_out = held_out
        self.patience = patience
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.random_state = random_state
        self.threads = threads
