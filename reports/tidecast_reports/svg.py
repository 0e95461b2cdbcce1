"""The fan chart as SVG: history, forecast with its 80 and 95 % bands, the mark and when it is met.

The drawing is as wide as the page gives it: the curves stretch with it, texts and dots do not. The
values of its axis stand left of it, in the `GUTTER_PX` that the page leaves free there. Its colours
are presentation attributes, so that it stands alone in a mail or a file, and classes, so that a
style sheet can override them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from tidecast_reports.axes import DAY_MS, time_ticks, value_ticks
from tidecast_reports.capacity import Band, Float64s, Int64s, ResourceOutlook
from tidecast_reports.sentences import mark_text, sentence
from tidecast_reports.thinning import thin_band, thin_history
from tidecast_reports.units import date, quantity

SHOWNHISTORY_LOOK = 1.0
"""How much history is drawn, in lengths of the forecast."""
POINTS = 240
BAND_POINTS = 90

GUTTER_PX = 56

_GRID = Markup('stroke="#e2e6ea" stroke-width="1"')
HISTORY_LOOK = Markup('stroke="#33475b" stroke-width="1.4"')
_MEAN = Markup('stroke="#0a6c8f" stroke-width="1.8"')
_SOFT = "#5a6673"
_RED = "#b3261e"
WIDTH = 1000
_TOP_PX = 18
_FOOT_PX = 20


@dataclass(frozen=True, slots=True)
class Frame:
    """Times to thousandths of the width, values to pixels from the top."""

    first_ms: int
    last_ms: int
    top: float
    height: int

    def x(self, times_ms: Int64s) -> Float64s:
        """Places of these times."""
        span = max(self.last_ms - self.first_ms, 1)
        return (times_ms - self.first_ms) / span * WIDTH

    def x_of(self, at_ms: int) -> float:
        """The place of one time."""
        return float(self.x(np.array([at_ms], dtype=np.int64))[0])

    def y(self, values: Float64s) -> Float64s:
        """Pixels from the top; what is higher than the top is cut there."""
        floor = self.height - _FOOT_PX
        return floor - np.clip(values / self.top, 0, 1.02) * (floor - _TOP_PX)

    def y_of(self, value: float) -> float:
        """The pixel of one value."""
        return float(self.y(np.array([value]))[0])


def fan_chart(
    outlook: ResourceOutlook, now_ms: int, horizon_days: int, *, identifier: str, height: int = 168
) -> Markup:
    """The outlook's chart as one `<svg>` element; empty where history has less than two points.

    `identifier` must be unique on the page; the title and description hang on it.
    """
    if np.isfinite(outlook.history).sum() < 2:
        return Markup("")
    first_ms, last_ms = shown_span(outlook, now_ms)
    frame = Frame(first_ms, last_ms, _top(outlook, first_ms), height)
    parts = [
        _open(outlook, now_ms, horizon_days, identifier, height),
        time_axis(frame),
        value_axis(outlook, frame),
        _curves(outlook, frame),
        value_labels(outlook, frame),
        _mark(outlook, frame, now_ms),
        _changes(outlook, frame),
        Markup("</svg>"),
    ]
    return Markup("").join(parts)


def shown_span(outlook: ResourceOutlook, now_ms: int) -> tuple[int, int]:
    """The first and last time that a chart of this outlook shows."""
    first_ms, last_ms = int(outlook.history_ms[0]), int(outlook.history_ms[-1])
    if outlook.band is None or outlook.band.times_ms.size == 0:
        return max(first_ms, last_ms - 90 * DAY_MS), max(last_ms, first_ms + 1)
    ahead_ms = int(outlook.band.times_ms[-1]) - last_ms
    return max(first_ms, last_ms - round(SHOWNHISTORY_LOOK * ahead_ms)), int(
        outlook.band.times_ms[-1]
    )


def _top(outlook: ResourceOutlook, first_ms: int) -> float:
    """The highest value drawn: mark, usage and forecast fit; a wild upper band is cut."""
    shown = outlook.history[outlook.history_ms >= first_ms]
    highest = float(np.nanmax(shown)) if np.isfinite(shown).any() else 0.0
    highest = max(highest, outlook.mark or 0.0)
    highest = max([highest, *(mark for _, mark in outlook.later_marks if mark <= highest * 1.6)])
    if outlook.limit is not None and outlook.limit <= highest * 1.6:
        highest = max(highest, outlook.limit)
    if outlook.band is not None and outlook.band.times_ms.size:
        likely = max(highest, float(np.nanmax(outlook.band.mean)))
        wanted = float(np.nanmax(outlook.band.hi95))
        highest = min(max(highest, wanted), likely * 1.15)
    return highest * 1.02 if highest > 0 else 1.0


def _open(
    outlook: ResourceOutlook, now_ms: int, horizon_days: int, identifier: str, height: int
) -> Markup:
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="fan" width="100%" height="{height}"'
        ' overflow="visible" role="img" aria-labelledby="{id}-t {id}-d">'
        '<title id="{id}-t">{title}</title><desc id="{id}-d">{desc}</desc>'
    ).format(
        id=identifier,
        height=height,
        title=sentence(outlook, now_ms, horizon_days),
        desc=_description(outlook, now_ms),
    )


def _description(outlook: ResourceOutlook, now_ms: int) -> str:
    newest = outlook.history[np.isfinite(outlook.history)][-1]
    first = date(int(outlook.history_ms[0]), now_ms)
    text = f"Usage since {first}, at last {quantity(float(newest), outlook.unit)}."
    if outlook.band is not None and outlook.band.times_ms.size:
        band = outlook.band
        low, high = (quantity(float(edge[-1]), outlook.unit) for edge in (band.lo80, band.hi80))
        last = date(int(band.times_ms[-1]), now_ms)
        text += f" On {last} it will be between {low} and {high} with 80 % probability."
    return text


def value_axis(outlook: ResourceOutlook, frame: Frame) -> Markup:
    """The lines at round values."""
    return Markup("").join(
        Markup('<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}" {look}/>').format(
            y=px(frame.y_of(value)), look=_GRID
        )
        for value, _ in _value_ticks(outlook, frame)
    )


def value_labels(outlook: ResourceOutlook, frame: Frame) -> Markup:
    """How the round values read, left of the drawing."""
    return Markup("").join(
        _text(told, "-8", frame.y_of(value) + 4, "end", "axis")
        for value, told in _value_ticks(outlook, frame)
    )


def _value_ticks(outlook: ResourceOutlook, frame: Frame) -> list[tuple[float, str]]:
    """Round values and how they read: shares of the limit where there is one."""
    relative = outlook.unit == "ratio" or bool(outlook.limit)
    scale = outlook.limit if outlook.limit and outlook.unit != "ratio" else 1.0
    binary = outlook.unit.startswith("bytes") and not relative
    count = 2 if frame.height < 120 else 4
    unit = "ratio" if relative else outlook.unit
    ticks = value_ticks(frame.top / scale, count, 2 if binary else 10)
    return [(tick * scale, quantity(tick, unit)) for tick in ticks]


def time_axis(frame: Frame) -> Markup:
    """Round times along the foot."""
    texts = []
    for at_ms, label in time_ticks(frame.first_ms, frame.last_ms):
        x = frame.x_of(at_ms) / WIDTH * 100
        anchor = "start" if x < 7 else "end" if x > 93 else "middle"
        texts.append(_text(label, f"{x:.2f}%", frame.height - 5, anchor, "axis"))
    return Markup("").join(texts)


def _curves(outlook: ResourceOutlook, frame: Frame) -> Markup:
    shown = outlook.history_ms >= frame.first_ms
    times_ms, values = thin_history(outlook.history_ms[shown], outlook.history[shown], POINTS)
    shapes = []
    if outlook.band is not None and outlook.band.times_ms.size:
        band = thin_band(outlook.band, BAND_POINTS)
        shapes = _fan(band, frame)
    shapes.append(curve(frame, times_ms, values, "history", HISTORY_LOOK))
    return Markup(
        '<svg x="0" y="0" width="100%" height="{height}" viewBox="0 0 {width} {height}"'
        ' preserveAspectRatio="none">{shapes}</svg>'
    ).format(height=frame.height, width=WIDTH, shapes=Markup("").join(shapes))


def _fan(band: Band, frame: Frame) -> list[Markup]:
    edges = (("band95", band.lo95, band.hi95, "0.13"), ("band80", band.lo80, band.hi80, "0.24"))
    around_ms = np.append(band.times_ms, band.times_ms[::-1])
    shapes = [
        Markup('<path class="{name}" d="{d}Z" fill="#0a6c8f" fill-opacity="{opacity}"/>').format(
            name=name,
            opacity=opacity,
            d=path_data(frame, around_ms, np.append(high, low[::-1])),
        )
        for name, low, high, opacity in edges
    ]
    return [*shapes, curve(frame, band.times_ms, band.mean, "mean", _MEAN)]


def _mark(outlook: ResourceOutlook, frame: Frame, now_ms: int) -> Markup:
    """The mark, the P10-P90 stretch of it and the median date as a dot."""
    if outlook.mark is None:
        return Markup("")
    y = frame.y_of(outlook.mark)
    edges = [
        (0.0, outlook.mark),
        *((_percent(frame, at), mark) for at, mark in outlook.later_marks),
    ]
    ends = [*(start for start, _ in edges[1:]), 100.0]
    parts = [
        *(
            Markup(
                '<line class="mark" x1="{start}%" x2="{end}%" y1="{y}" y2="{y}" stroke="#b3261e"'
                ' stroke-width="1.2" stroke-dasharray="5 4"/>'
            ).format(start=f"{start:.6g}", end=f"{end:.6g}", y=px(frame.y_of(mark)))
            for (start, mark), end in zip(edges, ends, strict=True)
        ),
        _text(f"mark {mark_text(outlook)}", "8", y - 5, "start", "mark-label", _RED),
    ]
    if outlook.p10_ms is not None and outlook.p50_ms is not None:
        last_ms = frame.last_ms if outlook.p90_ms is None else outlook.p90_ms
        start, end = (_percent(frame, at_ms) for at_ms in (outlook.p10_ms, last_ms))
        y = frame.y_of(outlook.mark_at(outlook.p50_ms) or outlook.mark)
        parts.append(
            Markup(
                '<line class="span" x1="{start}%" x2="{end}%" y1="{y}" y2="{y}" stroke="#b3261e"'
                ' stroke-width="4" stroke-linecap="round" stroke-opacity="0.45"/>'
            ).format(start=f"{start:.2f}", end=f"{end:.2f}", y=px(y))
        )
    if outlook.p50_ms is not None and frame.first_ms <= outlook.p50_ms <= frame.last_ms:
        x = frame.x_of(outlook.p50_ms) / WIDTH * 100
        anchor = "end" if x > 90 else "middle"
        parts += [
            Markup('<circle class="median" cx="{x}%" cy="{y}" r="4.5" fill="#b3261e"/>').format(
                x=f"{x:.2f}", y=px(y)
            ),
            _text(date(outlook.p50_ms, now_ms), f"{x:.2f}%", y - 9, anchor, "when", _RED),
        ]
    return Markup("").join(parts)


def _percent(frame: Frame, at_ms: int) -> float:
    """The place of a time in percent of the width, within it."""
    return min(max(frame.x_of(at_ms) / WIDTH * 100, 0.0), 100.0)


def _changes(outlook: ResourceOutlook, frame: Frame) -> Markup:
    """A dotted line at each recorded change, with its title to be pointed at."""
    return Markup("").join(
        Markup(
            '<line class="change" x1="{x}%" x2="{x}%" y1="{top}" y2="{foot}" stroke="#5a6673"'
            ' stroke-width="1.4" stroke-dasharray="1 3"><title>{title}</title></line>'
        ).format(
            x=f"{frame.x_of(each.at_ms) / WIDTH * 100:.2f}",
            top=_TOP_PX,
            foot=frame.height - _FOOT_PX,
            title=each.title,
        )
        for each in outlook.changes
        if frame.first_ms <= each.at_ms <= frame.last_ms
    )


def curve(frame: Frame, times_ms: Int64s, values: Float64s, name: str, look: Markup) -> Markup:
    """A line through these points, as a `<path>` of the class `name`."""
    return Markup(
        '<path class="{name}" d="{d}" fill="none" {look} stroke-linejoin="round"'
        ' vector-effect="non-scaling-stroke"/>'
    ).format(name=name, d=path_data(frame, times_ms, values), look=look)


def path_data(frame: Frame, times_ms: Int64s, values: Float64s) -> str:
    """The points as the data of a path, those without a finite value left out."""
    points = np.column_stack((frame.x(times_ms), frame.y(values)))[np.isfinite(values)]
    # One formatting of all points: charts are most of a page's work.
    form = "L".join(["%.1f %.1f"] * len(points))
    return f"M{form}" % tuple(points.ravel().tolist()) if len(points) else ""


def _text(text: str, x: str, y: float, anchor: str, name: str, fill: str = _SOFT) -> Markup:
    return Markup(
        '<text class="{name}" x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}" font-size="11"'
        ' font-family="system-ui, sans-serif">{text}</text>'
    ).format(name=name, x=x, y=px(y), anchor=anchor, fill=fill, text=text)


def px(value: float) -> str:
    """A number of pixels, no longer than it has to be."""
    return f"{value:.1f}".removesuffix(".0")
