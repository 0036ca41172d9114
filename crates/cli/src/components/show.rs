//! `modrack components show`: everything that the host knows of one component. Changes nothing.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use anstyle::Style;
use comfy_table::Color;
use protocol::generated::host::v1 as pb;
use protocol::listing::components as listing;
use serde_json::Value;

use super::{age, colour_of, rounded};
use crate::client::Client;
use crate::failure::{Failures, printable};
use crate::output::{Output, ansi, cell, coloured};
use crate::target::Target;

pub(crate) async fn run(target: &Target, id: &str, config: bool, output: &Output) -> Result<(), Failures> {
    let component = Client::connect(target).await?.get_component(id).await?;
    let document = listing::component(&component);
    if config {
        return output.document(document.get("config").unwrap_or(&Value::Null));
    }
    if output.json {
        return output.document(&document);
    }
    output.line(&describe(&component, SystemTime::now(), output))?;
    match &component.sandbox {
        Some(sandbox) => output.line(&format!("\n{}", measures(sandbox, output))),
        None => Ok(()),
    }
}

fn describe(component: &pb::Component, now: SystemTime, output: &Output) -> String {
    let mut text = output.paint(Style::new().bold(), &printable(&component.id));
    let state = listing::state(component.state());
    let painted = colour_of(component.state()).map_or(state.to_owned(), |colour| output.paint(ansi(colour), state));
    let since = component.since.as_ref().map_or(String::new(), |since| format!(" for {}", age(Some(since), now)));
    write!(text, "  {painted}{since}").expect("a String takes all text");
    let mut line = |label: &str, value: &str| {
        write!(text, "\n  {label:<14}{}", printable(value)).expect("a String takes all text");
    };
    line("module", &component.module_id);
    line("component", &component.component_id);
    line("kind", listing::kind(component.kind()));
    line("enabled", if component.enabled { "yes" } else { "no" });
    if component.pid != 0 {
        line("pid", &component.pid.to_string());
    }
    if let Some(usage) = &component.usage {
        line("usage", &used(usage));
    }
    if !component.endpoint.is_empty() {
        line("endpoint", &component.endpoint);
    }
    if !component.hooks.is_empty() {
        line("hooks", &component.hooks.join(", "));
    }
    for session in &component.sessions {
        line("session", session);
    }
    if let Some(probe) = &component.readiness {
        line("readiness", &probed(probe, now));
    }
    if let Some(probe) = &component.health {
        line("health", &probed(probe, now));
    }
    line("starts", &starts(component, now));
    if let Some(error) = &component.last_error {
        line("last error", &format!("{} ({}), {} ago", error.message, error.code, age(error.at.as_ref(), now)));
    }
    if let Some(invocations) = component.invocations.filter(|counts| counts.answered + counts.failed > 0) {
        line("invocations", &format!("{} answered, {} failed", invocations.answered, invocations.failed));
    }
    if let Some(report) = &component.report {
        describe_report(report, &mut line);
    }
    let mut bundle: Vec<_> = component.bundle.iter().map(|(name, value)| format!("{name} {value}")).collect();
    bundle.sort();
    for (i, fact) in bundle.iter().enumerate() {
        line(if i == 0 { "bundle" } else { "" }, fact);
    }
    for (i, layer) in component.layers.iter().enumerate() {
        line(if i == 0 { "configured by" } else { "" }, layer);
    }
    text
}

fn describe_report(report: &pb::ModuleReport, line: &mut impl FnMut(&str, &str)) {
    let pb::ModuleReport { module_name, version, contract_version, host_api_version, .. } = report;
    line(
        "report",
        &format!("{module_name} {version}, contract {contract_version}, API of the host {host_api_version}"),
    );
    for part in report.description.lines() {
        line("", part);
    }
    for capability in &report.capabilities {
        let contract = match capability.output_contract.as_str() {
            "" => String::new(),
            contract => format!(", answers as {contract}"),
        };
        line("capability", &format!("{} ({}{contract})", capability.id, capability.class));
        for part in capability.description.lines() {
            line("", part);
        }
    }
}

fn starts(component: &pb::Component, now: SystemTime) -> String {
    let pb::Component { starts, restarts, restarts_in_window, .. } = component;
    let mut text = starts.to_string();
    if *restarts > 0 {
        write!(text, ", {restarts} by the restart policy, {restarts_in_window} in its window")
            .expect("a String takes all text");
    }
    if let Some(next) = component.next_restart.and_then(|at| SystemTime::try_from(at).ok()) {
        let left = next.duration_since(now).unwrap_or_default();
        write!(text, ", the next in {}", rounded(left)).expect("a String takes all text");
    }
    text
}

fn probed(probe: &pb::ProbeResult, now: SystemTime) -> String {
    let result = if probe.ok { "ok" } else { "bad" };
    let times = if probe.in_a_row > 1 { format!(", {} times in a row", probe.in_a_row) } else { String::new() };
    let took = Duration::from_micros(probe.duration_us);
    let message = if probe.message.is_empty() { String::new() } else { format!(": {}", probe.message) };
    format!("{result}{message}, in {took:.1?}, {} ago{times}", age(probe.at.as_ref(), now))
}

#[expect(clippy::cast_precision_loss, reason = "a tenth of a MiB is all that is shown")]
fn used(usage: &pb::ProcessUsage) -> String {
    let processes = if usage.processes == 1 { "process" } else { "processes" };
    let cpu = Duration::from_millis(usage.cpu_ms);
    let memory = usage.memory_bytes as f64 / f64::from(1 << 20);
    format!("{:.2} s of processor time, {memory:.1} MiB, {} {processes}", cpu.as_secs_f64(), usage.processes)
}

