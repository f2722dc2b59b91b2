"""Where, when and how a series of measurements changed.

`detect` looks at a whole series, `Detector` at one observation after the other. Both learn the
noise of the series (scale, autocorrelation, density), so that nothing has to be tuned.
"""

from hotfire_infra.analysis.changepoints.detection import detect
from hotfire_infra.analysis.changepoints.detector import Detector
from hotfire_infra.analysis.changepoints.records import Alert, ChangeKind, Changepoint

__all__ = ["Alert", "ChangeKind", "Changepoint", "Detector", "detect"]
