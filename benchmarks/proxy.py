"""A server far away: a TCP proxy that holds every byte back for a while, each way.

Like a real connection it lets only a window of unacknowledged bytes be under way, so that a connection's speed is at
most window ÷ round trip; several connections have a window each.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_WINDOW = 256 * 1024
"""Bytes: what a connection across a country typically reaches."""
_BLOCK = 32 * 1024


@contextmanager
def delayed(host: str, port: int, one_way: float) -> Iterator[int]:
    """A port on this machine that leads to host:port, `one_way` seconds later in each direction."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxy = _Proxy(host, port, one_way)
    server = asyncio.run_coroutine_threadsafe(proxy.start(), loop).result()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Proxy:
    def __init__(self, host: str, port: int, one_way: float) -> None:
        self._host = host
        self._port = port
        self._one_way = one_way
        self._links: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self, server: asyncio.Server) -> None:
        server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        if link is not None:
            self._links.add(link)
            link.add_done_callback(self._links.discard)
        there, back = await asyncio.open_connection(self._host, self._port)
        await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        window = asyncio.Semaphore(_WINDOW // _BLOCK)

        async def deliver() -> None:
            with suppress(ConnectionError):
                while True:
                    due, data = await under_way.get()
                    await asyncio.sleep(due - loop.time())
                    if not data:
                        break
                    writer.write(data)
                    await writer.drain()
                    loop.call_later(self._one_way, window.release)  # the acknowledgement travels back
            writer.close()

        delivery = asyncio.create_task(deliver())
        try:
            data = b"more"
            while data:
                await window.acquire()
                try:
                    data = await reader.read(_BLOCK)
                except ConnectionError:
                    data = b""
                under_way.put_nowait((loop.time() + self._one_way, data))
            await delivery
        finally:
            delivery.cancel()
