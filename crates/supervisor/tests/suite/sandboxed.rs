//! `module-restricted`, proved from inside: what a process may do, and what it may not whatever it tries.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use supervisor::config::{SandboxOptions, SandboxProfile};
use supervisor::process::{Exit, Launch};
use supervisor::sandbox::Plan;
use tokio::net::TcpListener;

use crate::support::{child, directory, program, python, said, script, start};

/// A host's directory with two components, and the program of one of them elsewhere.
struct World {
    _directory: tempfile::TempDir,
    root: PathBuf,
}

impl World {
    fn new() -> Self {
        let directory = directory();
        let root = directory.path().canonicalize().unwrap();
        for name in ["app", "host/components/own/data", "host/components/other/data"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in ["app/config", "host/key", "host/components/own/auth", "host/components/other/auth"] {
            fs::write(root.join(name), "x").unwrap();
        }
        Self { _directory: directory, root }
    }

    fn path(&self, name: &str) -> String {
        self.root.join(name).to_str().unwrap().to_owned()
    }

    fn plan(&self) -> Plan {
        let mut plan = Plan::new(SandboxProfile::ModuleRestricted, &SandboxOptions::default());
        plan.read.extend([script(), self.root.join("host/components/own/auth")]);
        plan.write.push(self.root.join("host/components/own/data"));
        plan.guarded.push(self.root.join("host"));
        plan
    }

    /// `child.py WORDS…` in the sandbox.
    fn child(&self, words: &[&str]) -> Launch {
        Launch { cwd: self.root.join("app"), sandbox: self.plan(), ..child(words) }
    }

    async fn outcome(&self, words: &[&str]) -> Value {
        said(self.child(words)).await["outcome"].clone()
    }
}

#[tokio::test]
async fn its_program_its_directory_its_data_and_its_own_token_may_be_read() {
    let world = World::new();
    for name in ["app", "app/config", "host/components/own/data", "host/components/own/auth"] {
        assert_eq!(world.outcome(&["read", &world.path(name)]).await, "ok", "{name}");
    }
}

#[tokio::test]
async fn the_host_s_directory_and_what_others_have_there_may_not_be_read() {
    let world = World::new();
    for name in ["host", "host/key", "host/components", "host/components/other/auth", "host/components/other/data"] {
        assert_eq!(world.outcome(&["read", &world.path(name)]).await, "EACCES", "{name}");
    }
}

#[tokio::test]
async fn what_the_system_keeps_to_itself_may_not_be_read() {
    let world = World::new();
    let host = format!("/proc/{}/environ", std::process::id());
    for path in ["/etc/passwd", "/etc", "/root", "/tmp", "/proc", "/var/log", &host] {
        if Path::new(path).exists() {
            assert_eq!(world.outcome(&["read", path]).await, "EACCES", "{path}");
        }
    }
}

#[tokio::test]
async fn nothing_but_its_data_may_be_written() {
    let world = World::new();
    assert_eq!(world.outcome(&["write", &world.path("host/components/own/data/new")]).await, "ok");
    assert_eq!(world.outcome(&["write", "/dev/null"]).await, "ok");
    for name in ["app/new", "app/config", "host/new", "host/components/own/auth", "new"] {
        assert_eq!(world.outcome(&["write", &world.path(name)]).await, "EACCES", "{name}");
    }
    assert_eq!(fs::read(world.root.join("app/config")).unwrap(), b"x");
}

#[tokio::test]
async fn a_program_from_elsewhere_is_not_executed() {
    let world = World::new();
    let path = world.root.join("program");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(world.outcome(&["run", path.to_str().unwrap()]).await, "EACCES");
    assert_eq!(world.outcome(&["run", "/bin/true"]).await, "ok");
}

#[tokio::test]
async fn what_a_process_starts_is_held_in_as_well() {
    let world = World::new();
    let read = |name: &str| vec!["-c".to_owned(), format!("exec 2>&-; cat {} & wait $!", world.path(name))];
    let launch = |name: &str| Launch {
        cwd: world.root.join("app"),
        sandbox: world.plan(),
        ..program("/bin/sh".as_ref(), read(name))
    };
    assert_eq!(start(launch("app/config")).await.exited().await, Exit::Code(0));
    assert_eq!(start(launch("host/key")).await.exited().await, Exit::Code(1));
}

/// What the tests above see refused is refused by the sandbox and by nothing else.
#[tokio::test]
async fn without_a_profile_the_same_attempts_succeed() {
    let world = World::new();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = format!("supervisor-test-open-{}", std::process::id());
    let _by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let attempts = [
        vec!["read".to_owned(), world.path("host/key")],
        vec!["write".to_owned(), world.path("app/new")],
        vec!["descriptors".to_owned(), "256".to_owned()],
        vec!["memory".to_owned(), "1100000000".to_owned()],
        vec!["connect".to_owned(), port.local_addr().unwrap().port().to_string()],
        vec!["bind".to_owned(), "0".to_owned()],
        vec!["connect-unix".to_owned(), format!("@{name}")],
        vec!["hit".to_owned(), std::process::id().to_string()],
    ];
    for attempt in attempts {
        let words: Vec<&str> = attempt.iter().map(String::as_str).collect();
        let launch = Launch { sandbox: Plan::none(), ..world.child(&words) };
        assert_eq!(said(launch).await["outcome"], "ok", "{attempt:?}");
    }
}

#[tokio::test]
async fn a_script_brings_its_interpreter_and_its_library_with_it() {
    let world = World::new();
    let path = world.root.join("app/script");
    fs::write(&path, format!("#!{} -I\nimport json, sys\nsys.exit(42)\n", python().display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o500)).unwrap();
    let launch = Launch { cwd: world.root.join("app"), sandbox: world.plan(), ..program(&path, Vec::new()) };
    assert_eq!(start(launch).await.exited().await, Exit::Code(42));
}

#[tokio::test]
async fn no_more_files_are_opened_than_the_limit_says_and_the_limit_cannot_be_lifted() {
    let world = World::new();
    assert_eq!(world.outcome(&["descriptors", "200"]).await, "ok");
    assert_eq!(world.outcome(&["descriptors", "256"]).await, "EMFILE");
    assert_eq!(world.outcome(&["lift", "RLIMIT_NOFILE"]).await, "ValueError");
}

#[tokio::test]
async fn no_more_memory_is_given_than_the_limit_says_and_the_limit_cannot_be_lifted() {
    let world = World::new();
    assert_eq!(world.outcome(&["memory", "100000000"]).await, "ok");
    assert_eq!(world.outcome(&["memory", "1100000000"]).await, "memory");
    assert_eq!(world.outcome(&["lift", "RLIMIT_AS"]).await, "ValueError");
}

#[tokio::test]
async fn only_the_ports_that_are_listed_are_open() {
    let world = World::new();
    let (host, other) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let own = port(&TcpListener::bind("127.0.0.1:0").await.unwrap());
    let outcome = async |words: &[&str]| {
        let mut launch = world.child(words);
        launch.sandbox.bind.push(own);
        launch.sandbox.connect.push(port(&host));
        said(launch).await["outcome"].clone()
    };
    assert_eq!(outcome(&["connect", &port(&host).to_string()]).await, "ok");
    assert_eq!(outcome(&["connect", &port(&other).to_string()]).await, "EACCES");
    assert_eq!(outcome(&["bind", &own.to_string()]).await, "ok");
    assert_eq!(outcome(&["bind", "0"]).await, "EACCES");
}

#[tokio::test]
async fn unix_sockets_are_open_by_path_and_closed_by_abstract_name() {
    let world = World::new();
    let path = world.path("host/host.sock");
    let _by_path = UnixListener::bind(&path).unwrap();
    let name = format!("supervisor-test-{}", std::process::id());
    let _by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    assert_eq!(world.outcome(&["connect-unix", &path]).await, "ok");
    assert_eq!(world.outcome(&["connect-unix", &format!("@{name}")]).await, "EPERM");
}

#[tokio::test]
async fn processes_of_others_are_not_signalled() {
    let world = World::new();
    assert_eq!(world.outcome(&["hit", &std::process::id().to_string()]).await, "EPERM");
}

#[tokio::test]
async fn no_privilege_is_left_and_none_can_be_gained() {
    let world = World::new();
    let facts = said(world.child(&["facts"])).await;
    assert_eq!(facts["no_new_privileges"], "1");
    let none = "0000000000000000";
    let all_but_bounding = [0, 1, 3].map(|index| &facts["capabilities"][index]);
    assert_eq!(all_but_bounding, [none; 3]);
    assert_eq!(world.outcome(&["change-user", "12345"]).await, "EPERM");
}

#[tokio::test]
async fn the_environment_the_descriptors_and_the_limits_are_those_of_the_plan() {
    let world = World::new();
    let mut launch = world.child(&["facts"]);
    launch.env.push(("NAME".to_owned(), "a value".to_owned()));
    let facts = said(launch).await;
    assert_eq!(facts["env"], json!({"NAME": "a value"}));
    assert_eq!(facts["descriptors"], json!([0, 1, 2]));
    let limits = &facts["limits"];
    assert_eq!(limits["RLIMIT_AS"], json!([1 << 30, 1 << 30]));
    assert_eq!(limits["RLIMIT_NOFILE"], json!([256, 256]));
    assert_eq!(limits["RLIMIT_CORE"], json!([0, 0]));
    assert!(limits["RLIMIT_NPROC"][1].as_i64().unwrap() >= 64);
}

#[tokio::test]
async fn the_report_says_of_each_measure_how_far_it_goes() {
    let world = World::new();
    let mut launch = world.child(&["wait"]);
    launch.sandbox.bind.push(4711);
    let child = start(launch).await;
    let report = &child.process.sandbox;
    assert_eq!(report.profile, "module-restricted");
    let told: Vec<(&str, &str)> =
        report.measures.iter().map(|measure| (measure.name.as_str(), measure.state.as_str())).collect();
    // Root is not counted by the kernel; others are, but all of theirs together.
    let processes = if rustix::process::getuid().is_root() { "unavailable" } else { "partial" };
    let expected = [
        ("no_new_privileges", "enforced"),
        ("environment", "enforced"),
        ("descriptors", "enforced"),
        ("address_space", "enforced"),
        ("processes", processes),
        ("open_files", "enforced"),
        ("core_dumps", "enforced"),
        ("files", "enforced"),
        ("network", "partial"),
        ("parent_death", "enforced"),
    ];
    assert_eq!(told, expected);
    let network = &report.measures[8].detail;
    assert!(network.starts_with("TCP: listens at 4711, connects to none; by port, whatever the address"), "{network}");
}

#[tokio::test]
async fn the_report_says_so_when_an_allowed_directory_holds_what_is_guarded() {
    let world = World::new();
    let launch = Launch { cwd: world.root.clone(), ..world.child(&["wait"]) };
    let child = start(launch).await;
    let files = &child.process.sandbox.measures[7];
    assert_eq!(files.state.as_str(), "partial");
    let expected = format!("`{}` is allowed, and `{}` is in it", world.root.display(), world.path("host"));
    assert!(files.detail.ends_with(&expected), "{}", files.detail);
}

#[tokio::test]
async fn without_a_profile_the_report_claims_nothing_more() {
    let child = start(child(&["wait"])).await;
    let report = &child.process.sandbox;
    assert_eq!(report.profile, "none");
    let enforced = report.measures.iter().filter(|measure| measure.state.as_str() == "enforced");
    let names: Vec<&str> = enforced.map(|measure| measure.name.as_str()).collect();
    assert_eq!(names, ["environment", "descriptors", "parent_death"]);
}

#[tokio::test]
async fn a_limit_that_leaves_no_room_ends_the_program_at_once() {
    let world = World::new();
    let mut launch = world.child(&["wait"]);
    launch.sandbox.address_space = 1 << 20;
    // By the kernel, or by its loader, when its old memory is gone and the new one does not fit.
    assert!(!start(launch).await.exited().await.is_success());
}
