//! How processes end, and that nothing of them is left.

use supervisor::process::Exit;

use crate::support::{child, ended, exists, parent, pid, program, start};

#[tokio::test]
async fn a_program_that_ends_at_once_has_been_started_and_tells_its_code() {
    assert_eq!(
        start(program("/bin/sh".as_ref(), vec!["-c".into(), "exit 7".into()])).await.exited().await,
        Exit::Code(7)
    );
}

#[tokio::test]
async fn a_program_that_crashes_tells_its_signal() {
    let launch = program("/bin/sh".as_ref(), vec!["-c".into(), "kill -SEGV $$".into()]);
    assert_eq!(start(launch).await.exited().await, Exit::Signal(11));
}

#[tokio::test]
async fn who_asks_later_how_a_process_ended_is_told_the_same() {
    let child = start(program("/bin/false".as_ref(), Vec::new())).await;
    assert_eq!((child.exited().await, child.exited().await), (Exit::Code(1), Exit::Code(1)));
}

#[tokio::test]
async fn a_process_that_is_told_to_end_may_do_so_by_itself() {
    let mut child = start(child(&["wait"])).await;
    child.says().await;
    child.process.terminate();
    assert_eq!(child.exited().await, Exit::Signal(15));
}

#[tokio::test]
async fn a_process_that_ignores_the_request_is_killed() {
    let mut child = start(child(&["deaf"])).await;
    child.says().await;
    child.process.terminate();
    child.process.kill();
    assert_eq!(child.exited().await, Exit::Signal(9));
    assert!(!exists(child.process.pid));
}

#[tokio::test]
async fn who_forked_twice_into_a_session_of_its_own_is_killed_with_the_process() {
    let mut child = start(child(&["escape-and-wait"])).await;
    let escaped = pid(&child.says().await, "escaped");
    child.process.terminate();
    assert_eq!(child.exited().await, Exit::Signal(15));
    assert!(!exists(escaped));
}

#[tokio::test]
async fn what_a_process_leaves_behind_when_it_ends_is_killed() {
    let mut child = start(child(&["escape-and-leave"])).await;
    let escaped = pid(&child.says().await, "escaped");
    assert_eq!(child.exited().await, Exit::Code(0));
    assert!(!exists(escaped));
}

#[tokio::test]
async fn a_process_that_runs_away_from_one_number_to_the_next_is_caught() {
    let mut child = start(child(&["run-away"])).await;
    child.says().await;
    assert_eq!(child.exited().await, Exit::Code(0));
    let group = rustix::process::Pid::from_raw(i32::try_from(child.process.pid).unwrap()).unwrap();
    let left = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    assert_eq!(left, Err(rustix::io::Errno::SRCH));
}

#[tokio::test]
async fn a_process_that_nobody_waited_for_is_buried() {
    let mut child = start(child(&["leave-a-zombie"])).await;
    let zombie = pid(&child.says().await, "zombie");
    assert!(exists(zombie));
    child.process.kill();
    child.exited().await;
    assert!(!exists(zombie));
}

#[tokio::test]
async fn a_process_that_is_dropped_is_killed_with_all_that_it_started() {
    let mut child = start(child(&["escape-and-wait"])).await;
    let said = child.says().await;
    drop(child);
    ended(pid(&said, "escaped")).await;
    ended(pid(&said, "pid")).await;
}

#[tokio::test]
async fn no_shim_is_left_when_its_process_has_ended() {
    let mut child = start(child(&["wait"])).await;
    child.says().await;
    let shim = parent(child.process.pid);
    child.process.kill();
    child.exited().await;
    assert!(!exists(shim));
}

#[tokio::test]
async fn a_process_whose_shim_is_killed_dies_with_it_and_with_its_group() {
    let mut child = start(child(&["work", "1", "0"])).await;
    child.says().await;
    let main = child.process.pid;
    let below = std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap();
    let below: u32 = below.trim().parse().unwrap();
    kill(parent(main), rustix::process::Signal::KILL);
    assert_eq!(child.exited().await, Exit::Lost);
    ended(main).await;
    ended(below).await;
}

#[tokio::test]
async fn a_shim_that_stands_still_is_given_up_and_its_group_killed() {
    let mut child = start(child(&["wait"])).await;
    child.says().await;
    let (main, shim) = (child.process.pid, parent(child.process.pid));
    kill(shim, rustix::process::Signal::STOP);
    // The bound passes without waiting for it.
    tokio::time::pause();
    child.process.kill();
    assert_eq!(child.process.exited().await, Exit::Lost);
    tokio::time::resume();
    ended(main).await;
    assert!(!exists(shim));
}

#[tokio::test]
async fn a_shim_that_is_told_to_end_ends_its_tree_first() {
    let mut child = start(child(&["escape-and-wait"])).await;
    let escaped = pid(&child.says().await, "escaped");
    kill(parent(child.process.pid), rustix::process::Signal::TERM);
    assert_eq!(child.exited().await, Exit::Signal(15));
    assert!(!exists(escaped));
}

fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
