from __future__ import annotations

import pytest

from taxi_assets.errors import KestraError
from taxi_assets.kestra.transport import Transport


@pytest.mark.parametrize("url", ["http://admin:Pa/ss1@host:8080", "admin:Pass1@host:8080", "ftp://admin:Pass1@host"])
def test_password_of_a_url_that_cannot_be_is_not_shown(url: str) -> None:
    with pytest.raises(KestraError, match="is not a URL of a Kestra server") as error:
        Transport(url, None, None, tenant="main", timeout=1)
    assert "Pa" not in str(error.value)
    assert "ss1" not in str(error.value)
