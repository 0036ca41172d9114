"""The clients of handlers: one channel per provider and kind, opened at the first call. Decides nothing about calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc
    import grpc.aio

    from modrack._address import Address
    from modrack._calls import Shape
    from modrack._generated.host.v1.host_grpc import HostAsyncStub, HostStub
    from modrack._pipeline_calls import Plans
    from modrack.client import AsyncClient, Client
    from modrack.context import Context


class HostClients:
    """Makes the clients of one provider's handlers. `token` gives what the host lets them in by, at each call."""

    def __init__(self, address: Address, token: Callable[[], str]) -> None:
        self._address = address
        self._token = token
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._shapes: dict[str, Shape] = {}
        self._kept_plans: Plans | None = None
        self._async: tuple[grpc.aio.Channel, HostAsyncStub] | None = None
        self._sync: tuple[grpc.Channel, HostStub] | None = None

    def async_client(self, ctx: Context) -> AsyncClient:
        """The client of an async handler; belongs to the provider's event loop."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("`Context.client` is for async handlers; a sync one has `Context.sync_client`")
        # Imported late: most handlers call nobody.
        from modrack._generated.host.v1.host_grpc import HostAsyncStub
        from modrack._scope import Scope
        from modrack.client import AsyncClient

        if self._async is None:
            channel = self._address.async_channel()
            self._async = channel, HostAsyncStub(channel)
        return AsyncClient.of_call(self._async[1], Scope(self._token, ctx), self._shapes, self._plans)

    def client(self, ctx: Context) -> Client:
        """The client of a handler in a worker thread."""
        if threading.get_ident() == self._thread:
            raise RuntimeError(
                "`Context.sync_client` would block the event loop; an async handler has `Context.client`"
            )
        from modrack._generated.host.v1.host_grpc import HostStub
        from modrack._scope import Scope
        from modrack.client import Client

        with self._lock:
            if self._sync is None:
                channel = self._address.channel()
                self._sync = channel, HostStub(channel)
        return Client.of_call(self._sync[1], Scope(self._token, ctx), self._shapes, self._plans)

    @property
    def _plans(self) -> Plans:
        if self._kept_plans is None:
            from modrack._pipeline_calls import Plans

            self._kept_plans = Plans()
        return self._kept_plans

    async def close(self) -> None:
        """Closes what was opened; calls that run fail."""
        if self._async is not None:
            await self._async[0].close()
        with self._lock:
            if self._sync is not None:
                self._sync[0].close()
