//! What the tree of a process uses.

use std::time::Duration;

use supervisor::usage;

use crate::support::{child, start};

#[tokio::test]
async fn usage_counts_the_processor_time_the_memory_and_the_processes_of_the_whole_tree() {
    let mut child = start(child(&["work", "64", "0.3"])).await;
    child.says().await;
    let used = usage::of(child.process.pid).unwrap();
    assert_eq!(used.processes, 2);
    assert!(used.memory > 64 << 20, "{used:?}");
    assert!(used.cpu >= Duration::from_millis(280), "{used:?}");
}

#[tokio::test]
async fn who_got_loose_by_a_double_fork_counts() {
    let mut child = start(child(&["escape-and-wait"])).await;
    child.says().await;
    assert_eq!(usage::of(child.process.pid).unwrap().processes, 2);
}

#[tokio::test]
async fn a_process_that_has_ended_uses_nothing() {
    let mut child = start(child(&["wait"])).await;
    child.says().await;
    child.process.kill();
    child.exited().await;
    assert_eq!(usage::of(child.process.pid), None);
}

#[tokio::test]
async fn a_process_of_another_has_no_usage_here() {
    assert_eq!(usage::of(std::process::id()), None);
}
