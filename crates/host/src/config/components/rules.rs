//! From what the supervisor says of a component's configuration to the faults of the whole. Knows no rule but those of grants and
//! namespaces, whose patterns are the host's.

use supervisor::config::{ComponentConfig, ConfigFault, Kind};

use crate::config::clients::CallGrant;
use crate::config::fault::FaultCode;
use crate::config::providers::NamespaceGrant;
use crate::config::shape::Misfit;

/// A fault as all of the configuration has them.
pub(super) fn misfit(fault: ConfigFault) -> Misfit {
    let code = if fault.message.contains("missing") {
        FaultCode::KeyMissing
    } else if fault.message.contains("out of range") {
        FaultCode::ValueRange
    } else {
        FaultCode::ValueInvalid
    };
    let message = if fault.message.starts_with("missing field") {
        " is missing".to_owned()
    } else {
        format!(": {}", fault.message)
    };
    Misfit { code, pointer: fault.pointer, message, hint: fault.hint }
}

/// What the host would not understand of a component that the supervisor takes.
pub(super) fn check(config: &ComponentConfig) -> Vec<Misfit> {
    let wrong = |pointer: String, text: &str, hint: &str| Misfit {
        code: FaultCode::ValueInvalid,
        pointer,
        message: format!(" cannot be `{}`", text.escape_debug()),
        hint: hint.to_owned(),
    };
    let mut faults = Vec::new();
    if config.kind == Kind::GrpcLocal && NamespaceGrant::parse(&config.module_id).is_none() {
        let hint = "it is the namespace that the provider may serve: `text`, or `text.*` with all below it";
        faults.push(wrong("/module_id".to_owned(), &config.module_id, hint));
    }
    for (i, grant) in config.capabilities.iter().enumerate() {
        for (j, module) in grant.modules.iter().enumerate().filter(|(_, module)| CallGrant::parse(module).is_none()) {
            let hint = "write a module (`text.Uppercase`), all below a namespace (`text.*`), or all (`*`)";
            faults.push(wrong(format!("/capabilities/{i}/modules/{j}"), module, hint));
        }
    }
    faults
}
