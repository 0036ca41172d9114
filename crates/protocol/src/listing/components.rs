//! Components, their events and their output as JSON, as the command line and HTTP show them. Members never change their meaning; new
//! ones may come.

use serde_json::{Map, Value, json};

use crate::generated::host::v1 as pb;

/// A component as an operator sees it. Times are milliseconds since 1970; what there is not is null. `config` is JSON of the shape of
/// `docs/schemas/component.schema.json`, null in events.
pub fn component(component: &pb::Component) -> Value {
    let invocations = component.invocations.unwrap_or_default();
    // Sorted, so that equal components print alike.
    let mut bundle: Vec<_> = component.bundle.iter().collect();
    bundle.sort();
    let bundle = bundle.into_iter().map(|(name, value)| (name.clone(), value.clone().into()));
    json!({
        "id": component.id,
        "module_id": component.module_id,
        "component_id": component.component_id,
        "kind": kind(component.kind()),
        "enabled": component.enabled,
        "state": state(component.state()),
        "since_ms": milliseconds(component.since.as_ref()),
        "pid": (component.pid != 0).then_some(component.pid),
        "starts": component.starts,
        "restarts": component.restarts,
        "restarts_in_window": component.restarts_in_window,
        "next_restart_ms": milliseconds(component.next_restart.as_ref()),
        "readiness": component.readiness.as_ref().map(probe),
        "health": component.health.as_ref().map(probe),
        "last_error": component.last_error.as_ref().map(fault),
        "report": component.report.as_ref().map(report),
        "sandbox": component.sandbox.as_ref().map(sandbox),
        "usage": component.usage.map(|usage| json!({
            "cpu_ms": usage.cpu_ms,
            "memory_bytes": usage.memory_bytes,
            "processes": usage.processes,
        })),
        "endpoint": text_or_null(&component.endpoint),
        "hooks": component.hooks,
        "sessions": component.sessions,
        "invocations": { "answered": invocations.answered, "failed": invocations.failed },
        "config": serde_json::from_str(&component.config_json).unwrap_or(Value::Null),
        "layers": component.layers,
        "bundle": bundle.collect::<Map<_, _>>(),
    })
}

/// `http_local_json`, `local_http_json`, `grpc_local`, `command_stdio`; `unknown` for one that this version does not know.
pub fn kind(kind: pb::ComponentKind) -> &'static str {
    match kind {
        pb::ComponentKind::HttpLocalJson => "http_local_json",
        pb::ComponentKind::LocalHttpJson => "local_http_json",
        pb::ComponentKind::GrpcLocal => "grpc_local",
        pb::ComponentKind::CommandStdio => "command_stdio",
        pb::ComponentKind::Unspecified => "unknown",
    }
}

/// `configured`, `starting`, `ready`, `degraded`, `stopping`, `stopped`, `failed`; `unknown` for one that this version does not know.
pub fn state(state: pb::ComponentState) -> &'static str {
    match state {
        pb::ComponentState::Configured => "configured",
        pb::ComponentState::Starting => "starting",
        pb::ComponentState::Ready => "ready",
        pb::ComponentState::Degraded => "degraded",
        pb::ComponentState::Stopping => "stopping",
        pb::ComponentState::Stopped => "stopped",
        pb::ComponentState::Failed => "failed",
        pb::ComponentState::Unspecified => "unknown",
    }
}

/// A change of a component; `previous` is null where the present state is told.
pub fn event(event: &pb::ComponentEvent) -> Value {
    let previous = event.previous();
    json!({
        "component": event.component.as_ref().map(component),
        "previous": (previous != pb::ComponentState::Unspecified).then(|| state(previous)),
        "reason": event.reason,
    })
}

/// One line of output.
pub fn line(line: &pb::LogLine) -> Value {
    json!({
        "number": line.number,
        "at_ms": milliseconds(line.at.as_ref()),
        "stream": stream(line.stream()),
        "text": line.text,
        "start": line.start,
    })
}

/// `stdout`, `stderr`; `unknown` for one that this version does not know.
pub fn stream(stream: pb::LogStream) -> &'static str {
    match stream {
        pb::LogStream::Stdout => "stdout",
        pb::LogStream::Stderr => "stderr",
        pb::LogStream::Unspecified => "unknown",
    }
}

fn probe(probe: &pb::ProbeResult) -> Value {
    json!({
        "ok": probe.ok,
        "at_ms": milliseconds(probe.at.as_ref()),
        "duration_us": probe.duration_us,
        "message": probe.message,
        "in_a_row": probe.in_a_row,
    })
}

fn fault(fault: &pb::ComponentFault) -> Value {
    json!({ "code": fault.code, "message": fault.message, "at_ms": milliseconds(fault.at.as_ref()) })
}

fn report(report: &pb::ModuleReport) -> Value {
    let capabilities = report.capabilities.iter().map(|capability| {
        json!({
            "id": capability.id,
            "class": capability.class,
            "description": capability.description,
            "output_contract": text_or_null(&capability.output_contract),
        })
    });
    json!({
        "module_name": report.module_name,
        "description": report.description,
        "version": report.version,
        "contract_version": report.contract_version,
        "host_api_version": report.host_api_version,
        "capabilities": capabilities.collect::<Vec<_>>(),
    })
}

fn sandbox(sandbox: &pb::SandboxReport) -> Value {
    let measure = |one: &pb::SandboxMeasure| json!({ "name": one.name, "state": one.state, "detail": one.detail });
    json!({ "profile": sandbox.profile, "measures": sandbox.measures.iter().map(measure).collect::<Vec<_>>() })
}

fn text_or_null(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn milliseconds(at: Option<&prost_types::Timestamp>) -> Option<i64> {
    at.map(|at| at.seconds * 1000 + i64::from(at.nanos) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_lacks_is_null_and_its_configuration_is_json() {
        let shown = component(&pb::Component {
            id: "dator-http".into(),
            kind: pb::ComponentKind::HttpLocalJson.into(),
            state: pb::ComponentState::Degraded.into(),
            since: Some(prost_types::Timestamp { seconds: 2, nanos: 5_000_000 }),
            config_json: r#"{"id": "dator-http"}"#.into(),
            health: Some(pb::ProbeResult { message: "503".into(), in_a_row: 2, ..pb::ProbeResult::default() }),
            ..pb::Component::default()
        });
        assert_eq!((&shown["kind"], &shown["state"]), (&json!("http_local_json"), &json!("degraded")));
        assert_eq!((&shown["since_ms"], &shown["pid"]), (&json!(2005), &Value::Null));
        assert_eq!(shown["config"], json!({ "id": "dator-http" }));
        assert_eq!((&shown["health"]["in_a_row"], &shown["readiness"]), (&json!(2), &Value::Null));
        assert_eq!((&shown["endpoint"], &shown["report"], &shown["usage"]), (&Value::Null, &Value::Null, &Value::Null));
    }

    #[test]
    fn an_event_that_tells_the_present_state_has_no_previous_one() {
        let of = |previous: pb::ComponentState| {
            event(&pb::ComponentEvent { previous: previous.into(), ..pb::ComponentEvent::default() })["previous"]
                .clone()
        };
        assert_eq!(of(pb::ComponentState::Unspecified), Value::Null);
        assert_eq!(of(pb::ComponentState::Starting), json!("starting"));
    }
}
