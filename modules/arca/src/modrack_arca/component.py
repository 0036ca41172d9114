"""arca as a component: what it says of itself, its configuration, its hooks. What it does is the orchestrator's."""

from __future__ import annotations

from typing import cast

from modrack.middleware import Decision, Envelope, Init, Middleware

from modrack_arca._version import VERSION
from modrack_arca.granted import GrantedHost
from modrack_arca.orchestrator import Orchestrator
from modrack_arca.plan import Plan, read
from modrack_arca.references import Json

ORCHESTRATION = "arca/workflow-orchestration"
SHAPING = "arca/phase-retry-and-publication-shaping"
REPORT_CONTRACT = "urn:modrack:arca:workflow-report:1"
"""Names the contract of the report in annotations: `workflow-report.schema.json` of this package."""


def component() -> Middleware[dict[str, object]]:
    """A new component, that knows no configuration yet."""
    arca: Middleware[dict[str, object]] = Middleware(
        "arca",
        description="Orchestrates work of several phases: retries with a cap, staged outputs, one published answer.",
        version=VERSION,
        config=dict[str, object],
    )
    arca.capability(ORCHESTRATION, _orchestration(Plan({}, 1, 1.0), stages=False), output_contract=REPORT_CONTRACT)
    arca.capability(
        SHAPING,
        "Tries failed phases again up to a cap, and publishes chosen outputs in the shape that is configured.",
    )
    orchestrators: list[Orchestrator] = []

    @arca.on_init
    def start(init: Init) -> None:
        plan = read(cast("dict[str, Json]", init.config))
        _require_grants(plan, init)
        host = GrantedHost(arca.host)
        if plan.workflows and not host.stages:
            arca.logger.warning("`staging` is not granted: nothing is staged, and no call is taken up again")
        told = _orchestration(plan, stages=host.stages)
        arca.capability(ORCHESTRATION, told, output_contract=REPORT_CONTRACT, replace=True)
        orchestrators[:] = [Orchestrator(plan, host, arca.logger)]

    @arca.pre_run
    @arca.pre_invoke
    async def orchestrate(envelope: Envelope) -> Decision:
        return await orchestrators[0].answer(envelope)

    # They are reached by their hooks alone.
    del start, orchestrate
    return arca


def _orchestration(plan: Plan, *, stages: bool) -> str:
    """What the report says of the configuration, with what the host does not grant."""
    workflows = [f"{one.name} ({one.subject}, {len(one.phases)} phases)" for one in plan.workflows.values()]
    shown = ", ".join(workflows[:8]) + (f" and {len(workflows) - 8} more" if len(workflows) > 8 else "")
    told = f"Runs the phases of workflows in order, in place of their subjects: {shown or 'none is configured'}."
    return told if stages or not workflows else f"{told} Stages nothing: `staging` is not granted."


def _require_grants(plan: Plan, init: Init) -> None:
    """Raises `ValueError` where the workflows need what is not granted."""
    grant = next((one for one in init.capabilities if one.id == "run_pipeline"), None)
    if plan.workflows and grant is None:
        raise ValueError("workflows need `run_pipeline` among the `capabilities` of the component")
    patterns = grant.modules if grant is not None else []
    missing = sorted(name for name in plan.stored() if not any(_covers(pattern, name) for pattern in patterns))
    if missing:
        raise ValueError(f"`run_pipeline` is not granted for `{missing[0]}`, which a phase runs")


def _covers(pattern: str, name: str) -> bool:
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return pattern == name
