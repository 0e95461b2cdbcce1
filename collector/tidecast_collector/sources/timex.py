"""How well the host's clock is kept, from the adjtimex system call."""

from __future__ import annotations

import ctypes
import os
import struct
from functools import lru_cache

from tidecast_collector.model import COUNTER, GAUGE, Family
from tidecast_collector.sources.reading import Root

# struct timex of <sys/timex.h>, which is followed by 44 bytes of padding
_TIMEX = struct.Struct(
    "@I"  # modes
    "4l"  # offset, freq, maxerror, esterror
    "i"  # status
    "3l"  # constant, precision, tolerance
    "2l"  # time
    "3l"  # tick, ppsfreq, jitter
    "i"  # shift
    "5l"  # stabil, jitcnt, calcnt, errcnt, stbcnt
    "i"  # tai
)
_PADDING_BYTES = 44
_STATUS_NANO = 0x2000
_TIME_ERROR = 5
_MICRO = 1e6
_PPM_16_BIT = 1e6 * 65536  # frequencies are parts per million with a 16-bit fraction


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def timex(root: Root) -> list[Family]:
    """The kernel clock's offset, errors, frequency and pulse, and whether it is synchronised."""
    buffer = ctypes.create_string_buffer(_TIMEX.size + _PADDING_BYTES)
    state = _libc().adjtimex(buffer)
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return timex_families(state, _TIMEX.unpack_from(buffer.raw))


def timex_families(state: int, fields: tuple[int, ...]) -> list[Family]:
    """The families of what adjtimex returned, and of its structure's fields in order."""
    _, offset, frequency, max_error, estimated_error, status, constant = fields[:7]
    tick, pps_frequency, jitter, shift, stability = fields[11:16]
    jitters, calibrations, errors, exceeded, tai = fields[16:21]
    fraction = 1e9 if status & _STATUS_NANO else _MICRO
    values = (
        ("sync_status", GAUGE, float(state != _TIME_ERROR), "Whether the clock is synchronised."),
        ("offset_seconds", GAUGE, offset / fraction, "Offset of the local clock."),
        ("maxerror_seconds", GAUGE, max_error / _MICRO, "Greatest error of the clock."),
        ("estimated_error_seconds", GAUGE, estimated_error / _MICRO, "Estimated error."),
        ("frequency_adjustment_ratio", GAUGE, 1 + frequency / _PPM_16_BIT, "Adjusted frequency."),
        ("status", GAUGE, status, "Bits of the clock's status."),
        ("loop_time_constant", GAUGE, constant, "Time constant of the phase-locked loop."),
        ("tick_seconds", GAUGE, tick / _MICRO, "Seconds between clock ticks."),
        ("tai_offset_seconds", GAUGE, tai, "International Atomic Time less UTC."),
        ("pps_frequency_hertz", GAUGE, pps_frequency / _PPM_16_BIT, "Frequency of the pulse."),
        ("pps_jitter_seconds", GAUGE, jitter / fraction, "Jitter of the pulse."),
        ("pps_shift_seconds", GAUGE, shift, "Interval of the pulse, as a power of two."),
        ("pps_stability_hertz", GAUGE, stability / _PPM_16_BIT, "Stability of the pulse."),
        ("pps_jitter_total", COUNTER, jitters, "Times the jitter limit was exceeded."),
        ("pps_calibration_total", COUNTER, calibrations, "Calibration intervals."),
        ("pps_error_total", COUNTER, errors, "Calibration errors."),
        ("pps_stability_exceeded_total", COUNTER, exceeded, "Times stability was exceeded."),
    )
    return [
        Family(f"node_timex_{name}", kind, text, (((), float(value)),))
        for name, kind, value, text in values
    ]
