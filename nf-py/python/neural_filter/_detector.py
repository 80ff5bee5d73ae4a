"""The detector as an estimator."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from . import _native, _params
from ._judging import Judging
from ._native import Progress, Sessions
from ._progress import Callback, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._features import Features
    from ._estimator import Estimator

    from typing_extensions import Self


_PARAMETERS = (
    "heads",
    "false_positive_rate",
    "alerts_per_hour",
    "calibration_share",
    "contamination",
    "evidence",
    "without_columns",
    "random_state",
    "threads",
)


class Detector(Judging):
    """Judges sessions: learns from benign ones, and keeps a budget of false alarms.

    A parameter that is ``None`` has the engine's default. Pickling and ``save`` keep what was fitted, not the parameters.

    Parameters
    ----------
    heads : list of str, optional
        Names out of ``available_heads()``; ``default_heads()`` unless given.
    false_positive_rate : float, optional
        The share of benign sessions that may be called anomalies, above 0 and at most 0.5.
    alerts_per_hour : float, optional
        Instead of a share: how many false alerts an hour there may be.
    calibration_share : float, optional
        The share of the sessions, the latest, that the cut is chosen on.
    contamination : float, optional
        The share of attacks that the training sessions may hold, 0 to 0.25.
    evidence : bool, optional
        Whether what adds up over the sessions of a pair of hosts decides.
    without_columns : list of str, optional
        Columns that no head reads.
    random_state : int, optional
        Where random numbers start, 0 or more; the same start unless given.
    threads : int, optional
        How many threads fit, 0 for one a core. The detector does not depend on it.

    Raises
    ------
    ValueError
        Where both budgets are given. Other values are checked by ``fit``.

    Examples
    --------
    >>> import neural_filter as nf
    >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
    >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
    >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
    >>> bool(verdicts.anomaly.any()), detector.heads_
    (True, ['forest'])
    """

    def __init__(
        self,
        *,
        heads: Sequence[str] | None = None,
        false_positive_rate: float | None = None,
        alerts_per_hour: float | None = None,
        calibration_share: float | None = None,
        contamination: float | None = None,
        evidence: bool | None = None,
        without_columns: Sequence[str] | None = None,
        random_state: int | None = None,
        threads: int | None = None,
    ) -> None:
        if false_positive_rate is not None and alerts_per_hour is not None:
            raise ValueError("give false_positive_rate or alerts_per_hour, not both")
        self.heads = heads
        self.false_positive_rate = false_positive_rate
        self.alerts_per_hour = alerts_per_hour
        self.calibration_share = calibration_share
        self.contamination = contamination
        self.evidence = evidence
        self.without_columns = without_columns
        self.random_state = random_state
        self.threads = threads
        self.history_: list[Progress] = []
        self._fitted: _native.Detector | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters as the constructor took them.

        Returns
        -------
        dict
            By name; ``None`` for the engine's default.

        Examples
        --------
        >>> import neural_filter as nf
        >>> nf.Detector(random_state=7).get_params()["random_state"]
        7
        """
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **params: Any) -> Self:
        """Change parameters for the next ``fit``, by name; ``None`` is the engine's default again.

        Returns
        -------
        Detector
            Itself.

        Raises
        ------
        ValueError
            Where there is no such parameter, or both budgets would be given.

        Examples
        --------
        >>> import neural_filter as nf
        >>> nf.Detector(random_state=7).set_params(random_state=None, threads=1)
        Detector(threads=1)
        """
        for name in params:
            if name not in _PARAMETERS:
                raise ValueError(f"there is no parameter {name}, there are: {', '.join(_PARAMETERS)}")
        vars(self).update(Detector(**{**self.get_params(), **params}).get_params())
        return self

    def fit(
        self,
        sessions: Sessions,
        held_out: Sessions | None = None,
        *,
        progress: bool | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Learn from benign sessions: on the past, and choose the cut on the rest.

        Parameters
        ----------
        sessions : Sessions
            Benign traffic.
        held_out : Sessions, optional
            Other benign traffic to choose the cut on; the latest part of ``sessions`` unless given.
        progress : bool, optional
            Whether a bar is shown; where a terminal or a notebook is attached unless given.
        callback : callable, optional
            Called with a `Progress` once an epoch; what it raises ends the fit.

        Returns
        -------
        Detector
            Itself.

        Raises
        ------
        ValueError
            Where a parameter is out of its range, or ``held_out`` was cut into sessions in another way.
        DataError
            Where there are too few sessions to learn from or to promise the budget; the message says how many more.
        KeyboardInterrupt
            At Ctrl-C, within 0.1 s and one step. The object is then as before.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> half = len(benign) // 2
        >>> nf.Detector(heads=["forest"], random_state=7).fit(benign[:half], benign[half:])
        Detector(forest, false_positive_rate=0.01)
        """
        with Watch(progress, callback) as watch:
            fitted = _native.Detector.fit(
                sessions,
                held_out,
                heads=_params.texts("heads", self.heads),
                false_positive_rate=self.false_positive_rate,
                alerts_per_hour=self.alerts_per_hour,
                calibration_share=self.calibration_share,
                contamination=self.contamination,
                evidence=self.evidence,
                without_columns=_params.texts("without_columns", self.without_columns),
                random_state=self.random_state,
                threads=self.threads,
                report=watch,
            )
        self._fitted, self.history_ = fitted, watch.history
        return self

    def with_false_positive_rate(self, rate: float) -> Detector:
        """The same detector with another budget; ``rate`` is a share of benign sessions, above 0 and at most 0.5.

        Raises
        ------
        ValueError
            Where the rate is out of its range.
        DataError
            Where there were too few held-out sessions to promise it.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> detector.with_false_positive_rate(0.05)
        Detector(forest, false_positive_rate=0.05)
        """
        return self._around(self.detector_.with_false_positive_rate(rate))

    def with_source(self, name: str, sessions: Sessions) -> Detector:
        """The same detector with a capture that it was made from named on its card, with what was counted in reading it.

        Parameters
        ----------
        name : str
            What the card calls it.
        sessions : Sessions
            What was read of it; of a part, the card has the counts of that part.

        Returns
        -------
        Detector
            Another; this one is as before.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> "monday.pcap" in str(detector.with_source("monday.pcap", benign).card())
        True
        """
        return self._around(self.detector_.with_source(name, sessions))

    def recalibrate(
        self,
        recent: Sessions,
        *,
        false_positive_rate: float | None = None,
        reason: str | None = None,
        threads: int | None = None,
    ) -> Detector:
        """The same heads calibrated on recent traffic, without training; an attack in it does not become normal.

        Parameters
        ----------
        recent : Sessions
            Some minutes of traffic, at least 500 sessions. What looks like an attack in it is left out.
        false_positive_rate : float, optional
            The new budget; the same unless given.
        reason : str, optional
            Why, to be kept with the detector: the words of an alarm.
        threads : int, optional
            How many threads judge the sessions, 0 for one a core.

        Returns
        -------
        Detector
            Another; this one is as before.

        Raises
        ------
        DataError
            Where there are too few sessions, or these are too strange to be the same network's benign traffic.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> newer = detector.recalibrate(benign[2000:], reason="a new service")
        >>> newer.recalibrations_[0]["reason"]
        'a new service'
        """
        recalibrated = self.detector_.recalibrate(
            recent, false_positive_rate=false_positive_rate, reason=reason, threads=threads
        )
        return self._around(recalibrated)

    def before_recalibration(self) -> Detector | None:
        """The detector with the calibration it was made with.

        Returns
        -------
        Detector or None
            ``None`` where it still has that calibration.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> newer = detector.recalibrate(benign[2000:])
        >>> newer.before_recalibration().threshold_ == detector.threshold_, detector.before_recalibration()
        (True, None)
        """
        before = self.detector_.before_recalibration()
        return None if before is None else self._around(before)

    @classmethod
    def of_heads(
        cls,
        heads: Mapping[str, tuple[Features, Estimator]],
        held_out: Sessions,
        *,
        weights: Mapping[str, float] | None = None,
        false_positive_rate: float | None = None,
        alerts_per_hour: float | None = None,
        evidence: bool | None = None,
        threads: int | None = None,
    ) -> Detector:
        """Make a detector of models of one's own, calibrated on benign sessions that they were not fitted on.

        Parameters
        ----------
        heads : dict of str to (Features, model)
            The columns that each model was fitted on, and the fitted model.
        held_out : Sessions
            Benign traffic to choose the cut on.
        weights : dict of str to float, optional
            What heads count in the combined score; 1 for those that are not named.
        false_positive_rate, alerts_per_hour, evidence, threads
            As in the constructor.

        Raises
        ------
        SchemaError
            Where a model was fitted on other columns.
        DataError
            Where there are too few sessions to promise the budget.

        Examples
        --------
        >>> import neural_filter as nf
        >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> flow = nf.FlowFeatures()
        >>> forest = nf.IsolationForest(random_state=7).fit(flow.transform(sessions[:3000]))
        >>> nf.Detector.of_heads({"flow": (flow, forest)}, sessions[3000:], false_positive_rate=0.02)
        Detector(flow, false_positive_rate=0.02)
        """
        weights = {} if weights is None else weights
        unknown = [name for name in weights if name not in heads]
        if unknown:
            raise ValueError(f"weights names {unknown[0]!r}, which is none of the heads: {', '.join(heads)}")
        fitted = _native.Detector.from_heads(
            [(name, features.spec, model.model_, weights.get(name)) for name, (features, model) in heads.items()],
            held_out,
            false_positive_rate=false_positive_rate,
            alerts_per_hour=alerts_per_hour,
            evidence=evidence,
            threads=threads,
        )
        return cls._around(fitted)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Detector:
        """Read a detector from a model file.

        It has what was fitted: heads, calibration, budget, card. The parameters are those of ``Detector()``, as the file does not
        hold them: ``fit`` would learn with the engine's defaults.

        Returns
        -------
        Detector
            Fitted.

        Raises
        ------
        OSError
            Where the file cannot be read.
        ModelFileError
            Where it is none, of a newer version, or corrupt.
        SchemaError
            Where this version takes other columns from sessions than the detector was fitted on.

        Examples
        --------
        >>> import tempfile, neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     nf.Detector(heads=["forest"], random_state=7).fit(benign).save(f"{folder}/office.nf")
        ...     print(nf.Detector.load(f"{folder}/office.nf"))
        Detector(forest, false_positive_rate=0.01)
        """
        return cls._around(_native.Detector.load(path))

    @classmethod
    def _around(cls, fitted: _native.Detector) -> Detector:
        detector = cls()
        detector._fitted = fitted
        return detector

    def __repr__(self) -> str:
        if self._fitted is not None:
            return repr(self._fitted)
        given: dict[str, Any] = {k: v for k, v in vars(self).items() if v is not None and k[0] != "_" and k[-1] != "_"}
        return f"Detector({', '.join(f'{name}={value!r}' for name, value in given.items())})"
