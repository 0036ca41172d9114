"""How an author declares a component: `Middleware`. Runs nothing by itself; the engine does."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, overload

from modrack._credentials import SecretFile
from modrack.middleware._bind import binder
from modrack.middleware._decision import Decision
from modrack.middleware._engine import Engine, Started
from modrack.middleware._envelope import HOOKS, Envelope, Hook, Init
from modrack.middleware._host import Host
from modrack.middleware._report import Capability, Report

C = TypeVar("C")
Handler = TypeVar("Handler", bound=Callable[[Envelope], Decision | Awaitable[Decision]])
AuditHandler = TypeVar("AuditHandler", bound=Callable[[Envelope], object])
InitHandler = TypeVar("InitHandler", bound=Callable[[Init], Awaitable[None] | None])
StopHandler = TypeVar("StopHandler", bound=Callable[[], Awaitable[None] | None])

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class Middleware(Generic[C]):
    """A component: a handler per hook, and `run()`.

    >>> from modrack.middleware import Decision, Envelope, Middleware, allow, reject
    >>> guard = Middleware("guard", description="Keeps long texts out.", version="1.0.0")
    >>> guard.capability("guard/length", "Rejects texts over a limit.")
    >>> @guard.pre_invoke
    ... def check(envelope: Envelope) -> Decision:
    ...     return reject("too long") if len(envelope.payload["text"]) > 1000 else allow("short enough")

    Handlers are async, or ordinary functions, which run in at most `threads` threads. One that raises is a failure of the
    component with `module.failed`; its stack goes to the log. With `config`, a dataclass, `guard.config` is one, made from the
    component's `config` table; without it is the table as a `dict`.

    `grace` is how many seconds running requests have after SIGTERM, `max_requests` how many there may be at once,
    `max_body_bytes` how large one may be.
    """

    @overload
    def __init__(
        self: Middleware[dict[str, Any]],
        name: str,
        *,
        description: str,
        version: str,
        threads: int = ...,
        max_requests: int = ...,
        max_body_bytes: int = ...,
        grace: float = ...,
        auth_header: str = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        name: str,
        *,
        description: str,
        version: str,
        config: type[C],
        threads: int = ...,
        max_requests: int = ...,
        max_body_bytes: int = ...,
        grace: float = ...,
        auth_header: str = ...,
    ) -> None: ...

    def __init__(
        self,
        name: str,
        *,
        description: str,
        version: str,
        config: Any = dict[str, Any],
        threads: int = 16,
        max_requests: int = 256,
        max_body_bytes: int = 64 * 1024 * 1024,
        grace: float = 2.5,
        auth_header: str = "X-Modrack-Auth",
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"`{name}` is no name of a module")
        if not description or not version:
            raise ValueError("a component has a description and a version")
        if threads < 1 or max_requests < 1 or max_body_bytes < 1 or grace <= 0:
            raise ValueError("`threads`, `max_requests`, `max_body_bytes` and `grace` are above 0")
        self._engine = Engine(name, description, version, binder(config), logging.getLogger(name))
        self._threads = threads
        self._max_requests = max_requests
        self._max_body_bytes = max_body_bytes
        self._grace = grace
        self._auth_header = auth_header

    @property
    def name(self) -> str:
        """That of `module_id` in the configuration."""
        return self._engine.name

    @property
    def report(self) -> Report:
        """What the component says of itself."""
        return self._engine.report()

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """Those that have a handler."""
        return tuple(hook for hook in HOOKS if hook in self._engine.handlers)

    @property
    def config(self) -> C:
        """The configuration of the last init. Raises `RuntimeError` before the first."""
        return self._started().config

    @property
    def host(self) -> Host:
        """The host, as far as it was granted at the last init. Raises `RuntimeError` before the first."""
        return self._started().host

    @property
    def init(self) -> Init:
        """All that the last init said. Raises `RuntimeError` before the first."""
        return self._started().init

    @property
    def logger(self) -> logging.Logger:
        """Writes to the component's log, which is the standard error of its process."""
        return self._engine.logger

    def capability(
        self, id: str, description: str = "", *, output_contract: str | None = None, replace: bool = False
    ) -> None:
        """Declares something that the component can do: stable id and description, or, for what others may build on, a reference
        to the contract of its output. With `replace`, a handler of the init may say more of one than is known before."""
        if id in self._engine.capabilities and not replace:
            raise ValueError(f"capability `{id}` is declared already")
        self._engine.capabilities[id] = Capability(id, description, output_contract)

    def pre_run(self, handler: Handler, /) -> Handler:
        """Asked before a pipeline runs; the payload is its inputs."""
        return self._add("pre_run", handler)

    def pre_invoke(self, handler: Handler, /) -> Handler:
        """Asked before a module is called; the payload is the input."""
        return self._add("pre_invoke", handler)

    def post_invoke(self, handler: Handler, /) -> Handler:
        """Asked after a module has answered; the payload is its output, one item of it where it streams."""
        return self._add("post_invoke", handler)

    def post_run(self, handler: Handler, /) -> Handler:
        """Asked after a pipeline has run; the payload is its outputs."""
        return self._add("post_run", handler)

    def audit(self, handler: AuditHandler, /) -> AuditHandler:
        """Told after all of it, whatever came of it; nobody waits for what it returns."""
        return self._add("audit", handler)

    def on_init(self, handler: InitHandler, /) -> InitHandler:
        """Called at each init, before the report; `config` and `host` are the new ones. `ValueError` refuses the configuration."""
        if self._engine.on_init is not None:
            raise ValueError("there is a handler of the init already")
        self._engine.on_init = handler
        return handler

    def on_stop(self, handler: StopHandler, /) -> StopHandler:
        """Called once at the end, when no request runs any more."""
        if self._engine.on_stop is not None:
            raise ValueError("there is a handler of the end already")
        self._engine.on_stop = handler
        return handler

    def describe(self) -> str:
        """The component in a few lines, for people."""
        lines = [f"middleware {self.name} {self._engine.version}: {self._engine.description}"]
        lines += [f"  at {hook}" for hook in self.hooks]
        lines += [f"  can {each.id}" for each in self.report.capabilities]
        return "\n".join(lines)

    def run(self, arguments: Sequence[str] | None = None) -> None:
        """Serves the component until SIGTERM, as the host started it, and exits.

        `MODRACK_BIND`, else `--bind 127.0.0.1:PORT`, says where; `MODRACK_AUTH_FILE` has the token that every request shows, and
        only `--no-auth` does without. With `middleware-init` or `middleware-invoke` as the last argument it answers one message
        on standard input instead. `--version` prints the version. Exit codes: 0; 1 for a fault; 2 for wrong usage, and where
        nothing says what to do.
        """
        sys.exit(self._main(list(sys.argv[1:] if arguments is None else arguments)))

    def _main(self, arguments: list[str]) -> int:
        if not self._engine.capabilities or not self._engine.handlers:
            print(f"modrack: middleware {self.name} has no capability or no handler", file=sys.stderr)
            return 2
        if arguments == ["--version"]:
            print(f"{self.name} {self._engine.version}")
            return 0
        if arguments and arguments[-1] in ("middleware-init", "middleware-invoke"):
            from modrack.middleware._stdio import answer

            return answer(self._engine, arguments[-1], self._max_body_bytes)
        bind, is_open, wrong = _options(arguments)
        if wrong:
            print(f"modrack: `{wrong}` is not known here; see {_USAGE}", file=sys.stderr)
            return 2
        if not bind:
            print(f"{self.describe()}\n\nA host starts it; by hand: {_USAGE}", file=sys.stderr)
            return 2
        token_file = os.environ.get("MODRACK_AUTH_FILE", "")
        if not token_file and not is_open:
            print(
                "modrack: MODRACK_AUTH_FILE names no file with a token; `--no-auth` serves everybody", file=sys.stderr
            )
            return 2
        from modrack.middleware._serve import Serving, serve

        return serve(
            self._engine,
            Serving(
                bind=bind,
                token=SecretFile(token_file) if token_file else None,
                auth_header=self._auth_header,
                threads=self._threads,
                max_requests=self._max_requests,
                max_body_bytes=self._max_body_bytes,
                grace=self._grace,
            ),
        )

    def _add(self, hook: Hook, handler: Any) -> Any:
        if hook in self._engine.handlers:
            raise ValueError(f"there is a handler of `{hook}` already")
        self._engine.handlers[hook] = handler
        return handler

    def _started(self) -> Started:
        if self._engine.started is None:
            raise RuntimeError(f"`{self.name}` has had no init")
        return self._engine.started


_USAGE = "`[serve] --bind 127.0.0.1:7500 [--no-auth]`, `middleware-init`, `middleware-invoke`, `--version`"


def _options(arguments: list[str]) -> tuple[str, bool, str]:
    """Where to listen, whether everybody is served, and what of the arguments is not known."""
    bind, is_open = "", False
    left = arguments[1:] if arguments[:1] == ["serve"] else list(arguments)
    while left:
        option = left.pop(0)
        if option == "--no-auth":
            is_open = True
        elif option == "--bind" and left:
            bind = left.pop(0)
        elif option.startswith("--bind="):
            bind = option.removeprefix("--bind=")
        else:
            return "", False, option
    return os.environ.get("MODRACK_BIND", "") or bind, is_open, ""
