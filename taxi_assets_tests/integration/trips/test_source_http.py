"""What a web server may answer to a download, and what becomes of it."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from taxi_assets.errors import NotPublishedError, SettingsError, SourceError, UnreachableError
from taxi_assets.settings import Settings
from taxi_assets.trips.source import Published, Source
from taxi_assets_tests.integration.trips.conftest import MakeSource, failure, left_in, whole_file
from taxi_assets_tests.integration.trips.web import APRIL, GREEN, NAME, Answer, csv_gz, free_port, serving
from taxi_assets_tests.reliability import Report

BODY = csv_gz()
WHEN = "Mon, 06 Jul 2020 10:00:00 GMT"


def test_fetch(source: MakeSource, folder: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serving(lambda answer: answer.whole(BODY, ETag='"1"', Last_Modified=WHEN)) as web:
        raw = source(web.url).fetch(GREEN, APRIL, lambda done, total: seen.append((done, total)))
    assert raw.path == folder / NAME
    assert raw.path.read_bytes() == BODY
    assert (raw.url, raw.size, raw.sha256) == (f"{web.url}/{NAME}", len(BODY), hashlib.sha256(BODY).hexdigest())
    assert (raw.etag, raw.last_modified, raw.fetched, raw.note) == ('"1"', WHEN, True, None)
    assert seen[-1] == (len(BODY), len(BODY))
    assert len(seen) > 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert left_in(folder) == [NAME, f"{NAME}.json"]
    assert [request.path for request in web.requests] == [f"/{NAME}"]


@pytest.mark.parametrize("status", [404, 410])
def test_missing_is_not_published_and_not_retried(source: MakeSource, folder: Path, status: int) -> None:
    with serving(lambda answer: answer.error(status)) as web:
        with pytest.raises(
            NotPublishedError, match=r"^green_tripdata_2020-04.csv.gz is not published.*choose"
        ) as error:
            source(web.url).fetch(GREEN, APRIL)
        assert f"{web.url}/{NAME}" in str(error.value)
        assert len(web.requests) == 1
        assert source(web.url).probe(GREEN, APRIL) is None
    assert left_in(folder) == []


@pytest.mark.parametrize("status", [400, 401, 403, 418])
def test_refusal_is_not_retried(source: MakeSource, status: int) -> None:
    with serving(lambda answer: answer.error(status)) as web:
        with pytest.raises(SourceError, match=f"answers {status} ") as error:
            source(web.url).fetch(GREEN, APRIL)
        assert len(web.requests) == 1
    assert not isinstance(error.value, UnreachableError | NotPublishedError)
    assert "\n" not in str(error.value)


def test_server_error_twice_then_good(source: MakeSource, report: Report) -> None:
    with serving(lambda answer: answer.error(500) if answer.number < 3 else answer.whole(BODY)) as web:
        assert source(web.url).fetch(GREEN, APRIL).path.read_bytes() == BODY
    assert len(web.requests) == 3
    report.row("500", "500 twice, then the file", whole_file(web))


def test_attempts_bound_the_tries(source: MakeSource, folder: Path) -> None:
    with serving(lambda answer: answer.error(503)) as web:
        with pytest.raises(UnreachableError, match=r"503 Service Unavailable, after 2 tries.*run again"):
            source(web.url, attempts=2).fetch(GREEN, APRIL)
        assert len(web.requests) == 2
    assert left_in(folder) == []


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_too_many_requests_waits_as_asked(source: MakeSource, report: Report, form: str) -> None:
    def script(answer: Answer) -> None:
        # A date has whole seconds: two from now is between one and two.
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        if answer.number == 1:
            answer.error(429, Retry_After="1" if form == "seconds" else date)
        else:
            answer.whole(BODY)

    with serving(script) as web:
        source(web.url).fetch(GREEN, APRIL)
    first, second = web.requests
    assert 0.9 < second.at - first.at < 3
    report.row("429", "429 with Retry-After, then the file", f"{whole_file(web)}, as much later as it says")


def test_timeout(source: MakeSource, folder: Path) -> None:
    done = threading.Event()

    def script(answer: Answer) -> None:
        answer.start(len(BODY))
        answer.wfile.write(BODY[:1000])
        done.wait(10)

    with serving(script) as web:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match=r"no answer in time \(TAXI_HTTP_TIMEOUT\), after 2 tries"):
            source(web.url, timeout=0.2, attempts=2).fetch(GREEN, APRIL)
        took = time.monotonic() - began
        done.set()
    assert 0.4 <= took < 5
    assert len(web.requests) == 2
    assert left_in(folder) == []


def test_connection_refused_is_one_line(source: MakeSource, folder: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnreachableError, match="refused, after 3 tries: check the network") as error:
        source(url).fetch(GREEN, APRIL)
    assert f"{url}/{NAME}" in str(error.value)
    assert "\n" not in str(error.value)
    assert left_in(folder) == []


def test_no_tls_is_not_retried(source: MakeSource) -> None:
    tries: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def plain() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                tries.append(time.monotonic())
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

        threading.Thread(target=plain, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(SourceError, match="no secure connection") as error:
            source(url).fetch(GREEN, APRIL)
    assert not isinstance(error.value, UnreachableError)
    assert "\n" not in str(error.value)
    assert len(tries) == 1


def test_redirect_is_followed(source: MakeSource) -> None:
    with (
        serving(lambda answer: answer.whole(BODY)) as store,
        serving(lambda answer: answer.redirect(f"{store.url}/blob?signature=1")) as web,
    ):
        raw = source(web.url).fetch(GREEN, APRIL)
    assert raw.path.read_bytes() == BODY
    assert raw.url == f"{web.url}/{NAME}"
    assert store.requests[0].path == "/blob?signature=1"


def test_redirect_loop(source: MakeSource, report: Report) -> None:
    with serving(lambda answer: answer.redirect(f"/{answer.number}")) as web:
        with pytest.raises(SourceError, match="redirects in a circle, or more than 5 times") as error:
            source(web.url).fetch(GREEN, APRIL)
        assert len(web.requests) == 6
    assert "\n" not in str(error.value)
    report.row("redirects", "redirects in a circle", failure(web, error.value))


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/file.csv.gz"])
def test_redirect_to_another_kind_of_url_is_refused(source: MakeSource, folder: Path, location: str) -> None:
    with serving(lambda answer: answer.redirect(location)) as web:
        with pytest.raises(SourceError, match=r"something that is not http\(s\)"):
            source(web.url).fetch(GREEN, APRIL)
        assert len(web.requests) == 1
    assert left_in(folder) == []


def test_probe(source: MakeSource, folder: Path) -> None:
    with serving(lambda answer: answer.whole(BODY, ETag='"1"', Last_Modified=WHEN)) as web:
        assert source(web.url).probe(GREEN, APRIL) == Published(len(BODY), '"1"', WHEN)
    assert [request.method for request in web.requests] == ["HEAD"]
    assert not folder.exists()


def test_probe_where_head_is_not_allowed(source: MakeSource) -> None:
    def script(answer: Answer) -> None:
        if answer.command == "HEAD":
            answer.error(405)
        else:
            answer.start(10**12, ETag='"1"')

    with serving(script) as web:
        assert source(web.url).probe(GREEN, APRIL) == Published(10**12, '"1"', None)


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_check_takes_any_answer(source: MakeSource, status: int) -> None:
    with serving(lambda answer: answer.error(status, Location="http://127.0.0.1:1/")) as web:
        source(web.url).check()


def test_check_when_nothing_answers(source: MakeSource) -> None:
    with pytest.raises(UnreachableError, match="refused: check the network and TAXI_SOURCE_URL") as error:
        source(f"http://127.0.0.1:{free_port()}").check()
    assert "\n" not in str(error.value)


def test_password_is_used_and_never_shown(source: MakeSource, folder: Path) -> None:
    def script(answer: Answer) -> None:
        if answer.path.startswith("/good"):
            answer.whole(BODY)
        else:
            answer.error(500)

    with serving(script) as web:
        login = web.url.replace("//", "//somebody:s%3Acret@")
        good = source(f"{login}/good")
        raw = good.fetch(GREEN, APRIL)
        with pytest.raises(SourceError) as error:
            source(f"{login}/bad").fetch(GREEN, APRIL)
        with pytest.raises(SourceError) as probed:
            source(f"{login}/bad").probe(GREEN, APRIL)
    assert web.requests[0].headers["Authorization"] == "Basic c29tZWJvZHk6czpjcmV0"
    record = (folder / f"{NAME}.json").read_text()
    for text in (raw.url, good.url_of(GREEN, APRIL), record, str(error.value), str(probed.value)):
        assert "127.0.0.1" in text
        assert "cret" not in text
        assert "somebody" not in text


def test_password_stays_with_its_server(source: MakeSource) -> None:
    with (
        serving(lambda answer: answer.whole(BODY)) as other,
        serving(lambda answer: answer.redirect(other.url)) as web,
    ):
        source(web.url.replace("//", "//somebody:secret@")).fetch(GREEN, APRIL)
    assert "Authorization" in web.requests[0].headers
    assert "Authorization" not in other.requests[0].headers


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/folder",
        "/folder",
        "http://",
        "https://me:pass/word@host/folder",
        "http://[host/folder",
        "https://host/folder?token=word",
        "file://host/folder",
        "file:folder",
        "file:///folder%00",
    ],
)
def test_url_that_cannot_be_a_source(source: MakeSource, url: str) -> None:
    with pytest.raises(SettingsError, match="TAXI_SOURCE_URL") as error:
        source(url)
    assert "word" not in str(error.value).replace("password", "")


@pytest.mark.parametrize("url", ["http://ho st/folder", "http://host/\x01folder"])
def test_url_that_httpx_refuses(source: MakeSource, url: str) -> None:
    for ask in (source(url).check, lambda: source(url).fetch(GREEN, APRIL)):
        with pytest.raises(SourceError, match="TAXI_SOURCE_URL"):
            ask()


def test_from_settings(tmp_path: Path) -> None:
    source = Source.from_settings(Settings(source_url="https://host/mirror/", data_dir=tmp_path))
    assert source.url_of(GREEN, APRIL) == f"https://host/mirror/{NAME}"
    assert source.path_of(GREEN, APRIL) == tmp_path / "raw" / NAME
