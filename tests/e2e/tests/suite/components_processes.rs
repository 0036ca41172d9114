//! The processes of components as the system sees them, below a real host: what they are given, and that none outlives it.

use std::fs;

use serde_json::{Value, json};
use testkit::eventually;

use e2e::{Host, Http, host_with_middleware};

/// A host with three components: `words`, a provider; `plain`; and `loose`, which has let a process loose.
async fn host() -> Host {
    let loose = json!({ "hooks": ["audit"], "launch": { "args": ["-I", "loose.py"] } });
    host_with_middleware(&[("plain", json!({ "hooks": ["audit"] })), ("loose", loose)], &[]).await
}

async fn component(host: &Host, id: &str) -> Value {
    Http::new(host.url()).get(&format!("/v1/components/{id}")).await.json()
}

async fn pid(host: &Host, id: &str) -> u64 {
    component(host, id).await["pid"].as_u64().unwrap_or_else(|| panic!("{id} has a process"))
}

/// The process that `loose` let loose.
async fn loose(host: &Host) -> u64 {
    let file = host.socket().with_file_name("components/loose/data/loose");
    eventually("the number of the loose process", || {
        let found = fs::read_to_string(&file).ok().and_then(|text| text.parse().ok());
        async move { found }
    })
    .await
}

/// All processes of the three components, those of the host above them among them.
async fn tree(host: &Host) -> Vec<u64> {
    let mut tree = vec![loose(host).await];
    for id in ["words", "plain", "loose"] {
        let pid = pid(host, id).await;
        tree.extend([pid, stat(pid).expect("it runs").parent]);
    }
    assert!(tree.iter().all(|pid| is_running(*pid)), "{tree:?}");
    tree
}

struct Stat {
    is_zombie: bool,
    parent: u64,
}

fn stat(pid: u64) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    Some(Stat { is_zombie: fields.next()? == "Z", parent: fields.next()?.parse().ok()? })
}

fn is_running(pid: u64) -> bool {
    stat(pid).is_some_and(|stat| !stat.is_zombie)
}

#[tokio::test]
async fn a_host_that_is_killed_leaves_no_process_of_its_components_behind() {
    let mut host = host().await;
    let tree = tree(&host).await;
    host.kill();
    for pid in tree {
        eventually(&format!("the end of process {pid}"), || async { (!is_running(pid)).then_some(()) }).await;
    }
}

#[tokio::test]
async fn a_host_that_is_asked_to_stop_has_ended_all_processes_of_its_components_before_itself() {
    let mut host = host().await;
    let tree = tree(&host).await;
    assert_eq!(host.terminate().await.code(), Some(0));
    let left: Vec<u64> = tree.into_iter().filter(|pid| stat(*pid).is_some()).collect();
    assert_eq!(left, [0; 0]);
}

#[tokio::test]
async fn a_component_that_is_stopped_leaves_none_behind_and_the_others_alone() {
    let host = host().await;
    let (tree, other) = (tree(&host).await, pid(&host, "plain").await);
    let (main, free) = (pid(&host, "loose").await, loose(&host).await);
    assert!(tree.contains(&main));
    let answer = Http::new(host.url()).post("/v1/components/loose:stop", &json!({})).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("stopped")), "{answer:?}");
    assert!(stat(main).is_none() && stat(free).is_none());
    assert!(is_running(other));
}

#[tokio::test]
async fn a_component_whose_process_is_killed_is_started_again_without_what_it_had_let_loose() {
    let host = host().await;
    let (main, free) = (pid(&host, "loose").await, loose(&host).await);
    let killed =
        i32::try_from(main).ok().and_then(rustix::process::Pid::from_raw).expect("it is a number of a process");
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).expect("it runs");
    eventually("the next start of the component", || async {
        let component = component(&host, "loose").await;
        (component["state"] == "ready" && component["pid"].as_u64() != Some(main)).then_some(())
    })
    .await;
    assert!(stat(free).is_none());
}

#[tokio::test]
async fn a_component_has_the_environment_that_is_listed_and_the_process_above_it_has_none() {
    let host = host().await;
    let main = pid(&host, "plain").await;
    let names = |pid: u64| -> Vec<String> {
        let all = fs::read_to_string(format!("/proc/{pid}/environ")).expect("it runs");
        let mut names: Vec<_> =
            all.split_terminator('\0').map(|pair| pair.split_once('=').map_or(pair, |p| p.0).to_owned()).collect();
        names.sort();
        names
    };
    let expected = ["MODRACK_AUTH_FILE", "MODRACK_BIND", "MODRACK_COMPONENT", "MODRACK_COMPONENT_DATA", "MODRACK_HOST"];
    assert_eq!(names(main), expected);
    let above = stat(main).expect("it runs").parent;
    assert_eq!(names(above), [""; 0]);
}

#[tokio::test]
async fn usage_covers_what_a_component_let_loose() {
    let host = host().await;
    loose(&host).await;
    let usage = &component(&host, "loose").await["usage"];
    assert_eq!(usage["processes"], json!(2), "{usage}");
    assert!(usage["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{usage}");
}

#[tokio::test]
async fn a_restricted_component_works_and_shows_what_holds_it_in() {
    let restricted = json!({ "hooks": ["pre_invoke"], "sandbox_profile": "module-restricted" });
    let host = host_with_middleware(&[("held", restricted)], &[]).await;
    let component = component(&host, "held").await;
    let sandbox = &component["sandbox"];
    assert_eq!(sandbox["profile"], "module-restricted", "{component}");
    let states: Vec<_> = sandbox["measures"]
        .as_array()
        .expect("there are measures")
        .iter()
        .filter(|measure| ["files", "no_new_privileges", "open_files"].iter().any(|name| measure["name"] == *name))
        .map(|measure| measure["state"].clone())
        .collect();
    assert_eq!(states, ["enforced"; 3], "{sandbox}");
    let main = pid(&host, "held").await;
    let status = fs::read_to_string(format!("/proc/{main}/status")).expect("it runs");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    let answer = Http::new(host.url()).post("/v1/modules/words.Say:call", &json!({ "text": "x" })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
