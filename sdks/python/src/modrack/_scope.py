"""What every call of a client carries besides its input: deadline, credential, trace. Encodes no values and opens no channel."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from modrack import _telemetry
from modrack._called import called
from modrack._wire_errors import from_rpc
from modrack.errors import Cancelled, DeadlineExceeded, ModrackError

if TYPE_CHECKING:
    from modrack.context import Context

Metadata = tuple[tuple[str, str], ...]


class Sent:
    """How one call goes out. `timeout` is in seconds, `None` for one that lasts."""

    __slots__ = ("_ctx", "metadata", "timeout")

    def __init__(self, timeout: float | None, metadata: Metadata, ctx: Context | None) -> None:
        self.timeout = timeout
        self.metadata = metadata
        self._ctx = ctx

    def wait(self, rpc: Any, request: Any) -> Any:
        """The answer to a call from a thread; the end of the handler's own call ends it."""
        if self._ctx is None:
            return rpc(request, timeout=self.timeout, metadata=self.metadata)
        future = rpc.future(request, timeout=self.timeout, metadata=self.metadata)
        with self.cancelled_with(future):
            return future.result()

    @contextmanager
    def cancelled_with(self, call: Any) -> Generator[None]:
        """Cancels a gRPC call when the handler's own call is cancelled."""
        if self._ctx is None:
            yield
            return
        self._ctx.on_cancel(call.cancel)
        try:
            yield
        except (concurrent.futures.CancelledError, grpc.FutureCancelledError) as cause:
            raise Cancelled("client.call.cancelled", "the call that this one belongs to is cancelled") from cause
        finally:
            self._ctx.off_cancel(call.cancel)


class Scope:
    """Of a client alone: its token. Of a handler's client: what is left of the deadline, and the trace, of `ctx` as well."""

    __slots__ = ("_ctx", "_token")

    def __init__(self, token: Callable[[], str], ctx: Context | None = None) -> None:
        self._token = token
        self._ctx = ctx

    @contextmanager
    def call(self, name: str, timeout: float | None) -> Generator[Sent]:
        """One exchange with the host, e.g. `text.Uppercase`. gRPC's failures come out as `ModrackError`.

        # Errors
        `DeadlineExceeded` at once when the handler's own deadline has passed.
        """
        ctx = self._ctx
        left = ctx.time_left if ctx is not None else None
        if left is not None:
            if left <= 0:
                why = "nothing is left of the deadline of the call that this one belongs to"
                raise called(DeadlineExceeded("client.deadline.exceeded", why, retryable=True))
            timeout = left if timeout is None else min(timeout, left)
        token = self._token()
        metadata: Metadata = (("authorization", f"Bearer {token}"),) if token else ()
        began = time.monotonic()
        with _telemetry.client_span(name, ctx) as trace:
            try:
                yield Sent(timeout, metadata + trace, ctx)
            except grpc.RpcError as failure:
                error = from_rpc(failure)
                # A server that enforces the same deadline may be a moment faster, and gRPC stacks call that a cancellation.
                if (
                    error.code == "client.call.cancelled"
                    and timeout is not None
                    and time.monotonic() - began >= timeout
                ):
                    error = DeadlineExceeded("client.deadline.exceeded", f"no answer in {timeout:g} s", retryable=True)
                raise called(error) from None
            except ModrackError as error:
                called(error)
                raise
