"""A flow as a YAML document: how it is read, and how it is written so that people can read and diff it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode, SequenceNode
from ruamel.yaml.representer import RoundTripRepresenter

from taxi_assets.errors import KestraError

FlowDocument: TypeAlias = Mapping[str, Any]
"""A flow as Kestra's YAML holds it: mappings, lists and scalars only."""

_PLAIN = re.compile(r"[A-Za-z/][\w./: -]*")
_WORDS_OF_YAML_1_1 = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Kestra reads YAML 1.1, where these are not text."""
_NEVER_FOLD = 10_000
"""An expression broken over two lines is hard to search for."""


class _FlowRepresenter(RoundTripRepresenter):
    """SQL and other text of several lines stands as it is, expressions in double quotes, lists of words on a line."""

    def represent_text(self, text: str) -> ScalarNode:
        if "\n" in text:
            style = "|"
        elif _PLAIN.fullmatch(text) and ": " not in text and text.lower() not in _WORDS_OF_YAML_1_1:
            style = None
        else:
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def represent_sequence_of_words(self, values: list[Any]) -> SequenceNode:
        words = all(isinstance(value, str) and len(value) < 40 for value in values)
        return self.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=words)


_FlowRepresenter.add_representer(str, _FlowRepresenter.represent_text)
_FlowRepresenter.add_representer(list, _FlowRepresenter.represent_sequence_of_words)


def dump(flow: FlowDocument, header: str) -> str:
    """The flow as YAML under `header` as a comment, its sections parted by an empty line."""
    yaml = YAML()
    yaml.Representer = _FlowRepresenter
    yaml.width = _NEVER_FOLD
    yaml.indent(mapping=2, sequence=4, offset=2)
    buffer = io.StringIO()
    yaml.dump(dict(flow), buffer)
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    return comment + _part(buffer.getvalue())


def _part(text: str) -> str:
    """Empty lines before the sections of a flow and between the tasks of a list."""
    text = re.sub(r"(?m)^(?=(?!id|namespace|description)[a-zA-Z]+:\n)", "\n", text)
    return re.sub(r"(?m)(?<!:\n)^(?= *- id:)", "\n", text)


def load(text: str, name: str) -> FlowDocument:
    """Read a flow. `name` is what the error calls it: a file name."""
    try:
        flow = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise KestraError(f"{name} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(flow, dict) or not {"id", "namespace", "tasks"} <= flow.keys():
        raise KestraError(f"{name} is not a Kestra flow: it needs an id, a namespace and tasks")
    return flow
