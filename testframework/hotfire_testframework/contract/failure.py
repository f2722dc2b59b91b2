"""Failure classes: whose trouble a failed or errored result is."""

from __future__ import annotations

from enum import Enum


class FailureClass(str, Enum):
    """Whose trouble it is; only PRODUCT and TEST may turn a cell red."""

    PRODUCT = "product"
    TEST = "test"
    HARNESS = "harness"
    CONFIG = "config"
    INFRA_NODE = "infra-node"
    INFRA_DEVICE = "infra-device"
    INFRA_NETWORK = "infra-network"
    PREEMPTED = "preempted"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"

    __str__ = str.__str__

    @property
    def is_infrastructure(self) -> bool:
        """Whether the machine, not the code under test, is to blame: worth a retry elsewhere."""
        return self in _INFRASTRUCTURE


_INFRASTRUCTURE = frozenset(
    {
        FailureClass.INFRA_NODE,
        FailureClass.INFRA_DEVICE,
        FailureClass.INFRA_NETWORK,
        FailureClass.PREEMPTED,
    }
)
