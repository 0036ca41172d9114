//! What the process may reach besides files: TCP ports, abstract sockets, processes to signal; by Landlock. Opens no socket.

use landlock::{
    ABI, Access, AccessNet, CompatLevel, Compatible, NetPort, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::{Measure, Plan};

/// Applies ports and scopes. The second tells which processes it may signal.
pub(super) fn apply(plan: &Plan) -> Result<(Measure, &'static str), String> {
    let ports = ports(plan).map_err(|error| format!("network: {error}"))?;
    let scopes = scopes().map_err(|error| format!("scopes: {error}"))?;
    let is_scoped = matches!(scopes.ruleset, RulesetStatus::FullyEnforced);
    let sockets = if is_scoped {
        "abstract Unix sockets of others are closed to it"
    } else {
        "abstract Unix sockets are open: this kernel cannot scope them"
    };
    let network = match ports.ruleset {
        RulesetStatus::NotEnforced => Measure::unavailable("this kernel has no rules for TCP (Landlock 4)"),
        // Never more than partial: Landlock knows ports, not addresses.
        _ => Measure::partial(format!(
            "TCP: listens at {}, connects to {}; by port, whatever the address; UDP is free",
            listed(&plan.bind),
            listed(&plan.connect)
        )),
    };
    let signals = if is_scoped { "signals reach its own alone" } else { "signals reach all processes of its user" };
    Ok((network.and(sockets), signals))
}

fn ports(plan: &Plan) -> Result<RestrictionStatus, RulesetError> {
    let rules = |ports: &[u16], access: AccessNet| -> Vec<NetPort> {
        ports.iter().map(|port| NetPort::new(*port, access)).collect()
    };
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessNet::from_all(ABI::V4))?
        .create()?
        .add_rules(rules(&plan.bind, AccessNet::BindTcp).into_iter().map(Ok::<_, RulesetError>))?
        .add_rules(rules(&plan.connect, AccessNet::ConnectTcp).into_iter().map(Ok::<_, RulesetError>))?
        .restrict_self()
}

fn scopes() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .restrict_self()
}

fn listed(ports: &[u16]) -> String {
    if ports.is_empty() {
        return "none".to_owned();
    }
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
