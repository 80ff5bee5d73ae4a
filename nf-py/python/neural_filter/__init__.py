"""Learns what is normal on a network from its own benign traffic, and says which sessions do not fit, and why.

>>> import neural_filter as nf
>>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
>>> detector = nf.Detector(heads=["forest"], false_positive_rate=0.01, random_state=7).fit(benign)
>>> sessions = nf.read_sessions("examples/data/attacks.pcap.zst")
>>> verdicts = detector.judge(sessions)
>>> alerts = sessions[verdicts.anomaly]
"""

import inspect as _inspect

from ._detector import Detector
from ._errors import CaptureError, DataError, ModelFileError, NfError, NotFittedError, SchemaError, TrainingError
from ._estimator import Estimator
from ._features import ContextFeatures, Features, FlowFeatures, PacketFeatures, ServiceFeatures
from ._models import Autoencoder, IsolationForest, Rarity, Transformer
from ._monitor import Monitor
from ._native import (
    Calibration,
    CalibrationReport,
    Card,
    Drift,
    DriftAlarm,
    Event,
    Explanation,
    Incident,
    Incidents,
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
    "CalibrationReport",
    "CaptureError",
    "Card",
    "ContextFeatures",
    "DataError",
    "Detector",
    "Drift",
    "DriftAlarm",
    "Estimator",
    "Event",
    "Explanation",
    "Features",
    "FlowFeatures",
    "Incident",
    "Incidents",
    "IsolationForest",
    "ModelFileError",
    "Monitor",
    "NfError",
    "NotFittedError",
    "PacketFeatures",
    "Progress",
    "Rarity",
    "Rows",
    "SchemaError",
    "ServiceFeatures",
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

# Where users find them, in tracebacks and pickles too.
for _name in __all__:
    if getattr(globals()[_name], "__module__", "").startswith("neural_filter._"):
        globals()[_name].__module__ = "neural_filter"

# The keywords with the engine's defaults, for help().
_defaults = SessionConfig()
SessionConfig.__signature__ = _inspect.Signature(
    [
        _inspect.Parameter(_name, _inspect.Parameter.KEYWORD_ONLY, default=getattr(_defaults, _name))
        for _name in _defaults.__getnewargs_ex__()[1]
    ]
)
del _name, _defaults
