"""Learns what is normal on a network from its own benign traffic, and says which sessions do not fit, and why.

>>> import neural_filter as nf
>>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
>>> detector = nf.Detector(heads=["forest"], false_positive_rate=0.01, random_state=7).fit(benign)
>>> sessions = nf.read_sessions("examples/data/attacks.pcap.zst")
>>> verdicts = detector.judge(sessions)
>>> alerts = sessions[verdicts.anomaly]
"""

from ._detector import Detector
from ._errors import CaptureError, DataError, ModelFileError, NfError, NotFittedError, SchemaError, TrainingError
from ._features import ContextFeatures, Features, FlowFeatures, PacketFeatures
from ._models import Autoencoder, IsolationForest, Transformer
from ._native import (
    Calibration,
    Card,
    Explanation,
    Progress,
    Rows,
    Session,
    SessionConfig,
    Sessions,
    Table,
    Verdict,
    Verdicts,
    __version__,
    available_heads,
    default_heads,
)
from ._reading import read_packets, read_sessions, stream

__all__ = [
    "Autoencoder",
    "Calibration",
    "CaptureError",
    "Card",
    "ContextFeatures",
    "DataError",
    "Detector",
    "Explanation",
    "Features",
    "FlowFeatures",
    "IsolationForest",
    "ModelFileError",
    "NfError",
    "NotFittedError",
    "PacketFeatures",
    "Progress",
    "Rows",
    "SchemaError",
    "Session",
    "SessionConfig",
    "Sessions",
    "Table",
    "TrainingError",
    "Transformer",
    "Verdict",
    "Verdicts",
    "__version__",
    "available_heads",
    "default_heads",
    "read_packets",
    "read_sessions",
    "stream",
]
