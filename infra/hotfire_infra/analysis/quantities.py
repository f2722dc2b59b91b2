"""Numbers as people read them: a value, its unit, and never more digits than it means."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NANOSECONDS = 1_000_000_000
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_DECIMAL = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def significant(value: float, digits: int = 3) -> str:
    """Print `value` with `digits` significant digits and no exponent where people expect none."""
    if not math.isfinite(value):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "not a number")
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4 or magnitude >= 7:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """Print a measured value in the unit a reader would choose: `0.0123 s` is `12.3 ms`."""
    if unit == "B":
        return _binary(value, digits)
    if unit == "s" and 0 < abs(value) < 1:
        factor, name = next(((f, n) for f, n in _SECONDS if abs(value) >= f), _SECONDS[-1])
        return f"{significant(value / factor, digits)} {name}"
    if unit in {"B/s", "FLOP/s"}:
        for factor, prefix in _DECIMAL:
            if abs(value) >= factor:
                return f"{significant(value / factor, digits)} {prefix}{unit}"
    if unit == "1":
        return significant(value, digits)
    return f"{significant(value, digits)} {_UNIT_WORDS.get(unit, unit)}"


_UNIT_WORDS = {"token/s": "tok/s"}


def _binary(value: float, digits: int) -> str:
    for unit in _BINARY:
        if abs(value) < 1024 or unit == _BINARY[-1]:
            return f"{value:.0f} B" if unit == "B" else f"{significant(value, digits)} {unit}"
        value /= 1024
    raise AssertionError  # the loop always returns at its last unit


def duration(nanoseconds: int | None) -> str:
    """Print a duration: `41 s`, `3 min 05 s`, `2 h 04 min`, and an empty string for none."""
    if nanoseconds is None:
        return ""
    seconds = nanoseconds / NANOSECONDS
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else quantity(seconds, "s", 2)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def utc(nanoseconds: int | None) -> str:
    """Print an instant of the Unix clock as `2026-11-21 12:05:09 UTC`."""
    if nanoseconds is None:
        return ""
    moment = datetime.fromtimestamp(nanoseconds / NANOSECONDS, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def iso_utc(nanoseconds: int | None) -> str | None:
    """Print an instant as RFC 3339 for machines, or None."""
    if nanoseconds is None:
        return None
    return datetime.fromtimestamp(nanoseconds / NANOSECONDS, tz=UTC).isoformat(timespec="seconds")


def percent(share: float, digits: int = 1) -> str:
    """Print a share of 0..1 as percent; a share just short of all never rounds up to 100 %."""
    text = f"{share * 100:.{digits}f}"
    if float(text) >= 100 > share * 100:
        text = f"{math.floor(share * 100 * 10**digits) / 10**digits:.{digits}f}"
    return f"{text.removesuffix('.0') if share in (0, 1) else text} %"


def signed_percent(log_ratio: float) -> str:
    """Print a log-ratio as the change it is: `-0.0513` is `-5.0 %`."""
    return f"{math.expm1(log_ratio) * 100:+.1f} %"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Print a number with its noun: `1 cell`, `2,113 tests`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
