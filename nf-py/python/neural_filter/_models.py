"""Estimators around the engine's models."""

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
    from os import PathLike

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
        """
        return {**self._defaults(), **self._own}

    def set_params(self, **params: Any) -> Self:
        """Change parameters for the next ``fit``, by name; ``None`` is the engine's default again.

        Raises
        ------
        ValueError
            Where there is no such parameter.
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
        """Say which rows are anomalies.

        Returns
        -------
        array of int64, shape (rows,)
            1 where the score is above ``threshold_``, else 0.

        Raises
        ------
        NotFittedError
            Before ``calibrate``.
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
        """
        return self.calibration_.p_values(self.score(X, lengths=lengths))

    def to_onnx(self) -> bytes:
        """The fitted model as an ONNX file, for other runtimes.

        Its input ``rows`` are rows as the model reads them: those that `scaled` gives, float32, shape (rows, columns), or
        (rows, steps, columns) with ``lengths``, int64, shape (rows,). Its output ``score`` is that of ``score``, to rounding.

        Raises
        ------
        NotImplementedError
            Where the model has no form in ONNX.
        """
        return self.model_.to_onnx()

    def scaled(self, X: Any, *, lengths: Any = None) -> Rows:
        """Bring rows to the scale that the model reads.

        Returns
        -------
        Rows
            Themselves where it was fitted without one.
        """
        return self.model_.scaled(as_rows(X, self.model_, lengths))

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
    extension : int, optional
        How many columns more than one a cut looks at: above 0 cuts are oblique (Hariri et al., 2021), which takes that many
        times as long to judge.
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
        extension: int | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        params = {"trees": trees, "samples": samples, "extension": extension}
        super().__init__({**params, "random_state": random_state, "threads": threads})


class Rarity(Estimator):
    """How seldom the values of a row were seen: for columns that name, as those of `ServiceFeatures`, not for measures.

    Examples
    --------
    >>> import neural_filter as nf
    >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst")
    >>> rows = nf.ServiceFeatures().transform(sessions)
    >>> scores = nf.Rarity().fit(rows).score(rows)
    >>> print(sessions[scores.argmax()].protocol)
    tcp
    """

    _kind = "rarity"

    def __init__(self) -> None:
        super().__init__({})


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
    variational : float, optional
        What the latents' divergence from a standard normal counts in training; above 0 the autoencoder is variational.
    strangeness : {"error", "density"}, optional
        What is taken for strange: the error of a row's reconstruction, or the distance of its latent from those of the
        training.
    scale : bool
        Whether columns are brought to one scale first, as the detector does; without, the rows should be standardised.
    epochs : int, optional
        How often each row is seen.
    batch : int, optional
        About how many steps (of flat rows: rows) an update is computed from.
    micro_batch : int, optional
        Steps whose gradient is computed at once: a bound on memory.
    learning_rate : float, optional
        The largest step of the optimiser (AdamW), reached after the warm-up.
    weight_decay : float, optional
        Share of a matrix that decays each update, times the learning rate.
    clip : float, optional
        Gradients are scaled down to this norm.
    warm_up : float, optional
        Share of all updates over which the learning rate rises, 0 to 1.
    held_out : float, optional
        Share of the rows, the latest, that tell when to stop, 0 to 0.5.
    patience : int, optional
        Epochs without a better held-out loss until training stops.
    checkpoint : path, optional
        File in which training keeps its state: a fit with the same parameters and rows goes on from there after it was stopped,
        and gives what one that was never stopped gives, bit for bit. A fit that ends removes it.
    checkpoint_every : int, optional
        Updates from one write of the checkpoint to the next.
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
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        params = {
            "hidden": hidden,
            "latent": latent,
            "noise": noise,
            "variational": variational,
            "strangeness": strangeness,
            "scale": scale,
            "epochs": epochs,
            "batch": batch,
            "micro_batch": micro_batch,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "clip": clip,
            "warm_up": warm_up,
            "held_out": held_out,
            "patience": patience,
            "checkpoint": checkpoint,
            "checkpoint_every": checkpoint_every,
            "random_state": random_state,
            "threads": threads,
        }
        super().__init__(params)


class Transformer(Network):
    """Transformer over the packets of a session.

    Parameters
    ----------
    d_model, layers, heads, d_ff, dropout : optional
        Sizes of the network.
    attention : {"full", "linear"}, ("window", left, right), ("window", left, right, global), ("low_rank", rank), optional
        How packets see each other: all, or those so many packets back and ahead (with ``global`` all see the first), or in
        linear time. ``nf_core::model::Attention`` has what each costs.
    objective : {"reconstruct", "next_packet"}, ("masked", ratio), optional
        What is learned of each packet: itself, itself from those before it, or itself from the others where that share of
        them is hidden.
    max_steps : int, optional
        Most packets of a session.
    strangeness : {"density", "error"}, optional
        What is taken for strange: the distance of a session's latents from those of the training, or the error of what the
        objective expects.
    epochs : int, optional
        How often each row is seen.
    batch : int, optional
        About how many steps (of flat rows: rows) an update is computed from.
    micro_batch : int, optional
        Steps whose gradient is computed at once: a bound on memory.
    learning_rate : float, optional
        The largest step of the optimiser (AdamW), reached after the warm-up.
    weight_decay : float, optional
        Share of a matrix that decays each update, times the learning rate.
    clip : float, optional
        Gradients are scaled down to this norm.
    warm_up : float, optional
        Share of all updates over which the learning rate rises, 0 to 1.
    held_out : float, optional
        Share of the rows, the latest, that tell when to stop, 0 to 0.5.
    patience : int, optional
        Epochs without a better held-out loss until training stops.
    checkpoint : path, optional
        File in which training keeps its state: a fit with the same parameters and rows goes on from there after it was stopped,
        and gives what one that was never stopped gives, bit for bit. A fit that ends removes it.
    checkpoint_every : int, optional
        Updates from one write of the checkpoint to the next.
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
        objective: str | tuple[str, float] | None = None,
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
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        params = {
            "d_model": d_model,
            "layers": layers,
            "heads": heads,
            "d_ff": d_ff,
            "dropout": dropout,
            "attention": attention,
            "objective": objective,
            "max_steps": max_steps,
            "strangeness": strangeness,
            "epochs": epochs,
            "batch": batch,
            "micro_batch": micro_batch,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "clip": clip,
            "warm_up": warm_up,
            "held_out": held_out,
            "patience": patience,
            "checkpoint": checkpoint,
            "checkpoint_every": checkpoint_every,
            "random_state": random_state,
            "threads": threads,
        }
        super().__init__(params)
