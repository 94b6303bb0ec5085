"""Numbers and rows of numbers, short enough for a table in a terminal."""

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_STEPS = "kMGTP"
_DAY_S, _HOUR_S, _MINUTE_S = 86400, 3600, 60


def short(value: float | None, unit: str = "") -> str:
    """A number in at most five characters and its unit: 999, 1.2k, 34M; `-` for None."""
    if value is None:
        return "-"
    step = ""
    for step_name in ("", *_STEPS):
        step = step_name
        if abs(value) < 999.5 or step_name == _STEPS[-1]:
            break
        value /= 1000
    if step == "" and float(value).is_integer():
        text = f"{value:.0f}"
    else:
        text = f"{value:.1f}" if abs(value) < 99.95 else f"{value:.0f}"
    return f"{text}{step}{unit}"


def milliseconds(value: float | None) -> str:
    """A time in three figures: 0.42 ms, 12.3 ms, 1.2 s; `-` for None."""
    if value is None:
        return "-"
    if value >= 999.5:
        return f"{value / 1000:.1f} s"
    return f"{value:.2f} ms" if value < 9.995 else f"{value:.1f} ms"


def duration(seconds: float | None) -> str:
    """The largest unit of a time: 12 s, 5 min, 3 h, 2 d; `-` for None."""
    if seconds is None:
        return "-"
    for size, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {name}"
    return f"{seconds:.0f} s"


def sparkline(values: Sequence[float], width: int) -> str:
    """The last `width` values as bars, from 0 to the highest; padded on the left."""
    shown = list(values[-width:])
    highest = max(shown, default=0.0)
    if highest <= 0:
        return ("▁" * len(shown)).rjust(width)
    bars = [_BARS[min(7, int(value / highest * 7.999))] for value in shown]
    return "".join(bars).rjust(width)
