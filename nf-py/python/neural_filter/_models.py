"""Estimators around the engine's models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from . import _native
from ._errors import NotFittedError
from ._features import as_rows
from ._native import Calibration, Model, Progress
from ._progress import Callback, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

Floats = npt.NDArray[np.float32]


def _plain(value: Any) -> Any:
    """A number of NumPy as Python's."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{value!r} is no parameter")


class Estimator:
    """What all models have in common.

    A parameter that is ``None`` has the engine's default; ``get_params()`` says which. Threads may share a fitted object.
    """

    _kind: ClassVar[str]
    _scale: bool = False

    def __init__(self, params: dict[str, Any], threads: int | None) -> None:
        self._own = {name: value for name, value in params.items() if value is not None}
        self._threads = threads
        self._model: Model | None = None
        self._calibration: Calibration | None = None
        self._threshold: float | None = None
        self.history_: list[Progress] = []

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters, those that were not given as the engine has them."""
        params: dict[str, Any] = json.loads(_native.default_params(self._kind))
        return {**params, **self._own}

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
            What ``transform`` of the features gives, or anything like an array.
        lengths : array of int, shape (rows,), optional
            How many steps of each row of an array are real; all unless given.
        progress : bool, optional
            Whether a bar is shown; where a terminal or a notebook is attached unless given.
        callback : callable, optional
            Called with a `Progress` once an epoch; what it raises ends the fit.

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
        """
        params = json.dumps(self._own, default=_plain)
        rows = as_rows(X, lengths=lengths)
        with Watch(progress, callback) as watch:
            model = _native.fit_model(self._kind, params, rows, self._scale, self._threads, watch)
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
            Where the rows have other columns than those of ``fit``.
        """
        return self.model_.score(as_rows(X, self.model_, lengths))

    def calibrate(self, X: Any, false_positive_rate: float = 0.01, *, lengths: Any = None) -> Self:
        """Choose the cut on benign rows that were not fitted on.

        Parameters
        ----------
        X : Rows or array
            As in ``fit``.
        false_positive_rate : float
            The share of benign rows that may score above the cut, above 0 and at most 0.5.

        Raises
        ------
        DataError
            Where there are too few rows to promise the rate; the message says how many are missing.
        """
        calibration = self.model_.calibrate(as_rows(X, self.model_, lengths))
        self._threshold = calibration.threshold(false_positive_rate)
        self._calibration = calibration
        return self

    def predict(self, X: Any, *, lengths: Any = None) -> npt.NDArray[np.int64]:
        """Say which rows are anomalies: 1, else 0."""
        cut = self.threshold_
        return (self.score(X, lengths=lengths) > np.float32(cut)).astype(np.int64)

    def p_values(self, X: Any, *, lengths: Any = None) -> npt.NDArray[np.float64]:
        """The share of benign rows at least as strange, float64, shape (rows,)."""
        return self.calibration_.p_values(self.score(X, lengths=lengths))

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        state = "not fitted" if self._model is None else "fitted" if self._threshold is None else "calibrated"
        return f"<{type(self).__name__} {state}: {params}>"


class Network(Estimator):
    """What the neural models have in common."""

    def get_weights(self) -> list[Floats]:
        """The weights: matrices of float32 in the order in which the network reads them."""
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

        Raises
        ------
        SchemaError
            Where number or shapes differ.
        """
        rows = None if X is None else as_rows(X, self.model_, lengths)
        self._model = self.model_.with_weights(list(weights), rows)
        self._calibration, self._threshold = None, None
        return self

    def expected(self, X: Any, *, lengths: Any = None) -> Floats:
        """What the network would have expected in place of each value, on the scale it reads, in the shape of X."""
        expected = self.model_.expected(as_rows(X, self.model_, lengths))
        assert expected is not None
        return expected


