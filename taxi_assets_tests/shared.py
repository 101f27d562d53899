"""The folder of recorded truth and real trip files that lies beside a developer's checkout, and not beside a user's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from taxi_assets.settings import project_dir

SHARED_DIR = Path(os.environ.get("TAXI_SHARED_DIR") or project_dir().parent / "shared")


def shared_path(relative: str) -> Path:
    """A file of the shared folder; skips the test where there is none."""
    path = SHARED_DIR / relative
    if not path.exists():
        pytest.skip(f"{path} is absent: set TAXI_SHARED_DIR to the folder with the recorded truth")
    return path


def kestra_truth(name: str) -> Any:
    """What a real Kestra 1.1 did, from one of the recorded JSON files."""
    return json.loads(shared_path(f"kestra-truth/{name}").read_text(encoding="utf-8"))
