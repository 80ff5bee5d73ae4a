"""The exceptions of the package. Parameters out of range are plain ``ValueError``, what the system refuses is ``OSError``."""

__all__ = [
    "CaptureError",
    "DataError",
    "ModelFileError",
    "NfError",
    "NotFittedError",
    "SchemaError",
    "TrainingError",
]


class NfError(Exception):
    """What all exceptions of the package's own have in common.

    Examples
    --------
    >>> import neural_filter as nf
    >>> try:
    ...     nf.Detector().heads_
    ... except nf.NfError as error:
    ...     print(error)
    this Detector is not fitted, call fit or Detector.load first
    """


class CaptureError(NfError, ValueError):
    """Not a readable capture, or a damaged one; the message has path, packet number and byte offset.

    Attributes
    ----------
    sessions : Sessions
        Of ``read_sessions``: what came before the damage.
    packets : Table
        Of ``read_packets``: what came before the damage.

    Examples
    --------
    >>> import neural_filter as nf
    >>> try:
    ...     nf.read_sessions(b"no capture")
    ... except nf.CaptureError as error:
    ...     print(len(error.sessions))
    0
    """


class SchemaError(NfError, ValueError):
    """A model and the rows given to it disagree; the message has the first column that differs.

    Examples
    --------
    >>> import neural_filter as nf
    >>> try:
    ...     nf.IsolationForest(trees=2).fit([[1, 2]] * 9).score([[1, 2, 3]])
    ... except nf.SchemaError as error:
    ...     print(error)
    the array has 3 columns, it must have 2
    """


class DataError(NfError, ValueError):
    """Too few rows for what was promised, a wrong shape, or a value that is not finite; the message has row and column.

    Examples
    --------
    >>> import neural_filter as nf
    >>> try:
    ...     nf.IsolationForest().fit([[1.0, float("inf")]])
    ... except nf.DataError as error:
    ...     print(error)
    row 0, step 0, column x1 is inf, values must be finite
    """


class ModelFileError(NfError, ValueError):
    """Not a model file, one of a newer version, or a corrupt one.

    Examples
    --------
    >>> import neural_filter as nf
    >>> try:
    ...     nf.Detector.load("examples/data/benign.pcap.zst")
    ... except nf.ModelFileError as error:
    ...     print(str(error).split(": ")[1])
    not a model file of this crate
    """


class TrainingError(NfError, RuntimeError):
    """The loss of a training did not stay finite.

    Examples
    --------
    >>> import neural_filter as nf
    >>> try:
    ...     nf.Autoencoder(learning_rate=1e30).fit([[i % 7, i % 5] for i in range(600)])
    ... except nf.TrainingError as error:
    ...     print("a learning_rate below" in str(error))
    True
    """


class NotFittedError(NfError, ValueError, AttributeError):
    """Something was asked of an estimator that only a fitted one can give.

    Examples
    --------
    >>> import neural_filter as nf
    >>> try:
    ...     nf.IsolationForest().score([[1.0]])
    ... except nf.NotFittedError as error:
    ...     print(error)
    this IsolationForest is not fitted, call fit first
    """
