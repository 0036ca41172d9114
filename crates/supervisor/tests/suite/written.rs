//! What processes write, through the ring.

use std::time::Instant;

use supervisor::output::Ring;
use supervisor::process;
use tokio::time::timeout;

use crate::support::{LONG, child, program, shim};

#[tokio::test]
async fn both_streams_of_a_process_are_kept_with_their_numbers_and_the_start_that_wrote_them() {
    let ring = Ring::new(10);
    for start in [1, 2] {
        let script = format!("echo out {start}; exec 1>&-; echo err {start} >&2");
        let mut process =
            process::spawn(&shim(), program("/bin/sh".as_ref(), vec!["-c".into(), script])).await.unwrap();
        // One after the other, so that the order is that of the program.
        ring.drain(process.stdout.take().unwrap(), false, start).await;
        ring.drain(process.stderr.take().unwrap(), true, start).await;
    }
    let lines = ring.reader(0, false).next().await.unwrap();
    let told: Vec<_> = lines.iter().map(|line| (line.number, line.start, line.is_stderr, line.text.as_str())).collect();
    let expected = [(1, 1, false, "out 1"), (2, 1, true, "err 1"), (3, 2, false, "out 2"), (4, 2, true, "err 2")];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_output_neither_stops_the_child_nor_the_host_nor_grows() {
    const MEGABYTES: u64 = 200;
    let ring = Ring::new(100);
    let mut process = process::spawn(&shim(), child(&["flood", &MEGABYTES.to_string()])).await.unwrap();
    let (stdout, writer) = (process.stdout.take().unwrap(), ring.clone());
    let begun = Instant::now();
    let reading = tokio::spawn(async move { writer.drain(stdout, false, 1).await });
    // Another task of the host goes on all the while.
    let mut turns = 0_u64;
    let mut exited = std::pin::pin!(timeout(LONG, process.exited()));
    let exit = loop {
        tokio::select! {
            exit = &mut exited => break exit.expect("the child is never stopped"),
            () = tokio::task::yield_now() => turns += 1,
        }
    };
    assert!(exit.is_success(), "{exit}");
    timeout(LONG, reading).await.unwrap().unwrap();
    let lines = ring.reader(0, false).next().await.unwrap();
    let last = lines.last().unwrap();
    assert_eq!(last.text, "the last line");
    assert_eq!(last.number, (MEGABYTES << 20) / 80 + 1);
    assert_eq!(lines.len(), 100);
    println!(
        "{} MB/s, {turns} turns of another task",
        MEGABYTES * 1000 / u64::try_from(begun.elapsed().as_millis()).unwrap()
    );
}
