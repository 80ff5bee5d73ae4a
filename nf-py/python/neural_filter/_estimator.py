"""What the estimators around the engine's models have in common."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from . import _native, _params
from ._errors import NotFittedError
from ._features import as_rows
from ._native import Calibration, Model, Progress, Rows
from ._progress import Callback, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

Floats = npt.NDArray[np.float32]


class Estimator:
    """What all models have in common.

    A parameter that is ``None`` has the engine's default; ``get_params()`` says which. Values are checked by ``fit``. Threads may
    share a fitted object; a pickle holds it with its calibration.

    Examples
    --------
    >>> import neural_filter as nf
    >>> [isinstance(model, nf.Estimator) for model in (nf.IsolationForest(), nf.Autoencoder(), nf.Transformer(), nf.Rarity())]
    [True, True, True, True]
    """

    _kind: ClassVar[str]

    def __init__(self, params: dict[str, Any]) -> None:
        self._own = {name: value for name, value in params.items() if value is not None}
        _params.to_engine(self._own)  # what is none of the choices is refused here
        self._model: Model | None = None
        self._calibration: Calibration | None = None
        self._threshold: float | None = None
        self.history_: list[Progress] = []

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters as the constructor takes them, those that were not given as the engine has them.

        Returns
        -------
        dict
            By name.

        Examples
        --------
        >>> import neural_filter as nf
        >>> nf.IsolationForest(trees=50).get_params()["trees"]
        50
        """
        return {**self._defaults(), **self._own}

    def set_params(self, **params: Any) -> Self:
        """Change parameters for the next ``fit``, by name; ``None`` is the engine's default again.

        Returns
        -------
        Estimator
            Itself.

        Raises
        ------
        ValueError
            Where there is no such parameter.

        Examples
        --------
        >>> import neural_filter as nf
        >>> nf.IsolationForest().set_params(trees=50).get_params()["trees"]
        50
        """
        known = self.get_params()
        for name in params:
            if name not in known:
                raise ValueError(f"there is no parameter {name}, there are: {', '.join(known) or 'none'}")
        own = {name: value for name, value in {**self._own, **params}.items() if value is not None}
        _params.to_engine(own)
        self._own = own
        return self

    def _defaults(self) -> dict[str, Any]:
        return _params.from_engine(json.loads(_native.default_params(self._kind)))

    @property
    def model_(self) -> Model:
        """The fitted model."""
        if self._model is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted, call fit first")
        return self._model

    @property
    def calibration_(self) -> Calibration:
        """The scores of the benign rows of ``calibrate``."""
        if self._calibration is None:
            raise NotFittedError(f"this {type(self).__name__} is not calibrated, call calibrate first")
        return self._calibration

    @property
    def threshold_(self) -> float:
        """The cut: a row with a score above it is an anomaly."""
        if self._threshold is None:
            raise NotFittedError(f"this {type(self).__name__} is not calibrated, call calibrate first")
        return self._threshold

    def fit(
        self,
        X: Any,
        y: object = None,
        *,
        lengths: Any = None,
        progress: bool | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Learn from benign rows, in the order of time.

        Parameters
        ----------
        X : Rows, or array of shape (rows, columns) or (rows, steps, columns)
            What ``transform`` of the features gives, or anything like an array. The columns of a data frame keep their names.
        lengths : array of int, shape (rows,), optional
            How many steps of each row of an array are real; all unless given. Rows bring their own.
        progress : bool, optional
            Whether a bar is shown; where a terminal or a notebook is attached unless given.
        callback : callable, optional
            Called with a `Progress` once an epoch; what it raises ends the fit.

        Returns
        -------
        Estimator
            Itself.

        Raises
        ------
        ValueError
            Where a parameter is out of its range.
        DataError
            Where there are too few rows, or a value is not finite.
        TrainingError
            Where the loss does not stay finite.
        KeyboardInterrupt
            At Ctrl-C, within 0.1 s and one step. The object is then as before.

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
        >>> nf.IsolationForest(random_state=7).fit(X).score(X).shape
        (2000,)
        """
        own = _params.checked(self._own, self._defaults())
        scale = own.pop("scale", False)
        unstored = {name: own.pop(name, None) for name in _params.UNSTORED}
        params = json.dumps(_params.to_engine(own))
        rows = as_rows(X, lengths=lengths)
        with Watch(progress, callback) as watch:
            model = _native.fit_model(self._kind, params, unstored, rows, scale, watch)
        self._model, self._calibration, self._threshold = model, None, None
        self.history_ = watch.history
        return self

    def score(self, X: Any, *, lengths: Any = None) -> Floats:
        """Score rows: float32, shape (rows,), higher = stranger.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        SchemaError
            Where the rows have other columns than those of ``fit``, or a data frame has them in another order.
        DataError
            Where a value is not finite.

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
        >>> forest = nf.IsolationForest(random_state=7).fit(X[:1000])
        >>> usual, strange = forest.score([[0, 0, 0], [9, 9, 9]])
        >>> bool(strange > usual)
        True
        """
        return self.model_.score(as_rows(X, self.model_, lengths))

    def calibrate(self, X: Any, false_positive_rate: float, *, lengths: Any = None) -> Self:
        """Choose the cut on benign rows that were not fitted on.

        Parameters
        ----------
        X : Rows or array
            As in ``fit``.
        false_positive_rate : float
            The share of benign rows that may score above the cut, above 0 and at most 0.5.

        Returns
        -------
        Estimator
            Itself.

        Raises
        ------
        DataError
            Where there are too few rows to promise the rate; the message says how many are missing.

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
        >>> forest = nf.IsolationForest(random_state=7).fit(X[:1000])
        >>> calibrated = forest.calibrate(X[1000:], false_positive_rate=0.01)
        >>> bool((forest.score(X[1000:]) > calibrated.threshold_).mean() <= 0.01)
        True
        """
        calibration = self.model_.calibrate(as_rows(X, self.model_, lengths))
        self._threshold = calibration.threshold(false_positive_rate)
        self._calibration = calibration
        return self

    def predict(self, X: Any, *, lengths: Any = None) -> npt.NDArray[np.int64]:
        """Say which rows are anomalies.

        Returns
        -------
        array of int64, shape (rows,)
            1 where the score is above ``threshold_``, else 0.

        Raises
        ------
        NotFittedError
            Before ``calibrate``.

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
        >>> forest = nf.IsolationForest(random_state=7).fit(X[:1000])
        >>> forest.calibrate(X[1000:], 0.01).predict([[0, 0, 0], [9, 9, 9]])
        array([0, 1])
        """
        cut = self.threshold_
        return (self.score(X, lengths=lengths) > np.float32(cut)).astype(np.int64)

    def p_values(self, X: Any, *, lengths: Any = None) -> npt.NDArray[np.float64]:
        """The share of benign rows at least as strange.

        Returns
        -------
        array of float64, shape (rows,)
            Above 0 and at most 1.

        Raises
        ------
        NotFittedError
            Before ``calibrate``.

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
        >>> forest = nf.IsolationForest(random_state=7).fit(X[:1000])
        >>> (forest.calibrate(X[1000:], 0.01).p_values([[0, 0, 0], [9, 9, 9]]) < 0.01).tolist()
        [False, True]
        """
        return self.calibration_.p_values(self.score(X, lengths=lengths))

    def to_onnx(self) -> bytes:
        """The fitted model as an ONNX file, for other runtimes.

        Its input ``rows`` are rows as the model reads them: those that `scaled` gives, float32, shape (rows, columns), or
        (rows, steps, columns) with ``lengths``, int64, shape (rows,). Its output ``score`` is that of ``score``, to rounding.

        Returns
        -------
        bytes
            The file.

        Raises
        ------
        NotImplementedError
            Where the model has no form in ONNX.

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
        >>> forest = nf.IsolationForest(random_state=7).fit(X[:1000])
        >>> b"rows" in forest.to_onnx()
        True
        """
        return self.model_.to_onnx()

    def scaled(self, X: Any, *, lengths: Any = None) -> Rows:
        """Bring rows to the scale that the model reads.

        Returns
        -------
        Rows
            Themselves where it was fitted without one.

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
        >>> forest = nf.IsolationForest(random_state=7).fit(X[:1000])
        >>> forest.scaled(X).shape
        (2000, 3)
        """
        return self.model_.scaled(as_rows(X, self.model_, lengths))

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        state = "not fitted" if self._model is None else "fitted" if self._threshold is None else "calibrated"
        return f"<{type(self).__name__} {state}: {params}>"


class Network(Estimator):
    """What the neural models have in common."""

    def get_weights(self) -> list[Floats]:
        """The weights: matrices of float32 in the order in which the network reads them.

        Returns
        -------
        list of array of float32
            Each of shape (rows, columns).

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
        >>> model = nf.Autoencoder(hidden=[8], latent=2, epochs=2).fit(X)
        >>> [weights.shape for weights in model.get_weights()][:2]
        [(6, 8), (1, 8)]
        """
        return self.model_.weights()

    def set_weights(self, weights: Sequence[npt.ArrayLike], X: Any = None, *, lengths: Any = None) -> Self:
        """Take other weights of the same shapes, as of networks averaged.

        Parameters
        ----------
        weights : list of arrays
            In the shapes and the order of ``get_weights``.
        X : Rows or array, optional
            Benign rows from which what scores are measured by is learned anew; kept unless given. The calibration is
            dropped.

        Returns
        -------
        Network
            Itself.

        Raises
        ------
        SchemaError
            Where number or shapes differ.

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
        >>> model = nf.Autoencoder(hidden=[8], latent=2, epochs=2).fit(X)
        >>> other = nf.Autoencoder(hidden=[8], latent=2, epochs=2, random_state=1).fit(X)
        >>> mean = [(a + b) / 2 for a, b in zip(model.get_weights(), other.get_weights())]
        >>> model.set_weights(mean, X).score(X).shape
        (400,)
        """
        rows = None if X is None else as_rows(X, self.model_, lengths)
        self._model = self.model_.with_weights(list(weights), rows)
        self._calibration, self._threshold = None, None
        return self

    def expected(self, X: Any, *, lengths: Any = None) -> Floats:
        """What the network would have expected in place of each value, on the scale it reads, in the shape of X.

        Returns
        -------
        array of float32
            The decoder's outputs.

        Examples
        --------
        >>> import numpy as np, neural_filter as nf
        >>> X = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
        >>> model = nf.Autoencoder(hidden=[8], latent=2, epochs=2).fit(X)
        >>> model.expected(X).shape
        (400, 6)
        """
        expected = self.model_.expected(as_rows(X, self.model_, lengths))
        assert expected is not None
        return expected
