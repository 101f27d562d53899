"""`failure_sensor`: posts each failed run to a webhook."""

from __future__ import annotations

from dagster import (
    DefaultSensorStatus,
    RunFailureSensorContext,
    SensorDefinition,
    SkipReason,
    run_failure_sensor,
)

from taxi_assets.errors import TaxiAssetsError
from taxi_assets.settings import Settings

_TIMEOUT = 10
_ATTEMPTS = 3
"""Dagster tells of a run once: what does not get through now is not sent again."""
_LONGEST = 2000
"""Characters of an error; chat services refuse long messages."""


class WebhookError(TaxiAssetsError):
    """The webhook does not take the message. Never holds the URL, which may be a secret."""


def failure_sensor(settings: Settings) -> SensorDefinition:
    """Posts JSON to TAXI_FAILURE_WEBHOOK_URL. Stopped until a person switches it on."""

    @run_failure_sensor(
        name="failure_sensor",
        default_status=DefaultSensorStatus.STOPPED,
        description="Posts each failed run as JSON to TAXI_FAILURE_WEBHOOK_URL.",
    )
    def tell(context: RunFailureSensorContext) -> SkipReason | None:
        run = context.dagster_run
        if settings.failure_webhook_url is None:
            return SkipReason(f"run {run.run_id[:8]} failed; TAXI_FAILURE_WEBHOOK_URL is not set, so nobody is told")
        _post(settings.failure_webhook_url.get_secret_value(), _message(context))
        return None

    return tell


def _message(context: RunFailureSensorContext) -> dict[str, str | None]:
    run = context.dagster_run
    failures = [
        data.user_failure_data.description or ""
        for event in context.get_step_failure_events()
        if (data := event.step_failure_data).user_failure_data
    ]
    error = "; ".join(failures) or context.failure_event.message or "unknown"
    month = run.tags.get("dagster/partition")
    return {
        "text": f"{run.job_name} {run.tags.get('file', '')} failed: {error}"[:_LONGEST],
        "run_id": run.run_id,
        "job": run.job_name,
        "taxi": run.tags.get("taxi"),
        "month": month,
        "file": run.tags.get("file"),
        "error": error[:_LONGEST],
    }


def _post(url: str, message: dict[str, str | None]) -> None:
    import httpx
    from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_attempt, wait_exponential

    tries = Retrying(
        retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(lambda answer: answer.status_code >= 500),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential(),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    try:
        response = tries(httpx.post, url, json=message, timeout=_TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WebhookError(
            f"the webhook cannot be reached ({type(error).__name__}): check TAXI_FAILURE_WEBHOOK_URL"
        ) from None
    if not response.is_success:
        raise WebhookError(f"the webhook answered {response.status_code}: check TAXI_FAILURE_WEBHOOK_URL")
