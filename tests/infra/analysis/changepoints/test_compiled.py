"""What is compiled is kept, and never outlives an edit of a file that it was made from."""

from __future__ import annotations

import pickle
from pathlib import Path

from hotfire_infra.analysis.changepoints import __main__ as warm
from hotfire_infra.analysis.changepoints import recursion
from hotfire_infra.analysis.changepoints.compiled import sources


def test_every_file_of_the_package_counts_for_what_is_kept():
    warm.compile_all()
    index = Path(recursion.threshold._cache._cache_file._index_path)
    with index.open("rb") as file:
        pickle.load(file)  # numba's version
        stamp, _ = pickle.loads(file.read())
    assert stamp == sources()
    assert recursion.threshold.signatures, "the warm-up reaches the bar of an alarm"
