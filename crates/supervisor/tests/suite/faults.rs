//! Starts that fail, each with its code and its reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use supervisor::ShimCommand;
use supervisor::process::{self, Launch, SpawnFault};
use tokio::time::timeout;

use crate::support::{LONG, directory, program, shim};

async fn fault(launch: Launch) -> SpawnFault {
    timeout(LONG, process::spawn(&shim(), launch)).await.unwrap().unwrap_err()
}

fn script(directory: &Path, text: &str, mode: u32) -> PathBuf {
    let path = directory.join("program");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test]
async fn an_executable_that_does_not_exist_is_said_to_be_missing() {
    let fault = fault(program("/no/such/program".as_ref(), Vec::new())).await;
    assert_eq!(fault.code().name, "component.executable.missing");
    assert_eq!(fault.to_string(), "executable `/no/such/program` does not exist");
}

#[tokio::test]
async fn a_file_that_is_not_executable_is_denied() {
    let directory = directory();
    let path = script(directory.path(), "#!/bin/sh\n", 0o600);
    let fault = fault(program(&path, Vec::new())).await;
    assert_eq!(fault.code().name, "component.executable.denied");
    assert_eq!(fault, SpawnFault::ExecutableDenied { path, reason: "it is not executable".to_owned() });
}

#[tokio::test]
async fn a_directory_is_no_executable() {
    let fault = fault(program("/usr".as_ref(), Vec::new())).await;
    let expected = SpawnFault::ExecutableDenied { path: "/usr".into(), reason: "it is no file".to_owned() };
    assert_eq!(fault, expected);
}

#[tokio::test]
async fn a_script_whose_interpreter_is_missing_is_denied_with_the_name_of_the_interpreter() {
    let directory = directory();
    let path = script(directory.path(), "#! /no/such/python -I\n", 0o700);
    let fault = fault(program(&path, Vec::new())).await;
    let reason = "its interpreter `/no/such/python` does not exist".to_owned();
    assert_eq!(fault, SpawnFault::ExecutableDenied { path, reason });
}

#[tokio::test]
async fn a_file_that_is_no_program_is_denied() {
    let directory = directory();
    let path = script(directory.path(), "neither a script nor machine code", 0o700);
    let fault = fault(program(&path, Vec::new())).await;
    assert_eq!(fault.code().name, "component.executable.denied");
    assert!(fault.to_string().contains("Exec format error"), "{fault}");
}

#[tokio::test]
async fn a_working_directory_that_does_not_exist_is_missing() {
    let mut launch = program("/bin/true".as_ref(), Vec::new());
    launch.cwd = "/no/such/directory".into();
    let fault = fault(launch).await;
    assert_eq!(fault.code().name, "component.cwd.missing");
    let expected = "working directory `/no/such/directory` cannot be used: entity not found";
    assert_eq!(fault.to_string(), expected);
}

#[tokio::test]
async fn a_working_directory_that_is_a_file_cannot_be_used() {
    let mut launch = program("/bin/true".as_ref(), Vec::new());
    launch.cwd = "/dev/null".into();
    assert_eq!(fault(launch).await.code().name, "component.cwd.missing");
}

#[tokio::test]
async fn a_shim_that_does_not_exist_is_said_so() {
    let shim = ShimCommand { program: "/no/such/shim".into(), args: Vec::new() };
    let fault = process::spawn(&shim, program("/bin/true".as_ref(), Vec::new())).await.unwrap_err();
    assert_eq!(fault.code().name, "component.spawn.failed");
    assert!(fault.to_string().contains("/no/such/shim"), "{fault}");
}

#[tokio::test]
async fn a_program_that_is_no_shim_is_said_so() {
    let shim = ShimCommand { program: "/bin/true".into(), args: Vec::new() };
    let fault = process::spawn(&shim, program("/bin/true".as_ref(), Vec::new())).await.unwrap_err();
    assert_eq!(fault.code().name, "component.spawn.failed");
}
