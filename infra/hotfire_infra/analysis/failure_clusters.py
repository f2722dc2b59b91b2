"""Clusters of failures that say the same, with ids that survive restarts, order and growth.

A message is first masked: what differs from run to run (numbers, addresses, ids, times, paths) becomes
a word for its kind. Equal masked messages are one cluster, whatever else was recorded. A tree then
lays together clusters that differ in single words, after Drain (He et al., 2017, ICWS), with one
difference: a message is compared with the first one of a cluster, never with a template that later
messages have changed, so a cluster keeps its members and its id when more messages come.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

ID_SIGNS = 10
SIMILAR = 0.7
"""Share of equal words from which two messages of one length are one cluster."""
ANCHOR_WORDS = 2
"""Constant words at the beginning that must agree: `AssertionError: expected …`."""
LONGEST = 500
"""Signs of the line that is looked at."""
_GENERIC = re.compile(r"^(?:Traceback \(most recent call last\):|error:?|failed:?|E)\s*$", re.I)
_MASKS = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\x1b\[[0-9;]*[A-Za-z]", ""),
        (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<id>"),
        (r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b", "<id>"),
        (
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
            "<time>",
        ),
        (r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
        (r"\b(?:https?|ftp|file)://[^\s'\",)]+", "<url>"),
        # A path keeps the name of its file: it says where, and is the same on every machine.
        (r"(?:[A-Za-z]:)?(?:[/\\](?:[\w.+@~-]|<id>)+)*[/\\](?=[\w.+@~-])", "<path>/"),
        (r"\b0x[0-9a-fA-F]+\b", "<hex>"),
        (r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b", "<hex>"),
        (r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?\s?(?:ns|us|µs|ms|s|min|h)\b", "<duration>"),
        (r"(?<![\w.])[-+]?(?:inf(?:inity)?|nan)\b", "<number>"),
        (r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?:\.\d+)?(?:[eE][-+]?\d+)?%?", "<number>"),
        # Of what has letters and digits only the digits differ: worker-3, gemm[17], f32 stays.
        (r"(?<=[-_#\[(:=])\d+\b", "<number>"),
    )
)
_VARIABLE = re.compile(r"<(?:id|time|url|path|hex|duration|number)>")


def masked(message: str) -> str:
    """Return the telling line of a message without what differs from run to run.

    That is the first line that says something; of a traceback, which tells its error at last, the
    last one.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    if lines[0].startswith("Traceback (most recent call last)"):
        text = lines[-1]
    else:
        text = next((line for line in lines if not _GENERIC.match(line)), lines[0])
    text = text[:LONGEST]
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return " ".join(text.split())


@lru_cache(maxsize=8192)
def cluster_id(message: str) -> str:
    """Return the id of a message's cluster, by its masked text alone; empty without a message."""
    text = masked(message)
    return _id_of(text) if text else ""


def _id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:ID_SIGNS]


@dataclass(slots=True)
class Cluster:
    """Failures that say the same."""

    id: str
    first: str
    """Masked text of the message that began it."""
    template: str
    """What all of its messages share, `<*>` where they differ."""
    count: int = 0


@dataclass(slots=True)
class ClusterTree:
    """Lays messages together in the order in which they were first recorded.

    The tree is built again from the stored messages in the order of their keys and is then the same,
    with the same ids; repeating a message changes only its count. A message costs its words times
    the clusters that share its length and its first constant words.
    """

    _leaves: dict[tuple[int, tuple[str, ...]], list[Cluster]] = field(default_factory=dict)
    _known: dict[str, Cluster] = field(default_factory=dict)

    def add(self, message: str, count: int = 1) -> Cluster | None:
        """Return the cluster of a message, a new one if need be; None for an empty message."""
        text = masked(message)
        if not text:
            return None
        cluster = self._known.get(text)
        if cluster is None:
            cluster = self._nearest(text)
            self._known[text] = cluster
            cluster.template = _shared(cluster.template, text)
        cluster.count += count
        return cluster

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """All clusters, the largest first."""
        every = (cluster for leaf in self._leaves.values() for cluster in leaf)
        return tuple(sorted(every, key=lambda cluster: (-cluster.count, cluster.id)))

    def _nearest(self, text: str) -> Cluster:
        words = text.split()
        anchor = tuple(word for word in words if not _VARIABLE.search(word))[:ANCHOR_WORDS]
        leaf = self._leaves.setdefault((len(words), anchor), [])
        best, most = None, SIMILAR
        for cluster in leaf:
            alike = _alike(words, cluster.first.split())
            # Of equally near ones the oldest: whoever comes later changes nothing.
            if alike >= most and (best is None or alike > most):
                best, most = cluster, alike
        if best is None:
            best = Cluster(id=_id_of(text), first=text, template=text)
            leaf.append(best)
        return best


def clusters_of(messages: Iterable[str]) -> tuple[Cluster, ...]:
    """Return the clusters of messages given in the order of their first appearance."""
    tree = ClusterTree()
    for message in messages:
        tree.add(message)
    return tree.clusters


def _alike(words: list[str], others: list[str]) -> float:
    equal = sum(word == other for word, other in zip(words, others, strict=True))
    return equal / len(words)


def _shared(template: str, text: str) -> str:
    pairs = zip(template.split(), text.split(), strict=True)
    return " ".join(word if word == other else "<*>" for word, other in pairs)
