"""Pictures with matplotlib (``pip install neural-filter[plot]``). Each function draws into ``ax``, a new one unless given, and
gives it back.

Colours tell normal from strange also for readers who do not tell red from green.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import numpy.typing as npt

from ._native import Explanation, Progress, Session, Sessions, Table, Verdicts

__all__ = [
    "anomaly_timeline",
    "budget_reliability",
    "dashboard",
    "packet_sizes",
    "packet_strip",
    "protocols",
    "score_distribution",
    "session_durations",
    "training_curves",
]

_USUAL, _STRANGE, _LINE = "#0b6e99", "#c8501e", "#1d2329"


def _axes(ax: Any, height: float = 4) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(7, height), layout="constrained")[1]


def _named(ax: Any, title: str, x: str, y: str, loc: str = "center") -> Any:
    ax.set_title(title, loc=loc)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _legend_above(ax: Any) -> None:
    """Where it hides nothing: at the right of a title that stands left."""
    ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, markerscale=2, borderaxespad=0.2)


def packet_sizes(of: Table | Sessions, ax: Any = None) -> Any:
    """Sizes on the wire: of the packets that ``read_packets`` gave, or of sessions the mean over the packets of each.

    Parameters
    ----------
    of : Table or Sessions
        Packets as ``read_packets`` gives them, or sessions.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new one unless given.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn into.

    Examples
    --------
    >>> import neural_filter as nf, neural_filter.plot
    >>> nf.plot.packet_sizes(nf.read_packets("examples/data/benign.pcap.zst")).get_xlabel()
    'size on the wire (bytes)'
    """
    ax = _axes(ax)
    if isinstance(of, Table):
        sizes, title, counted = [row["wire_len"] for row in of], "Packet sizes", "packets"
    else:
        sizes = [session.bytes / session.packets for session in of if session.packets]
        title, counted = "Mean packet size of a session", "sessions"
    if sizes:
        ax.hist(sizes, bins=60, color=_USUAL)
        ax.set_yscale("log")
    return _named(ax, title, "size on the wire (bytes)", counted)


def protocols(sessions: Sessions, ax: Any = None) -> Any:
    """How many sessions each protocol has.

    Parameters
    ----------
    sessions : Sessions
        Those to count.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new one unless given.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn into.

    Examples
    --------
    >>> import neural_filter as nf, neural_filter.plot
    >>> nf.plot.protocols(nf.read_sessions("examples/data/benign.pcap.zst")).get_xlabel()
    'sessions'
    """
    ax = _axes(ax)
    counts = Counter(session.protocol for session in sessions).most_common()
    bars = ax.barh([name for name, _ in counts], [count for _, count in counts], color=_USUAL)
    ax.bar_label(bars, padding=3)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    return _named(ax, "Protocols", "sessions", "protocol")


def session_durations(sessions: Sessions, ax: Any = None) -> Any:
    """How long sessions last, those of a single moment at the left.

    Parameters
    ----------
    sessions : Sessions
        Those to count; durations in seconds.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new one unless given.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn into.

    Examples
    --------
    >>> import neural_filter as nf, neural_filter.plot
    >>> nf.plot.session_durations(nf.read_sessions("examples/data/benign.pcap.zst")).get_xlabel()
    'duration (s)'
    """
    ax = _axes(ax)
    durations = np.maximum([session.duration for session in sessions], 1e-4)
    if len(durations):
        ax.hist(durations, bins=np.geomspace(1e-4, max(durations.max(), 1.0), 50), color=_USUAL)
    ax.set_xscale("log")
    return _named(ax, "Session durations", "duration (s)", "sessions")


def anomaly_timeline(verdicts: Verdicts, ax: Any = None) -> Any:
    """How strange sessions are over time, against the cut.

    Parameters
    ----------
    verdicts : Verdicts
        As ``judge`` gives them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new one unless given.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn into.

    Examples
    --------
    >>> import neural_filter as nf, neural_filter.plot
    >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
    >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
    >>> nf.plot.anomaly_timeline(verdicts).get_ylabel()
    'score'
    """
    ax = _axes(ax)
    start = np.array([session.start for session in verdicts.sessions])
    seconds = start - start.min() if len(start) else start
    since = f" after {datetime.fromtimestamp(start.min(), timezone.utc):%Y-%m-%d %H:%M:%S} UTC" if len(start) else ""
    anomaly = verdicts.anomaly
    for chosen, colour, name in [(~anomaly, _USUAL, "normal"), (anomaly, _STRANGE, "anomaly")]:
        ax.scatter(seconds[chosen], verdicts.score[chosen], s=5, color=colour, label=name, alpha=0.6, linewidths=0)
    if len(verdicts):
        ax.axhline(float(np.median(verdicts.threshold)), color=_LINE, linestyle="--", linewidth=1, label="cut")
    _legend_above(ax)
    return _named(ax, "Anomalies over time", f"start of the session (s{since})", "score", loc="left")


def dashboard(verdicts: Verdicts, packets: Table | None = None) -> Any:
    """Packet sizes, protocols, anomalies over time and durations side by side; gives the figure.

    The sizes are those of ``packets``, which ``read_packets`` gave, or without them each session's mean.

    Parameters
    ----------
    verdicts : Verdicts
        As ``judge`` gives them, with their sessions.
    packets : Table, optional
        Those of ``read_packets``.

    Returns
    -------
    matplotlib.figure.Figure
        Of four axes.

    Examples
    --------
    >>> import neural_filter as nf, neural_filter.plot
    >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
    >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
    >>> len(nf.plot.dashboard(verdicts).axes)
    4
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(12, 7.5), layout="constrained")
    sessions = verdicts.sessions
    packet_sizes(sessions if packets is None else packets, axes[0, 0])
    protocols(sessions, axes[0, 1])
    anomaly_timeline(verdicts, axes[1, 0])
    session_durations(sessions, axes[1, 1])
    return figure


