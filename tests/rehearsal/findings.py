"""What a rehearsal must have come to."""

from __future__ import annotations


def require_as_expected(acts, around, schedule, tell) -> None:  # type: ignore[no-untyped-def]
    for name in ("first", "second"):
        for r in acts.report(name):
            tell(f"{name} {r['competition']} {r['sync_block']} {r['winner']} {r['weights_extrinsic']}")
            for e in r["entries"]:
                tell(f"   {e['hotkey'][:8]} {e['repo']} {e['verdict']} {e['score']} {e['reason']} {e['detail']}")
