"""A session that does not wait for ever: a paused server, or a network that swallows everything, sends no error.

TCP cannot tell these from a server that is busy: the kernel of a paused one goes on acknowledging what it gets. A busy
server lets another session in, though, so after a while without a byte it is asked for one.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

T = TypeVar("T")


class Session(Connection[TupleRow]):
    """A psycopg connection that raises OperationalError, and is closed, when its server answers nobody any more."""

    silence_timeout: float
    """Seconds without a byte before the server is asked. It has the session's `connect_timeout` to answer."""

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        """All that psycopg waits for in a session passes here."""
        return super().wait(self._watched(gen), *args, **kwargs)

    def _watched(self, gen: PQGen[T]) -> PQGen[T]:
        """The same steps, with a look at the clock whenever psycopg wakes up and there is nothing to read or write."""
        try:
            wanted = next(gen)
            last = time.monotonic()
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    last = now
                elif now - last > self.silence_timeout:
                    self._require_answer()
                    last = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _require_answer(self) -> None:
        # PQping would ask for less, but psycopg holds Python's lock meanwhile, and with it every other thread.
        try:
            Connection.connect(self.info.dsn, password=self.info.password).close()
        except OperationalError as error:
            if "FATAL" in str(error):  # what the server itself says, such as that it has too many connections
                return
            self.pgconn.finish()  # else the clean-up that follows would wait as long again
            raise OperationalError(f"nothing came for {self.silence_timeout:g} s, and it lets nobody in") from None
