use std::sync::atomic::AtomicU32;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;

/// Takes a place, says its name and leaves.
fn visit(
    gate: &Arc<Gate>,
    priority: i32,
    name: &'static str,
    says: &mpsc::UnboundedSender<&'static str>,
) -> JoinHandle<()> {
    let (gate, says) = (Arc::clone(gate), says.clone());
    tokio::spawn(async move {
        let _place = gate.take(priority).await;
        says.send(name).unwrap();
    })
}

async fn until_waiting(gate: &Gate, count: usize) {
    while gate.waiting() != count {
        tokio::task::yield_now().await;
    }
}

async fn heard(
    says: mpsc::UnboundedSender<&'static str>,
    mut hears: mpsc::UnboundedReceiver<&'static str>,
) -> Vec<&'static str> {
    drop(says);
    let mut names = Vec::new();
    while let Some(name) = hears.recv().await {
        names.push(name);
    }
    names
}

#[tokio::test(start_paused = true)]
async fn the_greater_priority_goes_first_and_within_one_who_came_first() {
    let gate = Gate::new(1);
    let (says, hears) = mpsc::unbounded_channel();
    let held = gate.take(0).await;
    for (i, (priority, name)) in [(50, "a"), (0, "z"), (50, "b"), (100, "!"), (50, "c")].into_iter().enumerate() {
        visit(&gate, priority, name, &says);
        until_waiting(&gate, i + 1).await;
    }
    drop(held);
    assert_eq!(heard(says, hears).await, ["!", "a", "b", "c", "z"]);
    assert_eq!(gate.free.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waited_long_enough_goes_before_a_greater_priority() {
    let gate = Gate::new(1);
    let (says, hears) = mpsc::unbounded_channel();
    let held = gate.take(0).await;
    visit(&gate, 0, "patient", &says);
    until_waiting(&gate, 1).await;
    tokio::time::advance(100 * POINT + Duration::from_millis(1)).await;
    visit(&gate, 100, "urgent", &says);
    until_waiting(&gate, 2).await;
    drop(held);
    assert_eq!(heard(says, hears).await, ["patient", "urgent"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_who_comes_overtakes_those_who_wait() {
    let gate = Gate::new(1);
    let held = gate.take(0).await;
    let (says, _hears) = mpsc::unbounded_channel();
    let waits = visit(&gate, 0, "first", &says);
    until_waiting(&gate, 1).await;
    drop(held);
    // The place is spoken for, though it was not taken up yet.
    assert!(gate.try_take().is_none());
    waits.await.unwrap();
    assert!(gate.try_take().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_leaves_its_place_to_the_next_also_after_the_grant() {
    let gate = Gate::new(1);
    let held = gate.take(0).await;
    let (says, hears) = mpsc::unbounded_channel();
    let leaves = visit(&gate, 100, "leaves", &says);
    until_waiting(&gate, 1).await;
    visit(&gate, 50, "stays", &says);
    until_waiting(&gate, 2).await;
    // Granted, and aborted before it could wake.
    drop(held);
    leaves.abort();
    assert_eq!(heard(says, hears).await, ["stays"]);
    assert_eq!((gate.free.load(Ordering::SeqCst), gate.waiting()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn all_places_are_given_behind_those_who_wait_and_before_those_to_come() {
    let gate = Gate::new(2);
    let (says, hears) = mpsc::unbounded_channel();
    let held = [gate.take(0).await, gate.take(0).await];
    visit(&gate, 0, "before", &says);
    until_waiting(&gate, 1).await;
    let all = tokio::spawn({
        let (gate, says) = (Arc::clone(&gate), says.clone());
        async move {
            let _all = gate.take_all().await;
            says.send("all").unwrap();
        }
    });
    until_waiting(&gate, 2).await;
    visit(&gate, 100, "after", &says);
    until_waiting(&gate, 3).await;
    drop(held);
    all.await.unwrap();
    assert_eq!(heard(says, hears).await, ["before", "all", "after"]);
}

#[test]
fn no_place_is_lost_and_none_is_given_twice_whoever_meets() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    runtime.block_on(async {
        let gate = Gate::new(3);
        let inside = Arc::new(AtomicU32::new(0));
        let visits: Vec<_> = (0..64)
            .map(|i| {
                let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
                tokio::spawn(async move {
                    for round in 0..300 {
                        let place = tokio::time::timeout(Duration::from_micros(round % 50), gate.take(i % 3)).await;
                        if place.is_ok() {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                            tokio::task::yield_now().await;
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        for visit in visits {
            visit.await.unwrap();
        }
        assert_eq!((gate.free.load(Ordering::SeqCst), gate.waiting()), (3, 0));
    });
}
