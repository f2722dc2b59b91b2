"""Errors of the cluster on this machine; each class is one thing a person can act on.

ClusterError
├── BuildError           a binary of the control plane could not be built
│   ├── GoMissingError
│   └── DiskShortError
├── ClusterUsageError    the request contradicts what is there
├── ComponentError       a process of the cluster did not start or did not answer
└── ImageError           an image could not be built

`exit_code` is what `python -m hotfire_k8s` returns for it, as in the CLI: 2 usage, 3 infrastructure.
"""

from __future__ import annotations


class ClusterError(Exception):
    """The cluster could not be made, found or taken away."""

    exit_code = 3


class BuildError(ClusterError):
    """A binary of the control plane could not be built."""


class GoMissingError(BuildError):
    """There is no Go compiler here, and none could be fetched."""


class DiskShortError(BuildError):
    """There is too little room for what is to be written."""


class ClusterUsageError(ClusterError):
    """The request contradicts what is there."""

    exit_code = 2


class ComponentError(ClusterError):
    """A process of the cluster did not start, or did not answer in time."""


class ImageError(ClusterError):
    """An image could not be built: a package, a wheel or a tool of this machine is missing."""
