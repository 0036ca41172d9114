//! What is refused, where, and how layers lie over each other.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::layers::over;
use super::*;

fn good() -> Value {
    json!({
        "id": "dator-http", "kind": "http_local_json", "module_id": "dator", "component_id": "middleware.dator",
        "launch": { "executable": "/opt/dator", "args": ["serve"], "cwd": "/opt", "env": { "LANG": "C.UTF-8" } },
        "http": { "endpoint": "http://127.0.0.1:0", "headers": { "X-Extra": "1" } },
        "sandbox_profile": "module-restricted",
        "hooks": ["pre_invoke", "post_invoke"],
        "capabilities": [{ "id": "run_pipeline", "modules": ["text.*"] }, { "id": "staging" }],
    })
}

/// The faults of the good configuration with one change each, as `pointer: message`.
fn faults(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut value = good();
    change(&mut value);
    match ComponentConfig::read(value) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| format!("{}: {}", fault.pointer, fault.message)).collect(),
    }
}

#[test]
fn the_shape_of_the_specification_is_taken_with_its_defaults() {
    let config = ComponentConfig::read(good()).expect("it is good");
    assert_eq!((config.enabled, config.name(), config.log_lines), (true, "middleware.dator", 2000));
    assert_eq!(config.http.expect("it has http").startup_timeout_ms, 15_000);
    assert_eq!((config.restart_policy.max_restarts, config.restart_policy.window_sec), (3, 60));
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let all = faults(|value| {
        value["id"] = json!("no id");
        value["launch"] = json!({ "executable": "bin/dator", "cwd": 7, "env": { "MODRACK_HOST": "x" }, "shell": true });
        value["http"]["endpoint"] = json!("http://0.0.0.0:80");
        value["http"]["headers"] = json!({ "no header": "x", "Host": "x", "x-modrack-auth": "x" });
        value["http"]["request_timeout_ms"] = json!(0);
        value["hooks"] = json!(["pre_invoke", "never", "pre_invoke"]);
        value["capabilities"][0]["modules"] = json!([]);
        value["surprise"] = json!(1);
    });
    let places: Vec<_> = all.iter().filter_map(|fault| fault.split(": ").next()).collect();
    assert_eq!(
        places,
        [
            "/capabilities/0/modules",
            "/hooks/1",
            "/hooks/2",
            "/http/endpoint",
            "/http/headers/Host",
            "/http/headers/no header",
            "/http/headers/x-modrack-auth",
            "/http/request_timeout_ms",
            "/id",
            "/launch/cwd",
            "/launch/env/MODRACK_HOST",
            "/launch/executable",
            "/launch/shell",
            "/surprise",
        ],
        "{all:#?}"
    );
}

#[test]
fn what_is_missing_is_named_where_it_would_stand() {
    let all = faults(|value| {
        value["launch"] = json!({});
        value["http"] = json!({});
        value.as_object_mut().expect("a table").remove("kind");
    });
    assert_eq!(
        all,
        [
            "/http/endpoint: missing field `endpoint`",
            "/kind: missing field `kind`",
            "/launch/cwd: missing field `cwd`",
            "/launch/executable: missing field `executable`",
        ]
    );
    let all = ComponentConfig::read(json!([])).expect_err("a list is none");
    assert_eq!(all[0].message, "a component is a table");
}

#[test]
fn neither_kind_is_turned_into_the_other() {
    let of = |kind: &str| faults(|value| value["kind"] = json!(kind));
    assert_eq!(
        of("local_http_json"),
        [
            "/http/endpoint: port 0 is for components that the host starts",
            "/launch: a component of kind `local_http_json` has no `launch`",
            "/sandbox_profile: a component that somebody else runs has no sandbox of the host",
        ]
    );
    assert_eq!(
        of("grpc_local"),
        ["/hooks: a provider is asked at no hook", "/http: a component of kind `grpc_local` has no `http`"]
    );
    assert_eq!(of("command_stdio"), ["/http: a component of kind `command_stdio` has no `http`"]);
    let none = faults(|value| drop(value.as_object_mut().expect("a table").remove("http")));
    assert_eq!(none, ["/http: `http` is missing"]);
}

