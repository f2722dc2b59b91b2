"""The tables of the store, one module per subject; importing this package fills `Base.metadata`."""

from hotfire_infra.store.models.access import Audit, Login, Token
from hotfire_infra.store.models.base import Base
from hotfire_infra.store.models.changes import SeriesChange, SeriesPoint, SeriesState
from hotfire_infra.store.models.content import Artifact, Blob, LogChunk
from hotfire_infra.store.models.decisions import Acceptance, Confirmation, Quarantine
from hotfire_infra.store.models.dictionaries import Environment, Message, Test, Variant
from hotfire_infra.store.models.execution import Attempt, History, Lock, Outbox, Request
from hotfire_infra.store.models.operations import (
    Device,
    DeviceEvidence,
    Differential,
    Firing,
    Hold,
    Invalidation,
    Schedule,
)
from hotfire_infra.store.models.plan import (
    Cell,
    Edge,
    Inventory,
    RecordedInventory,
    Run,
    SourceStamp,
    Task,
)
from hotfire_infra.store.models.quality import DetectorCheck, KernelError, SeriesNoise
from hotfire_infra.store.models.results import (
    AccuracySample,
    Collected,
    Comparison,
    Coverage,
    Exoneration,
    Finding,
    Measurement,
    Record,
    Result,
    StreamProblem,
    Verdict,
)
from hotfire_infra.store.models.rollups import MeasurementMonth, ResultMonth

__all__ = [
    "Acceptance",
    "AccuracySample",
    "Artifact",
    "Attempt",
    "Audit",
    "Base",
    "Blob",
    "Cell",
    "Collected",
    "Comparison",
    "Confirmation",
    "Coverage",
    "DetectorCheck",
    "Device",
    "DeviceEvidence",
    "Differential",
    "Edge",
    "Environment",
    "Exoneration",
    "Finding",
    "Firing",
    "History",
    "Hold",
    "Invalidation",
    "Inventory",
    "KernelError",
    "Lock",
    "LogChunk",
    "Login",
    "Measurement",
    "MeasurementMonth",
    "Message",
    "Outbox",
    "Quarantine",
    "Record",
    "RecordedInventory",
    "Request",
    "Result",
    "ResultMonth",
    "Run",
    "Schedule",
    "SeriesChange",
    "SeriesNoise",
    "SeriesPoint",
    "SeriesState",
    "SourceStamp",
    "StreamProblem",
    "Task",
    "Test",
    "Token",
    "Variant",
    "Verdict",
]
