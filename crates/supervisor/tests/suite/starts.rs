//! What a process is given: nothing but what is listed.

use serde_json::json;
use supervisor::ShimCommand;
use supervisor::process::{self, Exit, Stdin};

use crate::support::{child, directory, heard, program, said, shim, start};

#[tokio::test]
async fn a_process_has_the_environment_the_arguments_and_the_directory_that_are_listed_and_no_more() {
    let directory = directory();
    let mut launch = child(&["facts", "one", "two words"]);
    launch.cwd = directory.path().canonicalize().unwrap();
    launch.env = vec![("NAME".to_owned(), "a value".to_owned())];
    let said = said(launch.clone()).await;
    assert_eq!(said["env"], json!({"NAME": "a value"}));
    assert_eq!(said["arguments"], json!(["one", "two words"]));
    assert_eq!(said["cwd"], json!(launch.cwd));
    assert_eq!(said["stdin"], json!(""));
}

#[tokio::test]
async fn a_process_has_no_descriptor_but_its_three_streams() {
    // One that the host has, and that an execution does not close.
    let kept = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&kept, rustix::io::FdFlags::empty()).unwrap();
    assert_eq!(said(child(&["facts"])).await["descriptors"], json!([0, 1, 2]));
}

#[tokio::test]
async fn a_process_leads_its_group_away_from_the_terminal_blocks_no_signal_and_shows_its_files_to_nobody() {
    let said = said(child(&["facts"])).await;
    assert_eq!(said["leads_its_group"], json!(true));
    // The session is the shim's, which has no terminal.
    assert_eq!(said["is_in_the_session_of_its_parent"], json!(true));
    assert_eq!(said["blocked"], json!(0));
    // Python ignores these two by itself.
    assert_eq!(said["ignored"], json!(["SIGPIPE", "SIGXFSZ"]));
    assert_eq!(said["umask"], json!(0o077));
}

#[tokio::test]
async fn a_signal_that_the_host_ignores_is_not_ignored_by_the_process() {
    let shim = shim().program;
    let args = ["-c", "trap '' HUP TERM; exec \"$0\"", shim.to_str().unwrap()].map(Into::into).to_vec();
    let deaf = ShimCommand { program: "/bin/sh".into(), args };
    let process = process::spawn(&deaf, child(&["facts"])).await.unwrap();
    assert_eq!(heard(process).says().await["ignored"], json!(["SIGPIPE", "SIGXFSZ"]));
}

#[tokio::test]
async fn input_is_what_the_process_reads_and_then_the_end() {
    let mut launch = child(&["facts"]);
    // More than the buffers of sockets and pipes hold.
    let input = "0123456789abcdef".repeat(100_000);
    launch.stdin = Stdin::Bytes(input.clone().into());
    assert_eq!(said(launch).await["stdin"], json!(input));
}

#[tokio::test]
async fn a_program_that_never_reads_its_input_starts_all_the_same() {
    let mut launch = program("/bin/true".as_ref(), Vec::new());
    launch.stdin = Stdin::Bytes(vec![b'T'; 4 << 20].into());
    assert_eq!(start(launch).await.exited().await, Exit::Code(0));
}

#[tokio::test]
async fn the_number_of_a_process_is_its_own() {
    let mut child = start(child(&["wait"])).await;
    assert_eq!(child.says().await["pid"], json!(child.process.pid));
}
