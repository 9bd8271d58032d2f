"""Times are ordered as moments, whatever they came as, or refused."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from analytic_cl.scenarios import time_ordered

HOURS = [datetime(2026, 3, 29, 3) - timedelta(hours=h) for h in range(8)]  # the last first
BACKWARDS = list(range(7, -1, -1))
OSLO, KOLKATA = timezone(timedelta(hours=1)), timezone(timedelta(hours=5, minutes=30))

TIMES = {
    "datetimes": HOURS,
    "zones": [t.replace(tzinfo=UTC).astimezone(OSLO if i % 2 else KOLKATA) for i, t in enumerate(HOURS)],
    "dates": [date(2026, 1, 9) - timedelta(days=d) for d in range(8)],
    "pandas": pd.Series(HOURS),
    "pandas with a zone": pd.Series(HOURS).dt.tz_localize("UTC").dt.tz_convert("Europe/Oslo"),
    "pandas' index": pd.DatetimeIndex(HOURS).tz_localize("UTC"),
    "pandas, nanoseconds": [pd.Timestamp(10**18 - i, tz="UTC") for i in range(8)],
    "pandas' text": pd.Series([f"2026-01-0{9 - i}" for i in range(8)]),
    "pandas' integers": pd.Series(range(8, 0, -1), dtype="Int64"),
    "text of equal widths": [f"0{9 - i}:00" for i in range(8)],
    "fractions of a second": [
        "10:00:01",
        "10:00:00.75",
        "10:00:00.5",
        "10:00:00.25",
        "10:00:00.20",
        "10:00:00",
        "09",
        "08",
    ],
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_times_are_ordered_as_moments(times):
    sessions = time_ordered([0, 1] * 4, times, n_sessions=2)

    assert np.concatenate([session.train for session in sessions]).tolist() == BACKWARDS


def test_an_hour_that_comes_twice_is_ordered_by_the_moment():
    from zoneinfo import ZoneInfo

    try:
        berlin = ZoneInfo("Europe/Berlin")
    except Exception:
        pytest.skip("no time zones here")
    early = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    late = datetime(2026, 10, 25, 2, 15, tzinfo=berlin, fold=1)  # 45 minutes later, by the wall earlier
    (session,) = time_ordered([0, 1], [late, early], n_sessions=1)
    assert session.train.tolist() == [1, 0]


NO_TIMES = {
    "hours of one and two digits": (["9:00", "10:00"], "'10:00' and '9:00'"),
    "days": (["2026-1-9", "2026-1-10"], "does not sort as numbers do"),
    "numbers": (["9", "10"], "does not sort as numbers do"),
    "weeks": (["week 2", "week 10"], "does not sort as numbers do"),
    "the year last": (["31.01.2026", "01.02.2026"], "does not sort by time: '01.02.2026'"),
    "half days": (["09:00 pm", "10:00 am"], "does not sort by time"),
    "below zero": (["-1", "-2"], "does not sort by time"),
    "several offsets": (["2026-01-01T10:00+02:00", "2026-01-01T09:30+01:00"], "several time zones"),
    "with and without a zone": ([HOURS[0], HOURS[1].replace(tzinfo=UTC)], "with and without a time zone"),
    "no time": (pd.Series([HOURS[0], None]).dt.tz_localize("UTC"), "row 1 has NaT"),
    "nothing": (["09:00", None], "row 1 has None"),
    "dates and datetimes": ([HOURS[0], date(2026, 1, 1)], "Python objects: date, datetime"),
    "times of day": ([HOURS[0].time(), HOURS[1].time()], "Python objects: time"),
}


@pytest.mark.parametrize(("times", "words"), NO_TIMES.values(), ids=NO_TIMES)
def test_times_without_an_order_are_refused(times, words):
    with pytest.raises(ValueError, match=words):
        time_ordered([0, 1], times, n_sessions=1)
