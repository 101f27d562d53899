"""What a place that publishes trip files can be asked, whether it is a web server or a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from taxi_assets.errors import NotPublishedError
from taxi_assets.trips.raw_folder import Part

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and those expected, None when the server does not say."""


@dataclass(frozen=True, slots=True)
class Published:
    """What an origin tells about a file without giving it."""

    size: int | None
    """Bytes of the .gz; None when the server does not say."""
    etag: str | None
    last_modified: str | None
    """As the server writes it; ISO 8601 in UTC for a file of a folder."""

    def same_as(self, other: Published) -> bool:
        """Whether both are one version of the file: by ETag, else by time and size. Unknown counts as changed."""
        if self.etag and other.etag:
            return self.etag == other.etag
        known = self.last_modified is not None and self.size is not None
        return known and (self.last_modified, self.size) == (other.last_modified, other.size)


class Origin(Protocol):
    """Files are named by their path below the origin's URL, `{taxi}/{file}`."""

    def check(self) -> None:
        """Raises UnreachableError when nothing answers."""

    def probe(self, name: str) -> Published | None:
        """None when there is no such file. Raises SourceError when that cannot be told."""

    def download(self, name: str, part: Part, progress: Progress) -> Published:
        """Fill `part` with the whole file. Raises SourceError, FileError or DiskError."""


def not_published(url: str) -> NotPublishedError:
    name = url.rpartition("/")[2]
    return NotPublishedError(
        f"{name} is not published, there is no {url}: choose another month or check TAXI_SOURCE_URL"
    )
