"""Covering arrays: few cells in which every allowed combination of `strength` values occurs.

The method is in-parameter-order (Lei, Kacker, Kuhn, Okun, Lawrence: "IPOG: a general strategy for
t-way software testing", ECBS 2007), repeated in several orders; what is left out is named with its
reason, and what could not be decided is never called covered.
"""

from hotfire_pipelines.covering.generate import CoveringArray, Uncovered, generate

__all__ = ["CoveringArray", "Uncovered", "generate"]
