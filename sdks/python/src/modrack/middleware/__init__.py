"""Components that a host asks before and after its work: a typed handler per hook, a decision as the answer. Importing it opens
nothing, and needs nothing but the standard library; `run` needs `modrack[middleware]`.

>>> from modrack.middleware import Decision, Envelope, Middleware, allow, reject
>>> from modrack.testing import MiddlewareClient
>>> guard = Middleware("guard", description="Keeps long texts out.", version="1.0.0")
>>> guard.capability("guard/length", "Rejects texts over a limit.")
>>> @guard.pre_invoke
... def check(envelope: Envelope) -> Decision:
...     return reject("too long") if len(envelope.payload["text"]) > 5 else allow("short enough")
>>> MiddlewareClient(guard).pre_invoke("text.Uppercase", {"text": "a long text"}).decision
'reject'
"""

from modrack.middleware._bind import BindError, bind
from modrack.middleware._decision import (
    Decision,
    DecisionError,
    DecisionKind,
    PatchStrategy,
    allow,
    annotate,
    defer,
    drop,
    reject,
    return_,
    rewrite,
    route,
)
from modrack.middleware._declared import Middleware
from modrack.middleware._envelope import (
    CONTRACT_VERSION,
    HOOKS,
    HOST_API_VERSION,
    Caller,
    Correlation,
    Envelope,
    Hook,
    HostCapability,
    Init,
    Outcome,
    Subject,
)
from modrack.middleware._host import Host, Run, Staging
from modrack.middleware._report import Capability, Report

__all__ = [
    "CONTRACT_VERSION",
    "HOOKS",
    "HOST_API_VERSION",
    "BindError",
    "Caller",
    "Capability",
    "Correlation",
    "Decision",
    "DecisionError",
    "DecisionKind",
    "Envelope",
    "Hook",
    "Host",
    "HostCapability",
    "Init",
    "Middleware",
    "Outcome",
    "PatchStrategy",
    "Report",
    "Run",
    "Staging",
    "Subject",
    "allow",
    "annotate",
    "bind",
    "defer",
    "drop",
    "reject",
    "return_",
    "rewrite",
    "route",
]
