"""The models on flat rows with PyOD's names: ``decision_scores_``, ``labels_``, ``predict_proba``; higher = stranger.

``contamination=0.1`` is PyOD's convention: a tenth of the training rows are called outliers, whatever they are.
`neural_filter.Detector` promises a false-positive rate instead. ``random_state=None`` is the engine's own seed, 0: a fit gives the
same model each time. Unlike in PyOD a row's score does not depend on the rows it is scored with.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
from pyod.models.base import BaseDetector
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

import neural_filter as nf
from neural_filter._sklearn import engine

__all__ = ["Autoencoder", "IsolationForest"]


class _Detector(BaseDetector):  # type: ignore[misc]
    """What both have in common."""

    decision_scores_: npt.NDArray[np.float64]
    _kind: Any

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from rows of shape (rows, columns).

        Returns
        -------
        estimator
            Itself.

        Examples
        --------
        >>> import numpy as np
        >>> from neural_filter.pyod import IsolationForest
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> forest = IsolationForest(random_state=0).fit(X)
        >>> forest.labels_.sum()
        np.int64(50)
        """
        X = check_array(X, dtype=np.float32)
        self._set_n_classes(y)
        self.detector_ = engine(self, self._kind).fit(X, progress=False)
        self.decision_scores_ = self.detector_.score(X).astype(np.float64)
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """The engine's scores, higher = stranger.

        Returns
        -------
        array of float64, shape (rows,)
            Of a forest 0 to 1, of an autoencoder any number.

        Examples
        --------
        >>> import numpy as np
        >>> from neural_filter.pyod import IsolationForest
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> forest = IsolationForest(random_state=0).fit(X)
        >>> usual, strange = forest.decision_function(np.array([[0.0, 0], [9, 9]]))
        >>> bool(strange > usual)
        True
        """
        check_is_fitted(self, ["decision_scores_", "threshold_", "labels_"])
        scores: npt.NDArray[np.float64] = self.detector_.score(check_array(X, dtype=np.float32)).astype(np.float64)
        return scores


class IsolationForest(_Detector):
    """`neural_filter.IsolationForest` for PyOD.

    Parameters
    ----------
    contamination : float
        The assumed share of outliers among the training rows, above 0 and at most 0.5.
    trees, samples, extension, threads : int, optional
        As there.
    random_state : int or RandomState, optional
        Where the random numbers start.

    Examples
    --------
    >>> import numpy as np
    >>> from neural_filter.pyod import IsolationForest
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> IsolationForest(random_state=0).fit(X).predict(np.array([[0.0, 0], [9, 9]])).tolist()
    [0, 1]
    """

    _kind = nf.IsolationForest

    def __init__(
        self,
        contamination: float = 0.1,
        trees: int | None = None,
        samples: int | None = None,
        extension: int | None = None,
        random_state: Any = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(contamination=contamination)
        self.trees = trees
        self.samples = samples
        self.extension = extension
        self.random_state = random_state
        self.threads = threads


class Autoencoder(_Detector):
    """`neural_filter.Autoencoder` for PyOD.

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
    >>> from neural_filter.pyod import Autoencoder
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> Autoencoder(hidden=[8], latent=2, epochs=2).fit(X).decision_scores_.shape
    (500,)
    """

    _kind = nf.Autoencoder

    def __init__(
        self,
        contamination: float = 0.1,
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
        random_state: Any = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(contamination=contamination)
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
