//! What the shim costs.

use std::process::Command;
use std::time::{Duration, Instant};

use supervisor::process;

use crate::support::{program, shim};

/// Prints the median of the time from the order to the program's end, with the shim and without. Under a test's load a bound is all
/// that can be asked.
#[tokio::test]
async fn a_start_through_the_shim_is_a_matter_of_milliseconds() {
    let mut through = Vec::new();
    let mut started = Vec::new();
    let mut plain = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        let process = process::spawn(&shim(), program("/bin/true".as_ref(), Vec::new())).await.unwrap();
        started.push(begun.elapsed());
        assert!(process.exited().await.is_success());
        through.push(begun.elapsed());
        let begun = Instant::now();
        assert!(Command::new("/bin/true").status().unwrap().success());
        plain.push(begun.elapsed());
    }
    let (through, started, plain) = (median(through), median(started), median(plain));
    println!("`/bin/true` through the shim: running after {started:?}, ended after {through:?}; by std: {plain:?}");
    assert!(through < Duration::from_secs(1), "{through:?}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