def score_distribution(
    scores: npt.ArrayLike,
    threshold: float,
    others: npt.ArrayLike | None = None,
    ax: Any = None,
    names: tuple[str, str] = ("benign", "others"),
) -> Any:
    """Scores of benign rows against the cut, and those of others where they are given; ``names`` are for the legend.

    Parameters
    ----------
    scores : array, shape (rows,)
        Of benign rows.
    threshold : float
        The cut.
    others : array, shape (rows,), optional
        Scores of other rows.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new one unless given.
    names : (str, str)
        What the legend calls the two.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn into.

    Examples
    --------
    >>> import neural_filter as nf, neural_filter.plot
    >>> nf.plot.score_distribution([0.1, 0.2, 0.3], 0.25, [0.4, 0.5]).get_xlabel()
    'score (higher = stranger)'
    """
    ax = _axes(ax)
    scores = np.asarray(scores, dtype=float)
    more = np.zeros(0) if others is None else np.asarray(others, dtype=float)
    bins = np.histogram_bin_edges(np.concatenate([scores, more]), bins=60)
    if len(scores):
        ax.hist(scores, bins=bins, color=_USUAL, label=names[0])
    if len(more):
        ax.hist(more, bins=bins, color=_STRANGE, histtype="step", linewidth=1.5, label=names[1])
    ax.axvline(threshold, color=_LINE, linestyle="--", linewidth=1, label=f"cut {threshold:.3g}")
    ax.set_yscale("log")
    _legend_above(ax)
    return _named(ax, "Scores", "score (higher = stranger)", "rows", loc="left")


def budget_reliability(p_values: npt.ArrayLike, ax: Any = None) -> Any:
    """Which share of benign rows is flagged at each budget: on the diagonal the promise is kept, above the grey it is broken.

    What lies in the grey, that many rows give by chance (95 %) where the promise is kept.

    Parameters
    ----------
    p_values : array, shape (rows,)
        Of benign rows that took no part in fitting: 0 to 1.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new one unless given.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn into.

    Examples
    --------
    >>> import neural_filter as nf, neural_filter.plot
    >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
    >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
    >>> nf.plot.budget_reliability(verdicts.p_value).get_ylabel()
    'share flagged'
    """
    ax = _axes(ax)
    found = np.sort(np.asarray(p_values, dtype=float))
    budgets = np.geomspace(max(1 / max(len(found), 1), 1e-5), 0.5, 60)
    share = np.searchsorted(found, budgets, side="right") / max(len(found), 1)
    chance = 1.96 * np.sqrt(budgets * (1 - budgets) / max(len(found), 1))
    least = 0.5 / max(len(found), 1)
    ax.fill_between(budgets, np.maximum(budgets - chance, least), budgets + chance, color=_LINE, alpha=0.12, linewidth=0, label="by chance")
    ax.plot(budgets, budgets, color=_LINE, linestyle="--", linewidth=1, label="promised")
    ax.plot(budgets, share, color=_USUAL, label=f"found among {len(found)} rows")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.legend(frameon=False)
    return _named(ax, "Reliability of the budget", "budget (share of benign rows)", "share flagged")


