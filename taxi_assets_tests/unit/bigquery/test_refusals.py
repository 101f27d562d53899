from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.auth.exceptions import RefreshError

from taxi_assets.bigquery.refusals import told_plainly
from taxi_assets.errors import GoogleError


@pytest.mark.parametrize(
    ("error", "reason", "said"),
    [
        (exceptions.Forbidden("Exceeded rate limits"), "rateLimitExceeded", "the project's quota is used up"),
        (exceptions.TooManyRequests("slow down"), "", "the project's quota is used up"),
        (exceptions.Forbidden("Billing has not been enabled"), "billingNotEnabled", "link the project to a billing"),
        (exceptions.Forbidden("Access Denied: Dataset p:d"), "accessDenied", "roles/bigquery.jobUser"),
        (exceptions.NotFound("Dataset p:d was not found in location US"), "notFound", "set GCP_LOCATION to where"),
        (
            exceptions.BadRequest("Cannot read and write in different locations: source: US, destination: EU"),
            "invalid",
            "set GCP_LOCATION to where",
        ),
        (exceptions.NotFound("Not found: Dataset p:d"), "notFound", "-j gcp_setup"),
        (exceptions.Unauthorized("Invalid Credentials"), "authError", "make a new one.*gcloud auth"),
        (exceptions.InternalServerError("oops"), "backendError", "Google's side failed"),
        (exceptions.BadRequest("Syntax error"), "invalidQuery", "look at the job in the console"),
    ],
)
def test_refusal_is_one_line_that_says_what_to_do(error: exceptions.GoogleAPICallError, reason: str, said: str) -> None:
    error._errors = [{"reason": reason, "message": f"{error.message}\n\nLocation: US\nJob ID: 1"}] if reason else []
    with (
        pytest.raises(GoogleError, match=f"^merging: {error.message.split()[0]}.*{said}") as told,
        told_plainly("merging"),
    ):
        raise error
    assert "\n" not in str(told.value)
    assert "Job ID" not in str(told.value)


@pytest.mark.parametrize(
    "said", ["Reauthentication is needed. Please run `gcloud auth login`", "('invalid_grant: Invalid JWT Signature.')"]
)
def test_credentials_that_are_used_up_are_a_key_or_a_login(said: str) -> None:
    with pytest.raises(GoogleError, match=r"set SECRET_GCP_CREDS anew; .*gcloud auth application-default login"):  # noqa: SIM117
        with told_plainly("merging"):
            raise RefreshError(said)


def test_programming_errors_are_not_hidden() -> None:
    with pytest.raises(KeyError), told_plainly("merging"):
        raise KeyError("x")
