"""What a fitted detector says."""

from __future__ import annotations

from os import PathLike
from typing import Any

from . import _native
from ._errors import NotFittedError
from ._native import CalibrationReport, Card, Drift, Explanation, Incident, Session, SessionConfig, Sessions, Verdict, Verdicts


class Judging:
    """What a detector can be asked once it is fitted, however it came to be."""

    _fitted: _native.Detector | None

    @property
    def detector_(self) -> _native.Detector:
        """The fitted detector."""
        if self._fitted is None:
            raise NotFittedError("this Detector is not fitted, call fit or Detector.load first")
        return self._fitted

    @property
    def heads_(self) -> list[str]:
        """Names of the heads."""
        return self.detector_.heads

    @property
    def threshold_(self) -> float:
        """The cut of the score that decides."""
        return self.detector_.threshold

    @property
    def false_positive_rate_(self) -> float:
        """The budget: the share of benign sessions that may be called anomalies."""
        return self.detector_.false_positive_rate

    @property
    def session_config_(self) -> SessionConfig:
        """How the packets of the training were cut into sessions; captures are to be judged with the same."""
        return self.detector_.session_config

    def judge(self, sessions: Sessions) -> Verdicts:
        """Judge sessions of one capture, in packet-time order whatever theirs is, as a live engine would.

        What adds up over the sessions of a pair of hosts begins anew with each call: parts of a capture judged apart may get
        other scores than the whole. `Monitor.replay` goes through a whole capture in bounded memory.

        Parameters
        ----------
        sessions : Sessions
            Cut as those of the training: ``session_config_``. Timeouts may differ.

        Returns
        -------
        Verdicts
            One a session, in the order of ``sessions``.

        Raises
        ------
        ValueError
            Where the sessions were cut so that they mean something else, or without the context that a head reads.
        KeyboardInterrupt
            At Ctrl-C, within about 0.1 s.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> verdicts = detector.judge(benign)
        >>> len(verdicts) == len(benign), verdicts.score.dtype.name
        (True, 'float32')
        """
        return self.detector_.judge(sessions)

    def judge_alone(self, session: Session) -> Verdict:
        """Judge one session whatever else was judged.

        Returns
        -------
        Verdict
            As if it were the only session of its pair of hosts.

        Raises
        ------
        ValueError
            Where it was cut from packets otherwise than those of the training.
        DataError
            Where a head needs its context and it has none.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> detector.judge_alone(benign[0]).sessions
        1
        """
        return self.detector_.judge_alone(session)

    def explain(self, what: Session | Incident, verdict: Verdict | None = None) -> Explanation:
        """Say why a session got its verdict, or why an incident's strangest session alerted.

        Parameters
        ----------
        what : Session or Incident
            What to explain.
        verdict : Verdict, optional
            What the session got in ``judge``; judged by itself unless given. An incident brings its own.

        Raises
        ------
        ValueError
            Where the session was cut from packets otherwise than those of the training.
        DataError
            Where the verdict is that of another session, or of a detector of other heads.

        Examples
        --------
        >>> import neural_filter as nf
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
        >>> sessions = nf.read_sessions("examples/data/attacks.pcap.zst")
        >>> verdicts = detector.judge(sessions)
        >>> place = verdicts.score.argmax()
        >>> explanation = detector.explain(sessions[place], verdicts[place])
        >>> explanation.verdict.anomaly and len(explanation.facts) > 0
        True
        """
        if isinstance(what, Incident):
            if verdict is not None:
                raise TypeError("an incident is explained by its own verdict, give none")
            return self.detector_.explain_incident(what)
        return self.detector_.explain(what, verdict)

    def explain_all(self, verdicts: Verdicts, *, threads: int | None = None) -> list[Explanation | None]:
        """Say why the alerts among verdicts are alerts.

        Parameters
        ----------
        verdicts : Verdicts
            Of this detector's ``judge``, or some of them.
        threads : int, optional
            How many threads explain, 0 for one a core; one unless given.

        Returns
        -------
        list of Explanation or None
            One a verdict, ``None`` for those that are no alert.

        Raises
        ------
        DataError
            Where the verdicts are of a detector of other heads.
        KeyboardInterrupt
            At Ctrl-C, after some explanations more.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
        >>> explanations = detector.explain_all(verdicts[:9])
        >>> [explanation is not None for explanation in explanations] == verdicts.anomaly[:9].tolist()
        True
        """
        return self.detector_.explain_all(verdicts, threads)

    def page(self, verdicts: Verdicts, title: str) -> str:
        """Judged sessions as one HTML page for people: their incidents with their evidence, and all around them.

        The page needs no script, no network and no fonts from elsewhere.

        Parameters
        ----------
        verdicts : Verdicts
            Of this detector's ``judge``.
        title : str
            What stands above it, as text.

        Returns
        -------
        str
            HTML.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
        >>> detector.page(verdicts, "Wednesday")[:15]
        '<!doctype html>'
        """
        return self.detector_.page(verdicts, title)

    @property
    def recalibrations_(self) -> list[dict[str, Any]]:
        """The recalibrations behind it, the earliest first: what each was made from and why."""
        return self.detector_.recalibrations

    def drift(self, *, false_alarm_every: float | None = None) -> Drift:
        """A watch for drift, at its beginning: judged sessions go in with ``push``, alarms come out.

        Parameters
        ----------
        false_alarm_every : float, optional
            How seldom there may be a false alarm, in seconds of traffic.

        Returns
        -------
        Drift
            It has seen nothing yet.

        Raises
        ------
        DataError
            Where the detector was made from too little time to know how benign traffic varies.

        Examples
        --------
        >>> import neural_filter as nf
        >>> train, usual = (nf.read_sessions(f"examples/data/lab/{name}.pcap.zst") for name in ("train", "val"))
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(train, usual)
        >>> drift = detector.drift(false_alarm_every=7 * 86400)
        >>> drift.push(detector.judge(usual)), drift.is_stale
        ([], False)
        """
        return self.detector_.drift(false_alarm_every)

    def report(self) -> CalibrationReport:
        """What it promises at its budget, and how well the held-out sessions bear it out.

        Returns
        -------
        CalibrationReport
            ``print`` says it in words.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> print(str(detector.report()).splitlines()[0])
        promised: at most 1.000 % of benign sessions alert
        """
        return self.detector_.report()

    def card(self) -> Card:
        """What it was made from, what it promises, and what it is known not to see.

        Returns
        -------
        Card
            ``print`` says it in words, a notebook shows it as HTML.

        Examples
        --------
        >>> import neural_filter as nf
        >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
        >>> "What it promises" in str(detector.card())
        True
        """
        return self.detector_.card()

    def export_onnx(self, folder: str | PathLike[str]) -> None:
        """Write a folder for other runtimes: an ONNX file for each head's model, ``detector.json`` and ``detector.nf``.

        The first has what makes scores a verdict: columns, scalers, weights, calibrations and thresholds. The second has the same
        for programs in Rust, as a model file whose networks are graphs.

        Raises
        ------
        OSError
            Where the folder cannot be written.
        NotImplementedError
            Where a head's model has no form in ONNX.

        Examples
        --------
        >>> import os, tempfile, neural_filter as nf
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     detector.export_onnx(folder)
        ...     print(sorted(os.listdir(folder)))
        ['detector.json', 'detector.nf', 'head_0.onnx']
        """
        self.detector_.export_onnx(folder)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a model file, whole or not at all.

        Raises
        ------
        OSError
            Where it cannot be written.

        Examples
        --------
        >>> import os, tempfile, neural_filter as nf
        >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     detector.save(f"{folder}/office.nf")
        ...     print(os.listdir(folder))
        ['office.nf']
        """
        self.detector_.save(path)
