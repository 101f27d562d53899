"""The Pebble expressions that the flows use, rendered as Kestra renders them.

Known: `{{ … }}` with names, `.key`, `[key]`, text, `~`, `==`, parentheses, `render(…)` and `| date('yyyy-MM')`.
Anything else is refused by name before a statement runs, so that nothing is rendered differently than by Kestra.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from taxi_assets.errors import KestraError

Context: TypeAlias = Mapping[str, Any]
Expression: TypeAlias = Callable[[Context], Any]

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_FOREIGN = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z_]\w*)|'(?P<text>[^']*)'|(?P<sign>==|[.\[\]()~|])|(?P<odd>\S+))")
_DATE_PARTS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_DATE_FORM = re.compile(r"(yyyy|MM|dd|HH|mm|ss)|([^A-Za-z'])")


def render(template: str, context: Context) -> str:
    """The template with its expressions evaluated. Raises KestraError for one that is unknown or has no value."""
    _refuse_tags(template)
    return _EXPRESSION.sub(lambda match: _as_text(_parse(match[1])(context)), template)


def check(template: str) -> None:
    """Raise KestraError for an expression that render() would refuse whatever the values are."""
    _refuse_tags(template)
    for match in _EXPRESSION.finditer(template):
        _parse(match[1])


def _refuse_tags(template: str) -> None:
    if tag := _FOREIGN.search(template):
        raise KestraError(f"the replay does not know the Pebble tag {tag[0]!r}")


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else str(value)


def _parse(source: str) -> Expression:
    return _Parser(source).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


_END = _Token("end", "the end")


class _Parser:
    """Recursive descent: comparison, concatenation, filters, then a value with its keys. A filter binds closest."""

    def __init__(self, source: str) -> None:
        self._source = source.strip()
        self._tokens = [
            _Token(match.lastgroup or "", match[match.lastgroup or 0]) for match in _TOKEN.finditer(self._source)
        ]
        self._next = 0

    def whole(self) -> Expression:
        expression = self._comparison()
        if self._token != _END:
            raise self._unknown()
        return expression

    def _comparison(self) -> Expression:
        left = self._concatenation()
        if not self._took("=="):
            return left
        right = self._concatenation()
        return lambda context: left(context) == right(context)

    def _concatenation(self) -> Expression:
        parts = [self._filtered()]
        while self._took("~"):
            parts.append(self._filtered())
        if len(parts) == 1:
            return parts[0]
        return lambda context: "".join(_as_text(part(context)) for part in parts)

    def _filtered(self) -> Expression:
        value = self._value()
        while self._took("|"):
            name = self._take("name")
            if name != "date":
                raise KestraError(f"the replay does not know the Pebble filter {name!r} in {self._quoted}")
            self._expect("(")
            form = _date_form(self._take("text"))
            self._expect(")")
            value = _dated(value, form, self._quoted)
        return value

    def _value(self) -> Expression:
        token = self._token
        if token.kind not in {"name", "text"} and token.text != "(":
            raise self._unknown()
        self._next += 1
        if token.kind == "text":
            return lambda _context: token.text
        if token.kind == "sign":
            inner = self._comparison()
            self._expect(")")
            return inner
        return self._call(token.text) if self._took("(") else self._path(token.text)

    def _call(self, function: str) -> Expression:
        if function != "render":
            raise KestraError(f"the replay does not know the Pebble function {function}() in {self._quoted}")
        argument = self._comparison()
        self._expect(")")
        return lambda context: render(_as_text(argument(context)), context)

    def _path(self, name: str) -> Expression:
        keys: list[Expression] = [lambda _context: name]
        while True:
            if self._took("."):
                key = self._take("name")
                keys.append(lambda _context, key=key: key)  # type: ignore[misc]
            elif self._took("["):
                keys.append(self._comparison())
                self._expect("]")
            else:
                return lambda context: _look_up([key(context) for key in keys], context, self._quoted)

    def _took(self, sign: str) -> bool:
        found = self._token == _Token("sign", sign)
        self._next += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._took(sign):
            raise self._unknown()

    def _take(self, kind: str) -> str:
        token = self._token
        if token.kind != kind:
            raise self._unknown()
        self._next += 1
        return token.text

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else _END

    @property
    def _quoted(self) -> str:
        return f"{{{{{self._source}}}}}"

    def _unknown(self) -> KestraError:
        return KestraError(
            f"the replay does not know the Pebble expression {self._quoted} (it stops at {self._token.text!r})"
        )


def _look_up(keys: list[Any], context: Context, quoted: str) -> Any:
    value: Any = context
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            raise KestraError(f"{quoted} has no value: there is no {'.'.join(map(str, keys))}")
        value = value[key]
    return value


def _date_form(java: str) -> str:
    """A pattern of Java's DateTimeFormatter as strftime's."""
    if _DATE_FORM.sub("", java):
        raise KestraError(f"the replay does not know the date pattern {java!r}")
    return _DATE_FORM.sub(lambda match: _DATE_PARTS[match[1]] if match[1] else match[2].replace("%", "%%"), java)


def _dated(value: Expression, form: str, quoted: str) -> Expression:
    def dated(context: Context) -> str:
        moment = value(context)
        if not isinstance(moment, datetime):
            raise KestraError(f"{quoted} needs a date, and {moment!r} is none")
        return moment.strftime(form)

    return dated
