"""What arca asks of the host, as the driver sees it. How the requests travel is the matter of `granted.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from modrack_arca.plan import Phase
from modrack_arca.references import Json


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that succeeded."""

    run_id: str
    outputs: Mapping[str, Json]


class Host(Protocol):
    """The part of the host that was granted. Every method raises `Failure`, and nothing else, when it fails."""

    @property
    def stages(self) -> bool:
        """Whether values can be staged; the three methods below are not called without."""
        ...

    async def run(self, phase: Phase, inputs: Mapping[str, Json], timeout: float) -> Ran:
        """Runs the pipeline of a phase within `timeout` seconds."""
        ...

    async def stage(self, key: str, value: Json, timeout: float) -> None:
        """Keeps a value, in place of an earlier one under that key."""
        ...

    async def staged(self, key: str, timeout: float) -> Json:
        """A value that was kept; None where there is none."""
        ...

    async def unstage(self, key: str, timeout: float) -> None:
        """Forgets a value; it need not be there."""
        ...
