"""Sessions to rows of columns, as transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _native
from ._errors import SchemaError
from ._native import FeatureSpec, Rows, Session, Sessions

if TYPE_CHECKING:
    from typing_extensions import Self


class Features:
    """Which columns to take from sessions.

    Nothing is learned from the sessions: ``fit`` is there for scikit-learn's pipelines, as are ``get_params`` and
    ``set_params``. Pickled as what it was made of.

    Parameters
    ----------
    spec : FeatureSpec
        That of other features. The classes of this package make their own.

    Examples
    --------
    >>> import neural_filter as nf
    >>> both = nf.FlowFeatures() + nf.ContextFeatures()
    >>> len(both.get_feature_names_out()) == len(nf.Features(both.spec).get_feature_names_out())
    True
    """

    spec: FeatureSpec
    _parameters: tuple[str, ...] = ("spec",)

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters as the constructor takes them.

        Returns
        -------
        dict
            By name.

        Examples
        --------
        >>> import neural_filter as nf
        >>> nf.PacketFeatures(16).get_params()
        {'n': 16, 'kind': 'behaviour'}
        """
        return {name: getattr(self, name) for name in self._parameters}

    def set_params(self, **params: Any) -> Self:
        """Change parameters, by name.

        Returns
        -------
        Features
            Itself.

        Raises
        ------
        ValueError
            Where there is no such parameter, or a value is out of its range.

        Examples
        --------
        >>> import neural_filter as nf
        >>> nf.PacketFeatures(16).set_params(n=5)
        PacketFeatures(5, kind='behaviour')
        """
        for name in params:
            if name not in self._parameters:
                raise ValueError(f"there is no parameter {name}, there are: {', '.join(self._parameters) or 'none'}")
        vars(self).update(vars(type(self)(**{**self.get_params(), **params})))
        return self

    def fit(self, sessions: Sessions | Sequence[Session] | None = None, y: object = None) -> Self:
        """Do nothing.

        Returns
        -------
        Features
            Itself.

        Examples
        --------
        >>> import neural_filter as nf
        >>> nf.PacketFeatures(16).fit()
        PacketFeatures(16, kind='behaviour')
        """
        return self

    def transform(self, sessions: Sessions | Sequence[Session]) -> Rows:
        """Take the rows of some sessions, one each, in their order.

        Parameters
        ----------
        sessions : Sessions, or list of Session
            The former unless scikit-learn chose single ones.

        Returns
        -------
        Rows
            ``numpy.asarray(rows)`` looks into them without a copy: float32, shape (sessions, packets, columns) or
            (sessions, columns); ``rows.lengths`` has the number of real packets of each.

        Raises
        ------
        DataError
            Where columns of context are wanted and a session has none.

        Examples
        --------
        >>> import neural_filter as nf
        >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> nf.PacketFeatures(16).transform(sessions[:9]).shape
        (9, 16, 8)
        """
        return self.spec.extract(sessions)

    def fit_transform(self, sessions: Sessions | Sequence[Session], y: object = None) -> Rows:
        """Take the rows of some sessions.

        Returns
        -------
        Rows
            As `transform` gives them.

        Examples
        --------
        >>> import neural_filter as nf
        >>> sessions = nf.read_sessions("examples/data/benign.pcap.zst")
        >>> nf.PacketFeatures(16).fit_transform(sessions[:9]).shape
        (9, 16, 8)
        """
        return self.transform(sessions)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Names of the columns.

        Returns
        -------
        array of object, shape (columns,)
            Texts.

        Examples
        --------
        >>> import neural_filter as nf
        >>> nf.FlowFeatures().get_feature_names_out()[0]
        'duration'
        """
        return np.asarray(self.spec.columns, dtype=object)

    def __add__(self, other: Features) -> Features:
        """The columns of two flat specs side by side."""
        return Features(self.spec.beside(other.spec))

    def select(self, columns: list[str]) -> Features:
        """Only the named columns of a flat spec, in the order of the spec.

        Returns
        -------
        Features
            Others; these are as before.

        Raises
        ------
        ValueError
            Where the spec has no such column, or is one of packets.

        Examples
        --------
        >>> import neural_filter as nf
        >>> nf.FlowFeatures().select(["orig_packets", "duration"]).get_feature_names_out().tolist()
        ['duration', 'orig_packets']
        """
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
    >>> np.asarray(rows).shape == (len(sessions), 16, 8), int(rows.lengths.max())
    (True, 16)
    """

    _parameters = ("n", "kind")

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

    _parameters = ()

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

    _parameters = ()

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

    _parameters = ()

    def __init__(self) -> None:
        super().__init__(FeatureSpec.services())


def as_rows(X: Any, like: Any = None, lengths: Any = None) -> Rows:
    """Rows of anything that is like an array; those of features as they are."""
    if isinstance(X, Rows):
        if lengths is not None:
            raise TypeError("rows bring their own lengths, give none")
        return X
    names = _names(X)
    if hasattr(X, "__arrow_c_stream__") and not hasattr(X, "__array__"):
        names, X = _native.arrow_numbers(X)
    if like is None:
        return Rows.from_array(X, lengths, names)
    if names is not None:
        _check_names(names, like.columns)
    return Rows.from_array(X, lengths, like)


def _names(X: Any) -> list[str] | None:
    """Names of the columns of a data frame, where they are texts; pyarrow has the columns themselves under that name."""
    names = getattr(X, "column_names", getattr(X, "columns", None))
    names = None if names is None else list(names)
    return names if names and all(isinstance(name, str) for name in names) else None


def _check_names(given: list[str], fitted: list[str]) -> None:
    """Whether columns stand where they stood in the fit, unless that was of an array, whose columns have no names."""
    if fitted == [f"x{i}" for i in range(len(fitted))]:
        return
    for place, (name, own) in enumerate(zip(given, fitted)):
        if name != own:
            raise SchemaError(f"column {place} is {name!r}, the model was fitted with {own!r} there")
