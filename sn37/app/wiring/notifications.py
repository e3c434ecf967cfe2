"""Messages to the webhook of the settings."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from sn37.adapters.system.webhook import HttpWebhook
from sn37.adapters.telemetry.fanout import FanOut
from sn37.app.config.settings import Settings
from sn37.app.errors import CommandError
from sn37.app.notifications.bodies import BodyFormat, body_of, format_of
from sn37.app.notifications.notices import Notice, NoticeKind, Notices
from sn37.app.notifications.notifier import POST_TIMEOUT_S, Notifier
from sn37.app.notifications.outbox import Parcel
from sn37.ports.clock import Clock
from sn37.ports.errors import WebhookRefused, WebhookUnavailable
from sn37.ports.telemetry import EventSink


def build_notifier(settings: Settings, notices: Notices, clock: Clock) -> EventSink:
    """Return the sink that sends messages; one that does nothing without a webhook."""
    if settings.webhook is None:
        return FanOut(())
    address = settings.webhook.get_secret_value()
    return Notifier(
        webhook=HttpWebhook(address),
        notices=notices,
        kinds=frozenset(map(NoticeKind, settings.webhook_kinds)),
        compose=partial(body_of, format_=_format(settings, address), sender=_sender(settings)),
        monotonic=clock.monotonic,
    )


def try_webhook(settings: Settings) -> str:
    """Send one message for trial; return a line with its receiver and its format.

    Raises:
        CommandError: The settings have no webhook, or it did not take the message.
    """
    if settings.webhook is None:
        raise CommandError(
            "no webhook to try: set SN37_WEBHOOK, or webhook in the file of --config"
        )
    address = settings.webhook.get_secret_value()
    webhook, format_ = HttpWebhook(address), _format(settings, address)
    notice = Notice(
        kind=NoticeKind.TRIAL, title="a trial", text="messages arrive", at=datetime.now(UTC)
    )
    parcel = Parcel(notice=notice, num_more=0, put_at=0.0)
    body = body_of(parcel, format_, sender=_sender(settings))
    try:
        webhook.post(body, timeout_s=POST_TIMEOUT_S)
    except (WebhookUnavailable, WebhookRefused) as error:
        raise CommandError(f"webhook at {webhook.name}: {error}") from error
    return f"{webhook.name} took a message in the format {format_}"


def _format(settings: Settings, address: str) -> BodyFormat:
    chosen = settings.webhook_format
    return format_of(address) if chosen == "auto" else BodyFormat(chosen)


def _sender(settings: Settings) -> str:
    return f"sn37 {settings.network_name}"
