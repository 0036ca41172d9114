//! The rules that a module's report obeys. Asks nobody for it.

use middleware::{CONTRACT_VERSION, CapabilityClass, HOST_API_VERSION, ModuleReport};
use protocol::codes;
use serde_json::Value;

use crate::state::Fault;

/// Longest text of a report, in bytes.
const TEXT_BYTES: usize = 1024;
/// Most capabilities.
const CAPABILITIES: usize = 64;

/// Reads a report. What it says is [`check`]'s.
///
/// # Errors
/// `component.report.invalid` with every lack of its form.
pub(crate) fn read(body: &[u8]) -> Result<ModuleReport, Fault> {
    let invalid = |what: String| Fault::new(codes::COMPONENT_REPORT_INVALID, format!("the report {what}"));
    let value: Value = serde_json::from_slice(body).map_err(|error| invalid(format!("is no JSON: {error}")))?;
    let Value::Object(members) = &value else { return Err(invalid("is no JSON object".to_owned())) };
    let texts = ["module_name", "description", "version", "contract_version", "expected_host_api_version"];
    let mut lacks: Vec<String> = texts
        .iter()
        .filter(|name| !members.get(**name).is_some_and(Value::is_string))
        .map(|name| format!("has no text `{name}`"))
        .collect();
    match members.get("capabilities") {
        Some(Value::Array(capabilities)) => {
            for (i, capability) in capabilities.iter().enumerate() {
                if !capability.get("id").is_some_and(Value::is_string) {
                    lacks.push(format!("has no text `id` at `/capabilities/{i}`"));
                }
                if !matches!(capability.get("class").and_then(Value::as_str), Some("base" | "other")) {
                    lacks.push(format!("has no `class` at `/capabilities/{i}` that is `base` or `other`"));
                }
            }
        }
        _ => lacks.push("has no list `capabilities`".to_owned()),
    }
    if !lacks.is_empty() {
        return Err(invalid(lacks.join("; ")));
    }
    serde_json::from_value(value).map_err(|error| invalid(format!("is none: {error}")))
}

/// Looks at what a report says: its name is the configured one, it speaks this contract, and every capability has what its class
/// needs.
///
/// # Errors
/// `component.contract.incompatible`, else `component.report.invalid` with every lack.
pub(crate) fn check(report: &ModuleReport, module_id: &str) -> Result<(), Fault> {
    let versions = [
        ("contract version", &report.contract_version, CONTRACT_VERSION),
        ("host API version", &report.expected_host_api_version, HOST_API_VERSION),
    ];
    let differing = versions.iter().filter(|(_, theirs, ours)| !is_compatible(theirs, ours));
    let differing: Vec<_> = differing
        .map(|(what, theirs, ours)| {
            format!("the module wants {what} `{}`, this host has `{ours}`", theirs.escape_debug())
        })
        .collect();
    if !differing.is_empty() {
        return Err(Fault::new(codes::COMPONENT_CONTRACT_INCOMPATIBLE, differing.join("; ")));
    }

    let mut lacks = Vec::new();
    if report.module_name != module_id {
        let theirs = report.module_name.escape_debug();
        lacks.push(format!("names the module `{theirs}`, the configuration `{module_id}`"));
    }
    for (name, text) in [("description", &report.description), ("version", &report.version)] {
        if text.trim().is_empty() || text.len() > TEXT_BYTES {
            lacks.push(format!("has a `{name}` that is empty or longer than {TEXT_BYTES} bytes"));
        }
    }
    if report.capabilities.is_empty() || report.capabilities.len() > CAPABILITIES {
        lacks.push(format!("has {} capabilities instead of 1 to {CAPABILITIES}", report.capabilities.len()));
    }
    for (i, capability) in report.capabilities.iter().enumerate() {
        let id = &capability.id;
        if !is_capability_id(id) {
            lacks.push(format!("has the capability id `{}`, which is none like `dator/shaping`", id.escape_debug()));
        } else if report.capabilities[..i].iter().any(|other| other.id == *id) {
            lacks.push(format!("has the capability `{id}` twice"));
        }
        let reference = capability.output_contract.as_deref().unwrap_or_default();
        match capability.class {
            CapabilityClass::Base if reference.trim().is_empty() => {
                lacks.push(format!("has no `output_contract` for the base capability `{}`", id.escape_debug()));
            }
            CapabilityClass::Other if capability.description.trim().is_empty() => {
                lacks.push(format!("has no `description` for the capability `{}`", id.escape_debug()));
            }
            CapabilityClass::Other if capability.output_contract.is_some() => {
                lacks
                    .push(format!("has an `output_contract` for `{}`, which is no base capability", id.escape_debug()));
            }
            CapabilityClass::Base | CapabilityClass::Other => {}
        }
        if capability.description.len() > TEXT_BYTES || reference.len() > TEXT_BYTES {
            lacks.push(format!("says more than {TEXT_BYTES} bytes of `{}`", id.escape_debug()));
        }
    }
    if lacks.is_empty() {
        return Ok(());
    }
    Err(Fault::new(codes::COMPONENT_REPORT_INVALID, format!("the report {}", lacks.join("; "))))
}

