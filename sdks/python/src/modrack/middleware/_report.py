"""What a component says of itself. The fields are those of `docs/schemas`; nothing is sent from here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from modrack.middleware._envelope import CONTRACT_VERSION, HOST_API_VERSION


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that a module can do. `base`: others may build on its output, whose contract `output_contract` refers to."""

    id: str
    description: str = ""
    output_contract: str | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a capability has an id")
        if not self.description and self.output_contract is None:
            raise ValueError(f"capability `{self.id}` has a description, or a reference to the contract of its output")

    @property
    def capability_class(self) -> Literal["base", "other"]:
        """`base` with a contract of the output, else `other`."""
        return "other" if self.output_contract is None else "base"

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        said = {"id": self.id, "class": self.capability_class, "description": self.description}
        return said if self.output_contract is None else {**said, "output_contract": self.output_contract}


@dataclass(frozen=True, slots=True)
class Report:
    """What a module is and can do."""

    module_name: str
    description: str
    version: str
    capabilities: tuple[Capability, ...]
    contract_version: str = CONTRACT_VERSION
    expected_host_api_version: str = HOST_API_VERSION

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return {**asdict(self), "capabilities": [each.to_json() for each in self.capabilities]}