#[test]
fn endpoints_are_on_loopback_alone() {
    let judge = |endpoint: &str| faults(|value| value["http"]["endpoint"] = json!(endpoint)).len();
    for good in
        ["http://127.0.0.1:0", "http://127.9.9.9:80", "http://[::1]:80", "http://localhost:80", "http://127.0.0.1:80/"]
    {
        assert_eq!(judge(good), 0, "{good}");
    }
    let bad = [
        "https://127.0.0.1:80",
        "http://10.0.0.1:80",
        "http://0.0.0.0:80",
        "http://[::]:80",
        "http://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://localhost.example:80",
        "http://127.0.0.1:80@example.org:80",
        "http://127.0.0.1:80/path",
        "",
    ];
    for bad in bad {
        assert_eq!(judge(bad), 1, "{bad}");
    }
}

#[test]
fn health_gives_up_after_it_degrades_and_not_before() {
    let all = faults(|value| value["health"] = json!({ "degraded_after": 5, "restart_after": 3 }));
    assert_eq!(all, ["/health/restart_after: it is less than `degraded_after`"]);
}

#[test]
fn paths_are_relative_to_the_layer_that_says_them() {
    let layer = |origin: &str, base: &str, value: Value| Layer { origin: origin.into(), base: base.into(), value };
    let mut factory = good();
    factory["launch"] = json!({ "executable": "dator", "cwd": ".", "args": ["a", "b"], "env": { "A": "1", "B": "2" } });
    factory["sandbox"] = json!({ "read": ["lib"] });
    let operator = json!({ "launch": { "cwd": "work", "args": ["c"], "env": { "B": "3" } } });
    let layers = vec![layer("bundle", "/opt/bundle", factory), layer("file", "/etc/modrack", operator)];
    let merged = merge(layers).expect("they are good");
    let launch = merged.config.launch.expect("it has one");
    assert_eq!(launch.executable, Path::new("/opt/bundle/dator"));
    assert_eq!(launch.cwd, Path::new("/etc/modrack/work"));
    assert_eq!((launch.args, launch.env["A"].as_str(), launch.env["B"].as_str()), (vec!["c".to_owned()], "1", "3"));
    assert_eq!(merged.config.sandbox.read, [Path::new("/opt/bundle/lib")]);
    assert_eq!(merged.layers, ["bundle", "file"]);
}

#[test]
fn a_fault_names_the_layer_that_says_so() {
    let layers =
        [("bundle", good()), ("file", json!({ "http": { "request_timeout_ms": 0 } })), ("toml", json!({ "id": "" }))];
    let layer = |(origin, value): (&str, Value)| Layer { origin: origin.into(), base: "/".into(), value };
    let faults = merge(layers.into_iter().map(layer).collect()).expect_err("two faults");
    let told: Vec<_> = faults.iter().map(|fault| (&*fault.pointer, fault.origin.as_deref())).collect();
    assert_eq!(told, [("/http/request_timeout_ms", Some("file")), ("/id", Some("toml"))]);
}

#[test]
fn a_filter_replaces_the_one_below_it() {
    let merged = over(
        json!({ "filter": { "module": "text.*" }, "config": { "a": 1 } }),
        json!({ "filter": { "NOT": { "module": "ml.*" } }, "config": { "b": 2 } }),
    );
    assert_eq!(merged, json!({ "filter": { "NOT": { "module": "ml.*" } }, "config": { "a": 1, "b": 2 } }));
}

/// Parts of one form: whether a member is an object does not change from layer to layer, as in a configuration.
fn part() -> impl Strategy<Value = Value> {
    let leaf = || prop::option::of(prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!([1, 2])), Just(json!([]))]);
    let inner = || prop::option::of((leaf(), leaf()).prop_map(|(a, b)| members([("a", a), ("b", b)])));
    (leaf(), inner(), inner(), leaf()).prop_map(|(id, launch, http, hooks)| {
        members([("id", id), ("launch", launch), ("http", http), ("hooks", hooks)])
    })
}

fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_not_matter_which_layers_are_laid_over_each_other_first(a in part(), b in part(), c in part()) {
        let left = over(over(a.clone(), b.clone()), c.clone());
        let right = over(a, over(b, c));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn the_later_layer_wins_and_what_it_does_not_say_stays(a in part(), b in part()) {
        let merged = over(a.clone(), b.clone());
        prop_assert_eq!(over(merged.clone(), b.clone()), merged.clone());
        for name in ["id", "hooks"] {
            let expected = b.get(name).or_else(|| a.get(name));
            prop_assert_eq!(merged.get(name), expected);
        }
    }
}
