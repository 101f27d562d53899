"""What Google refuses, in one line that says what to do. Messages of Google's are quoted, requests never."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from taxi_assets.errors import GoogleError, TaxiAssetsError

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError

SETUP = "dagster job execute -m taxi_assets.definitions -j gcp_setup"
ROLES = "roles/bigquery.dataEditor, roles/bigquery.jobUser and, for the bucket, roles/storage.admin"
_RENEW = (
    "if they are a service account's key, make a new one and set SECRET_GCP_CREDS anew; if they are a login, renew it "
    "with: gcloud auth application-default login"
)
_QUOTA = {"quotaExceeded", "rateLimitExceeded", "jobRateLimitExceeded", "userRateLimitExceeded"}


@contextmanager
def told_plainly(doing: str) -> Iterator[None]:
    """Turn an error of Google's into a GoogleError of one line; `doing` says what was being done."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.cloud.storage.exceptions import DataCorruption
    from requests.exceptions import ConnectionError as Unreachable
    from requests.exceptions import Timeout

    try:
        yield
    except TaxiAssetsError:
        raise
    except GoogleAPICallError as error:
        raise GoogleError(f"{doing}: {_said(error)}; {_to_do(error)}") from error
    except DataCorruption as error:
        raise GoogleError(f"{doing}: the bytes were damaged on the way; run the month again") from error
    except (TransportError, Unreachable, Timeout, RetryError, ConnectionError, TimeoutError) as error:
        raise GoogleError(
            f"{doing}: Google does not answer; check the network, then run it again (TAXI_GCP_TIMEOUT sets the limit)"
        ) from error
    except GoogleAuthError as error:
        raise GoogleError(
            f"{doing}: Google does not accept the credentials ({_one_line(str(error))[:120]}); {_RENEW}"
        ) from error


def reason(error: GoogleAPICallError) -> str:
    """Google's word for the error, such as `quotaExceeded`; empty when it gave none."""
    return next((str(e["reason"]) for e in error.errors if isinstance(e, dict) and e.get("reason")), "")


def _said(error: GoogleAPICallError) -> str:
    messages = [str(e["message"]) for e in error.errors if isinstance(e, dict) and e.get("message")]
    text = messages[0] if messages else _in_body(error) or str(error.message)
    return _one_line(text)[:400].rstrip(".")


def _in_body(error: GoogleAPICallError) -> str:
    """The message in the answer itself, which an upload's error only quotes whole."""
    try:
        return str(error.response.json()["error"]["message"])
    except (AttributeError, ValueError, KeyError, TypeError):
        return f"HTTP status {error.code}" if "Request failed with status" in str(error.message) else ""


def _one_line(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def _to_do(error: GoogleAPICallError) -> str:  # noqa: PLR0911 — a table of answers
    said, word = _said(error).lower(), reason(error)
    if word in _QUOTA or error.code == 429:
        return "the project's quota is used up: wait, or ask for more (IAM & Admin > Quotas), then run the month again"
    if word == "billingNotEnabled" or "billing" in said:
        return "link the project to a billing account"
    if "location" in said and (error.code == 404 or "read and write in different" in said):
        return "set GCP_LOCATION to where the dataset and the bucket are: both must be in one place"
    if error.code == 404:
        return f"check GCP_PROJECT_ID, GCP_DATASET and GCP_BUCKET_NAME, or make what is missing: {SETUP}"
    if error.code == 401:
        return _RENEW
    if error.code == 403:
        return f"check the names, and that the service account has {ROLES}"
    if error.code is not None and error.code >= 500:
        return "Google's side failed: run the month again"
    return "run the month again; if it stays, look at the job in the console"
