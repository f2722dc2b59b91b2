"""The tables of the store, one module per subject; importing this package fills `Base.metadata`."""

from hotfire_infra.store.models.base import Base
from hotfire_infra.store.models.content import Artifact, Blob, LogChunk
from hotfire_infra.store.models.dictionaries import Environment, Message, Test, Variant
from hotfire_infra.store.models.execution import Attempt, History, Lock, Outbox, Request
from hotfire_infra.store.models.plan import (
    Cell,
    Edge,
    Inventory,
    RecordedInventory,
    Run,
    SourceStamp,
    Task,
)
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

__all__ = [
    "AccuracySample",
    "Artifact",
    "Attempt",
    "Base",
    "Blob",
    "Cell",
    "Collected",
    "Comparison",
    "Coverage",
    "Edge",
    "Environment",
    "Exoneration",
    "Finding",
    "History",
    "Inventory",
    "Lock",
    "LogChunk",
    "Measurement",
    "Message",
    "Outbox",
    "Record",
    "RecordedInventory",
    "Request",
    "Result",
    "Run",
    "SourceStamp",
    "StreamProblem",
    "Task",
    "Test",
    "Variant",
    "Verdict",
]
