"""Labels, as Kestra calls the tags that a person gives to executions: `key=value`. Knows nothing but text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from taxi_assets.errors import SettingsError

_FORM = re.compile(r"([A-Za-z0-9][A-Za-z0-9_./-]{0,62})=(.{1,255})")
_RESERVED = {
    "system.": "is kept for the engine, as in Kestra",
    ".dagster/": "is kept for Dagster",
    "dagster/": "is kept for Dagster",
    "taxi_assets/": "is kept for this project",
    "trigger.": "is set from the schedule's tick",
}
_SET_BY_THE_RUN = ("file", "taxi")


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """Read `key=value` texts. Raises SettingsError naming the one that cannot be a label."""
    labels: dict[str, str] = {}
    for text in texts:
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise SettingsError(f"label {text!r}: write it as key=value, the key of letters, digits and . _ - /")
        key, value = match[1], match[2].strip()
        for prefix, reason in _RESERVED.items():
            if key.startswith(prefix):
                raise SettingsError(f"label {text!r}: {prefix}… {reason}; choose another key")
        if key in _SET_BY_THE_RUN:
            raise SettingsError(f"label {text!r}: every run sets {key} itself; choose another key")
        if labels.get(key, value) != value:
            raise SettingsError(f"label {key} is given twice, as {labels[key]} and as {value}; keep one")
        labels[key] = value
    return labels