class IsolationForest(Estimator):
    """Isolation forest: strange rows are separated from the others by few random cuts.

    Parameters
    ----------
    trees : int, optional
        How many trees.
    samples : int, optional
        How many rows a tree is grown from.
    random_state : int, optional
        Where the random numbers start.
    threads : int, optional
        How many threads fit, 0 for one a core. The forest does not depend on it.

    Examples
    --------
    >>> import numpy as np, neural_filter as nf
    >>> X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
    >>> forest = nf.IsolationForest(random_state=7).fit(X[:1000]).calibrate(X[1000:], 0.01)
    >>> forest.predict([[0, 0, 0], [9, 9, 9]]).tolist()
    [0, 1]
    """

    _kind = "isolation_forest"

    def __init__(
        self,
        *,
        trees: int | None = None,
        samples: int | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__({"trees": trees, "samples": samples, "seed": random_state}, threads)


class Autoencoder(Network):
    """Denoising autoencoder: rows that a narrow network cannot rebuild are strange.

    Parameters
    ----------
    hidden : list of int, optional
        Units of the layers between the columns and the latent.
    latent : int, optional
        Units of the latent.
    noise : float, optional
        Standard deviation of the noise on the inputs in training.
    scale : bool
        Whether columns are brought to one scale first, as the detector does; without, the rows should be standardised.
    epochs, batch, micro_batch, learning_rate, weight_decay, clip, warm_up, held_out, patience : optional
        How it is trained, see ``nf_core::model::TrainingParams``.
    random_state : int, optional
        Where the random numbers start.
    threads : int, optional
        How many threads train, 0 for one a core. The network does not depend on it.

    Examples
    --------
    >>> import numpy as np, neural_filter as nf
    >>> X = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
    >>> model = nf.Autoencoder(hidden=[8], latent=2, epochs=3).fit(X)
    >>> model.score(X).shape, [weights.shape for weights in model.get_weights()][:2]
    ((400,), [(6, 8), (1, 8)])
    """

    _kind = "autoencoder"

    def __init__(
        self,
        *,
        hidden: Sequence[int] | None = None,
        latent: int | None = None,
        noise: float | None = None,
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
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        params = {
            "hidden": None if hidden is None else list(hidden),
            "latent": latent,
            "noise": noise,
            "epochs": epochs,
            "batch": batch,
            "micro_batch": micro_batch,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "clip": clip,
            "warm_up": warm_up,
            "held_out": held_out,
            "patience": patience,
            "seed": random_state,
        }
        super().__init__(params, threads)
        self._scale = scale


class Transformer(Network):
    """Transformer over the packets of a session.

    Parameters
    ----------
    d_model, layers, heads, d_ff, dropout : optional
        Sizes of the network.
    attention : {"full", "linear"}, ("window", left, right), ("low_rank", rank), optional
        How packets see each other.
    max_steps : int, optional
        Most packets of a session.
    strangeness : {"density", "error"}, optional
        What is taken for strange: the distance of a session's latent, or the error of its reconstruction.
    epochs, batch, micro_batch, learning_rate, weight_decay, clip, warm_up, held_out, patience : optional
        How it is trained, see ``nf_core::model::TrainingParams``.
    random_state : int, optional
        Where the random numbers start.
    threads : int, optional
        How many threads train, 0 for one a core. The network does not depend on it.

    Examples
    --------
    >>> import neural_filter as nf
    >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst")[:200]
    >>> rows = nf.PacketFeatures(8).transform(sessions)
    >>> model = nf.Transformer(d_model=8, heads=2, layers=1, d_ff=8, epochs=1).fit(rows)
    >>> model.score(rows).dtype
    dtype('float32')
    """

    _kind = "transformer"

    def __init__(
        self,
        *,
        d_model: int | None = None,
        layers: int | None = None,
        heads: int | None = None,
        d_ff: int | None = None,
        dropout: float | None = None,
        attention: str | tuple[Any, ...] | None = None,
        max_steps: int | None = None,
        strangeness: str | None = None,
        epochs: int | None = None,
        batch: int | None = None,
        micro_batch: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        clip: float | None = None,
        warm_up: float | None = None,
        held_out: float | None = None,
        patience: int | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        params = {
            "d_model": d_model,
            "layers": layers,
            "heads": heads,
            "d_ff": d_ff,
            "dropout": dropout,
            "attention": _attention(attention),
            "max_steps": max_steps,
            "score": None if strangeness is None else strangeness.capitalize(),
            "epochs": epochs,
            "batch": batch,
            "micro_batch": micro_batch,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "clip": clip,
            "warm_up": warm_up,
            "held_out": held_out,
            "patience": patience,
            "seed": random_state,
        }
        super().__init__(params, threads)


def _attention(attention: str | tuple[Any, ...] | None) -> Any:
    """As the engine writes it."""
    match attention:
        case None:
            return None
        case "full" | "linear":
            return attention.capitalize()
        case ("window", int(left), int(right)):
            return {"Window": {"left": left, "right": right, "global": False}}
        case ("low_rank", int(rank)):
            return {"LowRank": {"rank": rank}}
    raise ValueError(
        f"attention is {attention!r}, it must be 'full', 'linear', ('window', left, right) or ('low_rank', rank)"
    )
