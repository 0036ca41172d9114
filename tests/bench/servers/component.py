"""The measured component in Python: allows everything. It listens where `MODRACK_BIND` says."""

from modrack.middleware import Decision, Envelope, Middleware, allow

component = Middleware("bench", description="Allows everything.", version="1.0.0")
component.capability("bench/allow", "Allows everything.")


@component.pre_invoke
def check(envelope: Envelope) -> Decision:
    return allow("everything")


if __name__ == "__main__":
    component.run()
