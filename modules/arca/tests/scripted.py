"""A host that answers as it is told, and a clock that only moves when somebody waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from modrack_arca.host import Ran
from modrack_arca.plan import Phase, Workflow, read
from modrack_arca.references import Json
from modrack_arca.retry import Failure
from modrack_arca.run import Clock
from modrack_arca.staging import Identity

Answer = Mapping[str, Json] | Failure
"""The outputs of a run, or its failure."""


class Time:
    """Stands still but for `sleep`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.pauses.append(seconds)

    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep)


class ScriptedHost:
    """Answers the runs of each phase in turn, and success with the phase's name in each output when the script is over."""

    def __init__(self, script: Mapping[str, list[Answer]] | None = None, *, stages: bool = True) -> None:
        self.script = {name: list(answers) for name, answers in (script or {}).items()}
        self.stages = stages
        self.ran: list[str] = []
        self.inputs: list[Mapping[str, Json]] = []
        self.timeouts: list[float] = []
        self.values: dict[str, Json] = {}
        self.refuse: Callable[[str, str], Failure | None] = lambda _verb, _key: None
        self.took = 0.0
        self.time: Time | None = None

    async def run(self, phase: Phase, inputs: Mapping[str, Json], timeout: float) -> Ran:
        self.ran.append(phase.name)
        self.inputs.append(inputs)
        self.timeouts.append(timeout)
        if self.time is not None:
            self.time.seconds += min(self.took, timeout)
        answers = self.script.get(phase.name, [])
        answer = answers.pop(0) if answers else {name: f"{phase.name}.{name}" for name in phase.outputs}
        run_id = f"run-{len(self.ran)}"
        if isinstance(answer, Failure):
            answer.run_id = run_id
            raise answer
        return Ran(run_id, answer)

    async def stage(self, key: str, value: Json, timeout: float) -> None:
        self._ask("stage", key)
        self.values[key] = value

    async def staged(self, key: str, timeout: float) -> Json:
        self._ask("staged", key)
        return self.values.get(key)

    async def unstage(self, key: str, timeout: float) -> None:
        self._ask("unstage", key)
        self.values.pop(key, None)

    def _ask(self, verb: str, key: str) -> None:
        assert self.stages, "nothing is staged without the grant"
        failure = self.refuse(verb, key)
        if failure is not None:
            raise failure


def down(retry_after: float | None = None) -> Failure:
    return Failure("UNAVAILABLE", "flaky.down", "down", retryable=True, retry_after=retry_after)


def broken() -> Failure:
    return Failure("INVALID_ARGUMENT", "flaky.broken", "broken")


def phase(name: str, **more: Json) -> dict[str, Json]:
    return {"name": name, "source": f"# {name}", "boundary": {"outputs": ["value"]}, **more}


def config(*phases: dict[str, Json], output: Json = None, **more: Json) -> dict[str, Json]:
    workflow: dict[str, Json] = {
        "name": "report",
        "subject": "text.Report",
        "phases": list(phases),
        "output": output,
        **more,
    }
    return {"workflows": [workflow]}


def workflow(*phases: dict[str, Json], output: Json = None, **more: Json) -> Workflow:
    return read(config(*phases, output=output, **more)).workflows["text.Report"]


def identity(key: str = "k", input: Json = None, caller: str = "anybody", *, repeatable: bool = True) -> Identity:
    return Identity(caller, key, repeatable, input)