/// Versions agree by their first number: what follows adds, and breaks nothing.
fn is_compatible(theirs: &str, ours: &str) -> bool {
    let is_version = theirs.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    is_version && theirs.len() <= 32 && theirs.split('.').next() == ours.split('.').next()
}

/// Stable ids: parts of lower-case letters, digits, `-`, `_` and `.`, with `/` between them.
fn is_capability_id(id: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
    };
    id.len() <= 128 && id.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "module_name": "dator", "description": "Shapes.", "version": "1.0.0", "contract_version": "1",
            "expected_host_api_version": "1",
            "capabilities": [
                { "id": "dator/publication", "class": "base", "output_contract": "docs/offers.json" },
                { "id": "dator/shaping", "class": "other", "description": "Shapes." },
            ],
        })
    }

    fn judge(change: impl FnOnce(&mut Value)) -> String {
        let mut report = good();
        change(&mut report);
        let outcome = read(report.to_string().as_bytes()).and_then(|report| check(&report, "dator"));
        outcome.map_or_else(|fault| format!("{}: {}", fault.code.name, fault.message), |()| "accepted".to_owned())
    }

    #[test]
    fn a_whole_report_of_this_contract_is_accepted() {
        assert_eq!(judge(|_| {}), "accepted");
        assert_eq!(judge(|report| report["contract_version"] = json!("1.4")), "accepted");
        assert_eq!(judge(|report| report["what_later_versions_add"] = json!(1)), "accepted");
    }

    #[test]
    fn every_lack_of_form_is_named_at_once() {
        let all = judge(|report| *report = json!({ "capabilities": [{}] }));
        assert_eq!(
            all,
            "component.report.invalid: the report has no text `module_name`; has no text `description`; has no text `version`; \
             has no text `contract_version`; has no text `expected_host_api_version`; has no text `id` at `/capabilities/0`; \
             has no `class` at `/capabilities/0` that is `base` or `other`"
        );
        let body = read(b"<html>").expect_err("no JSON").message;
        assert!(body.starts_with("the report is no JSON"), "{body}");
    }

    #[test]
    fn another_contract_is_incompatible_and_says_both_versions() {
        let code = "component.contract.incompatible";
        assert_eq!(
            judge(|report| report["contract_version"] = json!("2")),
            format!("{code}: the module wants contract version `2`, this host has `1`")
        );
        assert_eq!(
            judge(|report| report["expected_host_api_version"] = json!("")),
            format!("{code}: the module wants host API version ``, this host has `1`")
        );
    }

    #[test]
    fn capabilities_have_what_their_class_needs() {
        let code = "component.report.invalid: the report";
        assert_eq!(
            judge(|report| report["capabilities"] = json!([])),
            format!("{code} has 0 capabilities instead of 1 to 64")
        );
        let without = judge(|report| {
            report["module_name"] = json!("other");
            report["capabilities"] = json!([{ "id": "a", "class": "base" }, { "id": "a", "class": "other" }, { "id": "A b", "class": "other", "description": "d" }]);
        });
        assert_eq!(
            without,
            format!(
                "{code} names the module `other`, the configuration `dator`; has no `output_contract` for the base capability `a`; \
                 has the capability `a` twice; has no `description` for the capability `a`; has the capability id `A b`, which is \
                 none like `dator/shaping`"
            )
        );
    }
}
