"""Notices that wait to be sent: how often, for how long, and when to try again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sn37.app.notifications.notices import Notice, NoticeKind
from sn37.domain.backoff import Backoff

WINDOW_S = 60.0  # between two messages of one kind
GIVE_UP_S = 3600.0  # an older message helps nobody
PAUSES_S = Backoff(2.0, 300.0)
LONGEST_WAIT_S = 600.0  # that a server may ask for


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One message: the newest notice of its kind, and how many others it stands for."""

    notice: Notice
    num_more: int
    put_at: float  # monotonic time at which the newest was put in


class Outbox:
    """At most one parcel for each kind, so it is bounded whatever happens. Not thread-safe.

    All times are monotonic seconds, given by the caller.
    """

    def __init__(self, *, window_s: float = WINDOW_S, give_up_s: float = GIVE_UP_S) -> None:
        self._window_s = window_s
        self._give_up_s = give_up_s
        self._waiting: dict[NoticeKind, Parcel] = {}  # in the order of their first notice
        self._not_before: dict[NoticeKind, float] = {}
        self._pause_until = 0.0
        self._num_failures = 0  # in a row
        self.num_dropped = 0  # notices that were given up

    def put(self, notice: Notice, now: float) -> None:
        """Add a notice; it takes the place of an older one of its kind that waits."""
        self._merge(Parcel(notice=notice, num_more=0, put_at=now))

    def take(self, now: float) -> Parcel | None:
        """Return a parcel that may be sent now, and remove it; ``None`` if there is none."""
        self._expire(now)
        if now < self._pause_until:
            return None
        kind = next((k for k in self._waiting if self._not_before.get(k, now) <= now), None)
        return None if kind is None else self._waiting.pop(kind)

    def take_all(self) -> list[Parcel]:
        """Return everything that waits, and remove it."""
        found = list(self._waiting.values())
        self._waiting.clear()
        return found

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until something may be sent or is given up; ``None`` without any."""
        times = [
            min(
                max(self._not_before.get(kind, now), self._pause_until),
                parcel.put_at + self._give_up_s,
            )
            for kind, parcel in self._waiting.items()
        ]
        return max(min(times) - now, 0.0) if times else None

    def sent(self, parcel: Parcel, now: float) -> None:
        """Note that a parcel has arrived."""
        self._num_failures = 0
        self._not_before[parcel.notice.kind] = now + self._window_s

    def failed(self, parcel: Parcel, now: float, retry_after_s: float | None) -> None:
        """Note that a parcel must be sent again, not before the time that the server asks for."""
        self._num_failures += 1
        pause_s = PAUSES_S.after(self._num_failures)
        if retry_after_s is not None and retry_after_s > 0:  # also false for NaN
            pause_s = min(retry_after_s, LONGEST_WAIT_S)
        self._pause_until = now + pause_s
        self._merge(parcel)

    def refused(self, parcel: Parcel, now: float) -> None:
        """Note that a parcel will never be taken."""
        self.num_dropped += 1 + parcel.num_more
        self._not_before[parcel.notice.kind] = now + self._window_s

    def _merge(self, parcel: Parcel) -> None:
        kind = parcel.notice.kind
        known = self._waiting.get(kind)
        if known is not None:
            newest = max(known, parcel, key=lambda p: p.put_at)
            parcel = replace(newest, num_more=known.num_more + parcel.num_more + 1)
        self._waiting[kind] = parcel

    def _expire(self, now: float) -> None:
        for kind, parcel in list(self._waiting.items()):
            if now - parcel.put_at >= self._give_up_s:
                del self._waiting[kind]
                self.num_dropped += 1 + parcel.num_more
