"""The provider: collects an author's functions as modules and serves them to a host. The work is done by `_session.py`."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from modrack._address import VARIABLE, find_address
from modrack._module import Example, Module, compile_module
from modrack.errors import FailedPrecondition, InvalidArgument, ModrackError

if TYPE_CHECKING:
    from modrack._session import Session

log = logging.getLogger("modrack")

Handler = TypeVar("Handler", bound=Callable[..., Any])

_NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*", re.ASCII)
_SERVICE_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_HINTS = {
    "registry.namespace.reserved": "`std`, `stdlib` and what is below them are the host's own; choose another namespace",
    "registry.namespace.denied": "the credential does not cover this namespace; ask who runs the host",
    "registry.credential.refused": "set MODRACK_CREDENTIAL_FILE to a file with a credential that the host knows",
    "registry.schema.incompatible": "keep the old types callable, or create the provider with `allow_breaking=True`",
    "registry.group.schema_mismatch": "all members of a group declare identical modules; use a new group id for new types",
    "registry.protocol.unsupported": "use an SDK of the same major version as the host",
    "client.method.unsupported": f"is what {VARIABLE} names a Modrack host?",
}


class Provider:
    """The modules of one namespace, served by this process.

    >>> from modrack import Provider
    >>> provider = Provider("text")
    >>> @provider.module
    ... def WordCount(text: str) -> int:
    ...     \"\"\"Count the words of a text.\"\"\"
    ...     return len(text.split())
    >>> print(provider.describe())
    provider text, 1 module:
      text.WordCount: {text: String} -> Int

    `service_id` says who the provider is, stable over restarts; it is the namespace by default. Providers with one
    `group_id` are replicas behind the same names and have a service id each. `grace` is the time in seconds that running calls get
    when the provider leaves. `threads` bounds how many sync handlers run at a time. `listen` and `service_url` matter on the unary
    plane alone: where the provider listens, and how the host calls it where that differs. The environment variables
    `MODRACK_HOST`, `MODRACK_PLANE`, `MODRACK_SERVICE_ID`, `MODRACK_GROUP_ID`, `MODRACK_CREDENTIAL_FILE`, `MODRACK_CA_FILE`,
    `MODRACK_CERT_FILE` and `MODRACK_KEY_FILE` stand in for what is not given; the last three belong to an `https` host.
    """

    def __init__(
        self,
        namespace: str,
        *,
        service_id: str | None = None,
        group_id: str | None = None,
        host: str | None = None,
        plane: str | None = None,
        credential_file: str | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        allow_breaking: bool = False,
        grace: float = 10.0,
        threads: int = 32,
        listen: str = "127.0.0.1:0",
        service_url: str = "",
    ) -> None:
        if not _NAMESPACE.fullmatch(namespace) or len(namespace) > 128:
            raise InvalidArgument("registry.name.invalid", f"`{namespace}` is no namespace")
        if threads < 1:
            raise InvalidArgument("client.option.invalid", "`threads` is at least 1")
        environ = os.environ
        self.namespace = namespace
        self.group_id = group_id if group_id is not None else environ.get("MODRACK_GROUP_ID", "")
        self.service_id = service_id or environ.get("MODRACK_SERVICE_ID") or self._default_service_id()
        if not _SERVICE_ID.fullmatch(self.service_id):
            raise InvalidArgument("registry.name.invalid", f"`{self.service_id}` is no service id")
        self.host = host
        self.configuration: dict[str, str] = {}
        """What the host sent with `ModuleLifecycle.Initialize`; unary plane only."""
        self._plane = plane
        self._credential_file = credential_file
        self._tls = {"ca_file": ca_file, "cert_file": cert_file, "key_file": key_file}
        self._allow_breaking = allow_breaking
        self._grace = grace
        self._threads = threads
        self._listen = listen
        self._service_url = service_url
        self._modules: dict[str, Module] = {}
        self._session: Session | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def modules(self) -> Mapping[str, Module]:
        """The modules by their unqualified names."""
        return self._modules

    @overload
    def module(self, handler: Handler, /) -> Handler: ...

    @overload
    def module(
        self,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        version: str = "",
        idempotent: bool = False,
        examples: Iterable[Example] = (),
        input: Any = None,
        output: Any = None,
    ) -> Callable[[Handler], Handler]: ...

    def module(self, handler: Any = None, /, **options: Any) -> Any:
        """Makes a function a module; the function itself stays as it is.

        Bare, or with options: `name` (that of the function), `description` (its docstring), `version` (semantic),
        `idempotent` (it may be retried), `examples` (pairs of input and output, checked here and at registration), `input` and
        `output` (an annotation or a `CType` in place of what the function says; with `input` it takes that one value).

        A generator, async or not, streams: annotate it with `AsyncIterator[T]` or `Iterator[T]`. See `batch` for several inputs at
        once.

        Raises `SchemaError` for an annotation without a type, with the path to it. On a running provider the new module is
        registered in the background; `await provider.publish()` waits for it.
        """
        return self._decorator(handler, options, sys._getframe(1))  # pyright: ignore[reportPrivateUsage]

    @overload
    def batch(self, handler: Handler, /) -> Handler: ...

    @overload
    def batch(
        self,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        version: str = "",
        idempotent: bool = False,
        examples: Iterable[Example] = (),
        input: Any = None,
        output: Any = None,
    ) -> Callable[[Handler], Handler]: ...

    def batch(self, handler: Any = None, /, **options: Any) -> Any:
        """Makes a function of several inputs a module, which can be called with one input as well.

        The function takes a `list` of inputs and returns as many outputs, in their order, or exceptions in place of those that
        failed: `def Embed(texts: list[Text]) -> list[Vector | ModuleError]`, where the fields of `Text` are the input of one call.
        Options as for `module`; `input`, `output` and `examples` are of one element. Inputs that are none never reach the
        function. One that returns another number of outputs fails all, with `module.batch_mismatch`.
        """
        return self._decorator(handler, {**options, "batch": True}, sys._getframe(1))  # pyright: ignore[reportPrivateUsage]

    def add(self, handler: Callable[..., Any], /, **options: Any) -> None:
        """`module` as an ordinary call, with the same options; `batch=True` makes it `batch`."""
        self._add(handler, options, _names_of(sys._getframe(1)))  # pyright: ignore[reportPrivateUsage]

    def remove(self, name: str) -> None:
        """Takes a module away; on a running provider the host learns it in the background.

        Raises `KeyError` when there is none of this name.
        """
        del self._modules[name]
        self._changed()

    def describe(self) -> str:
        """What this provider is, for people: namespace and modules with their types."""
        count = len(self._modules)
        lines = [f"provider {self.namespace}, {count} module{'' if count == 1 else 's'}:"]
        lines += [f"  {self.namespace}.{module.describe()}" for module in self._modules.values()]
        return "\n".join(lines)

    def run(self) -> None:
        """Serves until SIGTERM, SIGINT or the host's drain command; then finishes what runs and returns. On uvloop where it is
        installed.

        A second signal ends the process at once. Raises `SystemExit`: 2 when no host is named (after saying what this
        provider is), 1 when the host refuses the registration for good.
        """
        _log_to_stderr()
        if not self.host and not os.environ.get(VARIABLE):
            print(self.describe(), file=sys.stderr)
            print(f"\nSet {VARIABLE} to serve it, e.g. {VARIABLE}=http://127.0.0.1:7420", file=sys.stderr)
            raise SystemExit(2)
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self.serve(handle_signals=True))
        except ModrackError as error:
            print(f"modrack: provider {self.namespace} refused: {error}", file=sys.stderr)
            hint = _HINTS.get(error.code) or error.details.get("hint")
            if hint:
                print(f"  hint: {hint}", file=sys.stderr)
            raise SystemExit(1) from None

    async def serve(self, *, handle_signals: bool = False) -> None:
        """`run` inside a running event loop; `stop` ends it.

        Raises `ModrackError` when no host is named, or when it refuses the registration for good.
        """
        from modrack import _telemetry
        from modrack._runner import Runner
        from modrack._session import Session, plane_of
        from modrack._specs import Identity
        from modrack._unary import Served

        if self._session is not None:
            raise FailedPrecondition("client.provider.running", "this provider runs already")
        address = find_address(self.host, **self._tls)
        identity = Identity(
            service_id=self.service_id,
            namespace=self.namespace,
            group_id=self.group_id,
            credential_file=self._credential_file or os.environ.get("MODRACK_CREDENTIAL_FILE", ""),
            allow_breaking=self._allow_breaking,
        )

        modules: Mapping[str, Module] = self._modules
        tracing = _telemetry.tracing(self.namespace)
        if tracing is not None:
            from modrack._spans import TracedModules

            modules = TracedModules(self._modules, tracing, self.namespace, lambda: runner.plane)

        runner = Runner(modules, threads=self._threads)

        def ready(plane: str, count: int) -> None:
            log.info(
                "provider %s ready: %d module%s over %s at %s",
                self.namespace,
                count,
                "" if count == 1 else "s",
                plane,
                address.text,
            )

        self._loop = asyncio.get_running_loop()
        self._session = Session(
            address,
            Served(identity, self._modules.values, self.configuration, self.stop),
            runner,
            plane=plane_of(self._plane or os.environ.get("MODRACK_PLANE", "")),
            listen=self._listen,
            service_url=self._service_url,
            grace=self._grace,
            on_ready=ready,
        )
        signals = (signal.SIGTERM, signal.SIGINT) if handle_signals else ()
        for number in signals:
            self._loop.add_signal_handler(number, self._on_signal, number)
        try:
            await self._session.run()
        finally:
            self._session = None
            if tracing is not None:
                from modrack._spans import FLUSH_SECONDS

                await tracing.flush(FLUSH_SECONDS)
            for number in signals:
                self._loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Asks a running provider to leave: its names go, what runs is finished within `grace`. From any thread."""
        session, loop = self._session, self._loop
        if session is not None and loop is not None:
            loop.call_soon_threadsafe(session.stop)

    async def publish(self) -> None:
        """Registers the present modules now, on the standing connection, and waits for the host's answer.

        Raises `ModrackError`: what the host refuses it for, `client.provider.unregistered` between two registrations,
        `client.provider.stopped`.
        """
        if self._session is None:
            raise FailedPrecondition("client.provider.stopped", "the provider does not run")
        await self._session.publish()

    def _decorator(self, handler: Any, options: dict[str, Any], frame: FrameType) -> Any:
        localns = _names_of(frame)
        if handler is not None:
            self._add(handler, options, localns)
            return handler

        def decorate(function: Handler) -> Handler:
            self._add(function, options, localns)
            return function

        return decorate

    def _add(self, handler: Callable[..., Any], options: dict[str, Any], localns: Mapping[str, Any]) -> None:
        module = compile_module(handler, **options, localns=localns)
        self._modules[module.name] = module
        self._changed()

    def _changed(self) -> None:
        session, loop = self._session, self._loop
        if session is not None and loop is not None:
            loop.call_soon_threadsafe(session.publish_soon)

    def _on_signal(self, number: int) -> None:
        if self._session is None:
            return
        log.info("%s: leaving; once more ends the process at once", signal.Signals(number).name)
        assert self._loop is not None
        for again in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(again, os._exit, 128 + number)
        self._session.stop()

    def _default_service_id(self) -> str:
        if not self.group_id:
            return self.namespace
        machine = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())
        return f"{self.namespace}-{machine}-{os.getpid()}"[:128]


def _names_of(frame: FrameType) -> dict[str, Any]:
    """The names that annotations given as text may mean where the decorator stands; classes inside a function, say."""
    return frame.f_locals


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """That of uvloop, where it is installed; `None` stands for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _log_to_stderr() -> None:
    """Shows this package's log on stderr unless the program has set up logging itself."""
    if log.handlers or logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("modrack: %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