fn measures(sandbox: &pb::SandboxReport, output: &Output) -> String {
    let rows = sandbox.measures.iter().map(|measure| {
        let state = match measure.state.as_str() {
            "enforced" => coloured("enforced", Color::Green),
            "partial" => coloured("partial", Color::Yellow),
            // Without a profile nobody asked for it.
            "unavailable" if sandbox.profile != "none" => coloured("unavailable", Color::Red),
            other => cell(other),
        };
        vec![cell(&measure.name), state, cell(&measure.detail)]
    });
    let head = format!("SANDBOX {}", printable(&sandbox.profile));
    output.table(&[&head, "STATE", "DETAIL"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn full() -> pb::Component {
        let probe = |ok, message: &str, in_a_row| pb::ProbeResult {
            ok,
            at: at(1130),
            duration_us: 3140,
            message: message.into(),
            in_a_row,
        };
        pb::Component {
            id: "dator-http".into(),
            module_id: "dator".into(),
            component_id: "middleware.dator".into(),
            kind: pb::ComponentKind::HttpLocalJson.into(),
            enabled: true,
            state: pb::ComponentState::Degraded.into(),
            since: at(1000),
            pid: 4711,
            starts: 3,
            restarts: 2,
            restarts_in_window: 1,
            next_restart: at(1137),
            readiness: Some(probe(true, "200", 1)),
            health: Some(probe(false, "503 Service Unavailable", 2)),
            last_error: Some(pb::ComponentFault {
                code: "component.exited".into(),
                message: "ended with status 1".into(),
                at: at(900),
            }),
            report: Some(pb::ModuleReport {
                module_name: "dator".into(),
                description: "Shapes service work.\nAt the edge.".into(),
                version: "1.2.0".into(),
                contract_version: "1".into(),
                host_api_version: "1".into(),
                capabilities: vec![pb::ReportedCapability {
                    id: "dator/service-execution-shaping".into(),
                    class: "base".into(),
                    description: "Shapes calls and answers.".into(),
                    output_contract: "modrack.dator.shaping/1".into(),
                }],
            }),
            usage: Some(pb::ProcessUsage { cpu_ms: 230, memory_bytes: 24_222_105, processes: 1 }),
            endpoint: "http://127.0.0.1:41000".into(),
            hooks: vec!["pre_invoke".into(), "post_invoke".into()],
            sessions: vec!["ses-1".into()],
            invocations: Some(pb::InvocationCounts { answered: 12, failed: 1 }),
            layers: vec!["component.json".into(), "modrack.toml".into()],
            bundle: [("version".to_owned(), "1.2.0".to_owned()), ("built".to_owned(), "from source".to_owned())].into(),
            ..pb::Component::default()
        }
    }

    #[test]
    fn everything_that_an_operator_may_ask_for_is_there() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1135);
        insta::assert_snapshot!(describe(&full(), now, &Output::with_width(100)), @"
        dator-http  degraded for 2 min
          module        dator
          component     middleware.dator
          kind          http_local_json
          enabled       yes
          pid           4711
          usage         0.23 s of processor time, 23.1 MiB, 1 process
          endpoint      http://127.0.0.1:41000
          hooks         pre_invoke, post_invoke
          session       ses-1
          readiness     ok: 200, in 3.1ms, 5 s ago
          health        bad: 503 Service Unavailable, in 3.1ms, 5 s ago, 2 times in a row
          starts        3, 2 by the restart policy, 1 in its window, the next in 2 s
          last error    ended with status 1 (component.exited), 3 min ago
          invocations   12 answered, 1 failed
          report        dator 1.2.0, contract 1, API of the host 1
                        Shapes service work.
                        At the edge.
          capability    dator/service-execution-shaping (base, answers as modrack.dator.shaping/1)
                        Shapes calls and answers.
          bundle        built from source
                        version 1.2.0
          configured by component.json
                        modrack.toml
        ");
    }

    #[test]
    fn what_never_ran_has_only_what_is_configured() {
        let component = pb::Component {
            id: "echo\u{1b}".into(),
            module_id: "echo".into(),
            component_id: "echo".into(),
            kind: pb::ComponentKind::CommandStdio.into(),
            state: pb::ComponentState::Configured.into(),
            ..pb::Component::default()
        };
        insta::assert_snapshot!(describe(&component, SystemTime::UNIX_EPOCH, &Output::with_width(100)), @"
        echo�  configured
          module        echo
          component     echo
          kind          command_stdio
          enabled       no
          starts        0
        ");
    }

    #[test]
    fn what_the_kernel_lacks_stands_out() {
        let measure = |name: &str, state: &str, detail: &str| pb::SandboxMeasure {
            name: name.into(),
            state: state.into(),
            detail: detail.into(),
        };
        let sandbox = pb::SandboxReport {
            profile: "module-restricted".into(),
            measures: vec![
                measure("no_new_privileges", "enforced", "set"),
                measure("network", "unavailable", "the kernel has Landlock 3; TCP needs 4"),
            ],
        };
        insta::assert_snapshot!(measures(&sandbox, &Output::with_width(100)), @"
        SANDBOX module-restricted  STATE        DETAIL
        no_new_privileges          enforced     set
        network                    unavailable  the kernel has Landlock 3; TCP needs 4
        ");
    }
}
