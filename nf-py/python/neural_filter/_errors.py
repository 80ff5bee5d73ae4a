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
    """What all exceptions of the package's own have in common."""


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
    """A model and the rows given to it disagree; the message has the first column that differs."""


class DataError(NfError, ValueError):
    """Too few rows for what was promised, a wrong shape, or a value that is not finite; the message has row and column."""


class ModelFileError(NfError, ValueError):
    """Not a model file, one of a newer version, or a corrupt one."""


class TrainingError(NfError, RuntimeError):
    """The loss of a training did not stay finite."""


class NotFittedError(NfError, ValueError, AttributeError):
    """Something was asked of an estimator that only a fitted one can give."""