def packet_strip(session: Session, explanation: Explanation, ax: Any = None) -> Any:
    """The packets of one session, each as hot as its part in the score.

    Where an alert is carried by several sessions, that may be another one than ``session``: the title names it. There are as many
    packets as the heads read of it, which may be fewer than it has.

    Parameters
    ----------
    session : Session
        That which was explained.
    explanation : Explanation
        As ``Detector.explain`` gives it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new one unless given.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn into.

    Examples
    --------
    >>> import neural_filter as nf, neural_filter.plot
    >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst")
    >>> packets = nf.PacketFeatures(8)
    >>> model = nf.Transformer(d_model=8, heads=2, layers=1, d_ff=8, epochs=1).fit(packets.transform(sessions[:500]))
    >>> detector = nf.Detector.of_heads({"packets": (packets, model)}, sessions[500:], false_positive_rate=0.02)
    >>> nf.plot.packet_strip(sessions[7], detector.explain(sessions[7])).get_xlabel()
    'packet'
    """
    ax = _axes(ax, height=2)
    parts = explanation.packets * 100
    ax.set_yticks([])
    if parts.any():
        # Numbered as the facts of the explanation number them in words.
        extent = (0.5, len(parts) + 0.5, 0, 1)
        image = ax.imshow(parts[np.newaxis], aspect="auto", cmap="Oranges", vmin=0, vmax=parts.max(), extent=extent)
        ax.figure.colorbar(image, ax=ax, label="part of\nthe score (%)", pad=0.02)
        ax.xaxis.get_major_locator().set_params(integer=True)
    else:
        ax.set_xticks([])
        ax.text(0.5, 0.5, "no head of the detector reads packets", ha="center", va="center", transform=ax.transAxes)
    shown = explanation.carriers[explanation.shown]["session"] if explanation.shown < len(explanation.carriers) else str(session)
    return _named(ax, shown, "packet", "session")


def training_curves(history: Sequence[Progress], ax: Any = None) -> Any:
    """Loss of training and of held-out rows by epoch; ``history`` is that of a fitted model or detector.

    Parameters
    ----------
    history : list of Progress
        One an epoch and head.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new one unless given.

    Returns
    -------
    matplotlib.axes.Axes
        That which was drawn into.

    Examples
    --------
    >>> import neural_filter as nf, neural_filter.plot
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
    >>> nf.plot.training_curves(nf.Autoencoder(hidden=[8], latent=2, epochs=2).fit(X).history_).get_xlabel()
    'epoch'
    """
    ax = _axes(ax)
    heads = list(dict.fromkeys(progress.head for progress in history))
    for place, head in enumerate(heads):
        epochs = [progress for progress in history if progress.head == head]
        x = [progress.epoch for progress in epochs]
        colour = f"C{place}"
        ax.plot(x, [p.loss if p.loss is not None else np.nan for p in epochs], color=colour, label=f"{head}, training")
        held_out = [p.held_out_loss if p.held_out_loss is not None else np.nan for p in epochs]
        ax.plot(x, held_out, color=colour, linestyle="--", label=f"{head}, held out")
    ax.xaxis.get_major_locator().set_params(integer=True)
    if heads:
        from matplotlib.ticker import LogLocator

        # Losses often stay within one power of ten: numbers stand between these too.
        ax.set_yscale("log")
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5, 7)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("{x:g}")
        ax.legend(frameon=False)
    return _named(ax, "Training", "epoch", "loss (mean squared error)")
