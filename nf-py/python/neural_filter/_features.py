"""Sessions to rows of columns, as transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._native import FeatureSpec, Rows, Sessions


class Features:
    """Which columns to take from sessions.

    Nothing is learned from the sessions: ``fit`` is there for pipelines.
    """

    spec: FeatureSpec

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec

    def fit(self, sessions: Sessions | None = None, y: object = None) -> Features:
        """Do nothing."""
        return self

    def transform(self, sessions: Sessions) -> Rows:
        """Take the rows of some sessions, one each, in their order.

        Returns
        -------
        Rows
            ``numpy.asarray(rows)`` looks into them without a copy: float32, shape (sessions, packets, columns) or
            (sessions, columns); ``rows.lengths`` has the number of real packets of each.

        Raises
        ------
        DataError
            Where columns of context are wanted and a session has none.
        """
        return self.spec.extract(sessions)

    def fit_transform(self, sessions: Sessions, y: object = None) -> Rows:
        """Take the rows of some sessions."""
        return self.transform(sessions)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Names of the columns, shape (columns,)."""
        return np.asarray(self.spec.columns, dtype=object)

    def __add__(self, other: Features) -> Features:
        """The columns of two flat specs side by side."""
        return Features(self.spec.beside(other.spec))

    def select(self, columns: list[str]) -> Features:
        """Only the named columns of a flat spec."""
        return Features(self.spec.select(columns))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Features) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(tuple(self.spec.columns))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.spec.columns)} columns)"


class PacketFeatures(Features):
    """The first packets of each session, 8 columns a packet.

    Parameters
    ----------
    n : int
        How many packets, 1 to 65536.
    kind : {"behaviour", "addresses"}
        What packets do, or who sent them: the latter are shortcuts that mean nothing on another network.

    Examples
    --------
    >>> import numpy as np, neural_filter as nf
    >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst")
    >>> rows = nf.PacketFeatures(16).transform(sessions)
    >>> np.asarray(rows).shape == (len(sessions), 16, 8), rows.lengths.max()
    (True, np.uint32(16))
    """

    def __init__(self, n: int, kind: str = "behaviour") -> None:
        if kind not in ("behaviour", "addresses"):
            raise ValueError(f"kind is {kind!r}, it must be 'behaviour' or 'addresses'")
        super().__init__(FeatureSpec.packets(n) if kind == "behaviour" else FeatureSpec.addresses(n))
        self.n, self.kind = n, kind

    def __repr__(self) -> str:
        return f"PacketFeatures({self.n}, kind={self.kind!r})"


class FlowFeatures(Features):
    """Statistics over all packets of a session.

    Examples
    --------
    >>> import neural_filter as nf
    >>> nf.FlowFeatures().get_feature_names_out()[:2].tolist()
    ['duration', 'orig_packets']
    """

    def __init__(self) -> None:
        super().__init__(FeatureSpec.flow())


class ContextFeatures(Features):
    """What the session's hosts did around it, and its DNS question.

    Examples
    --------
    >>> import neural_filter as nf
    >>> "service_gap" in nf.ContextFeatures().get_feature_names_out()
    True
    """

    def __init__(self) -> None:
        super().__init__(FeatureSpec.context())


class ServiceFeatures(Features):
    """Which service a session used, as numbers that name and measure nothing: for `Rarity`.

    Examples
    --------
    >>> import neural_filter as nf
    >>> nf.ServiceFeatures().get_feature_names_out().tolist()
    ['service', 'pair_service']
    """

    def __init__(self) -> None:
        super().__init__(FeatureSpec.services())


def as_rows(X: Any, like: Any = None, lengths: Any = None) -> Rows:
    """Rows of anything that is like an array; those of features as they are."""
    if isinstance(X, Rows):
        return X
    lengths = None if lengths is None else np.asarray(lengths, dtype=np.uint32).tolist()
    return Rows.from_array(X, lengths, like)
