//! Replicas that fail or fall silent: who gets calls meanwhile, and how they come back.

use std::time::Duration;

use executor::Options;
use protocol::Error;
use protocol::generated::provider::v1::{ModuleCapabilities, RegisterRequest, host_frame::Frame};
use testkit::frames;
use tokio::task::JoinHandle;

use crate::world::{PLANES, Peer, Session, World, echo, value};

async fn replica(world: &World, name: &str) -> (Session, Peer) {
    let request = RegisterRequest {
        service_id: name.into(),
        group_id: "replicas".into(),
        ..testkit::registration("text", [echo(ModuleCapabilities { idempotent: true, ..Default::default() })])
    };
    let session = world.register(request).await;
    let mut peer = world.connect(&session, PLANES[0]).await;
    peer.frame().await;
    (session, peer)
}

/// How a peer answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    Echo,
    Unavailable,
    /// Says that a call which it made itself ran out of time.
    Late,
    /// Neither calls nor pings.
    Hang,
}

/// Answers calls and pings in the manner that is set; hands back nothing.
fn serve(mut peer: Peer, manner: tokio::sync::watch::Receiver<Manner>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut manner = manner;
        loop {
            let Some((id, frame)) = peer.next_of_any().await else { return };
            // A process that hangs does what it was asked when it goes on.
            while *manner.borrow_and_update() == Manner::Hang {
                if manner.changed().await.is_err() {
                    return;
                }
            }
            let now = *manner.borrow();
            match frame {
                Frame::Ping(ping) => peer.send([frames::pong(ping.number)]).await,
                Frame::Execute(execute) if now == Manner::Echo => {
                    peer.send([frames::output(id, execute.input_data)]).await;
                }
                Frame::Execute(_) => {
                    let error = match now {
                        Manner::Late => Error::of(protocol::codes::DEADLINE_EXCEEDED, "its own call took too long"),
                        _ => Error::of(protocol::codes::PROVIDER_UNAVAILABLE, "it is away"),
                    };
                    peer.send([frames::failure(id, &error)]).await;
                }
                _ => {}
            }
        }
    })
}

struct Replicas {
    world: World,
    sessions: Vec<Session>,
    manners: Vec<tokio::sync::watch::Sender<Manner>>,
}

async fn replicas(count: usize) -> Replicas {
    let world = World::start(Options::default());
    let (mut sessions, mut manners) = (Vec::new(), Vec::new());
    for n in 0..count {
        let (session, peer) = replica(&world, &format!("r{n}")).await;
        let (manner, set) = tokio::sync::watch::channel(Manner::Echo);
        serve(peer, set);
        sessions.push(session);
        manners.push(manner);
    }
    Replicas { world, sessions, manners }
}

impl Replicas {
    /// Calls that succeed, by replica; those that fail count behind them.
    async fn calls(&self, count: i64, within: Duration) -> Vec<usize> {
        let mut by = vec![0; self.sessions.len() + 1];
        let calls: Vec<_> = (0..count).map(|n| self.world.call_within(n, within)).collect();
        for call in calls {
            match call.await.unwrap() {
                Ok(reply) => by[self.sessions.iter().position(|session| session.id == reply.session).unwrap()] += 1,
                Err(_) => by[self.sessions.len()] += 1,
            }
        }
        by
    }

    fn is_ejected(&self, n: usize) -> bool {
        self.world.executor.is_ejected(self.sessions[n].id)
    }
}

#[tokio::test(start_paused = true)]
async fn all_replicas_get_calls_while_all_are_well() {
    let replicas = replicas(3).await;
    let by = replicas.calls(300, Duration::from_secs(5)).await;
    assert_eq!(by[3], 0);
    assert!(by[..3].iter().all(|count| (80..120).contains(count)), "{by:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_is_ejected_and_tried_and_taken_back() {
    let replicas = replicas(3).await;
    replicas.manners[1].send_replace(Manner::Unavailable);
    // Idempotent calls go elsewhere, so nobody notices.
    let by = replicas.calls(100, Duration::from_secs(5)).await;
    assert_eq!((by[1], by[3]), (0, 0), "{by:?}");
    assert!(replicas.is_ejected(1) && !replicas.is_ejected(0) && !replicas.is_ejected(2));
    let ejections = replicas.world.executor.ejections_of(replicas.sessions[1].id);
    assert_eq!(ejections, 1);
    // Tried and found wanting.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(replicas.calls(50, Duration::from_secs(5)).await[3], 0);
    assert!(replicas.is_ejected(1));
    assert_eq!(replicas.world.executor.ejections_of(replicas.sessions[1].id), 2);
    replicas.manners[1].send_replace(Manner::Echo);
    assert_eq!(replicas.calls(50, Duration::from_secs(5)).await[1], 0, "its time is not over");
    tokio::time::sleep(Duration::from_secs(4)).await;
    replicas.calls(10, Duration::from_secs(5)).await;
    assert!(!replicas.is_ejected(1));
    let by = replicas.calls(300, Duration::from_secs(5)).await;
    assert!(by[1] > 80, "{by:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_ejected_before_its_calls_end_and_gets_none_until_it_gives_a_sign_of_life() {
    let replicas = replicas(3).await;
    replicas.manners[2].send_replace(Manner::Hang);
    // With calls that could wait an hour.
    let stuck: Vec<_> = (0..12).map(|n| replicas.world.call_within(n, Duration::from_secs(3600))).collect();
    tokio::time::sleep(Duration::from_millis(3100)).await;
    assert!(replicas.is_ejected(2));
    let held = replicas.world.executor.load_of(replicas.sessions[2].id);
    assert!(held > 0);
    for _ in 0..20 {
        let by = replicas.calls(10, Duration::from_secs(5)).await;
        assert_eq!((by[2], by[3]), (0, 0), "{by:?}");
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    replicas.manners[2].send_replace(Manner::Echo);
    for call in stuck {
        call.await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    replicas.calls(10, Duration::from_secs(5)).await;
    assert!(!replicas.is_ejected(2));
    let by = replicas.calls(300, Duration::from_secs(5)).await;
    assert!(by[2] > 80, "{by:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_answers_that_its_own_call_ran_out_of_time_is_not_ejected() {
    let replicas = replicas(2).await;
    replicas.manners[0].send_replace(Manner::Late);
    let by = replicas.calls(100, Duration::from_secs(5)).await;
    assert!(by[2] > 20, "{by:?}");
    assert!(!replicas.is_ejected(0));
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_and_whose_calls_ran_out_of_time_is_asked_by_a_ping_before_it_is_tried() {
    let replicas = replicas(2).await;
    replicas.manners[0].send_replace(Manner::Hang);
    // Deadlines that are shorter than any silence.
    let mut failed = 0;
    for _ in 0..20 {
        failed += replicas.calls(4, Duration::from_millis(50)).await[2];
    }
    assert!(replicas.is_ejected(0));
    assert!((5..=10).contains(&failed), "{failed}");
    // No trial costs a call of anybody, however long it hangs.
    for _ in 0..50 {
        let by = replicas.calls(4, Duration::from_millis(50)).await;
        assert_eq!((by[0], by[2]), (0, 0), "{by:?}");
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    replicas.manners[0].send_replace(Manner::Echo);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(replicas.calls(20, Duration::from_millis(500)).await[2], 0);
    assert!(!replicas.is_ejected(0));
}

#[tokio::test(start_paused = true)]
async fn where_all_are_ejected_the_least_bad_is_called() {
    let replicas = replicas(2).await;
    replicas.manners[0].send_replace(Manner::Hang);
    replicas.manners[1].send_replace(Manner::Unavailable);
    for _ in 0..20 {
        assert_eq!(replicas.calls(4, Duration::from_millis(50)).await[2], 4);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(replicas.is_ejected(0) && replicas.is_ejected(1));
    replicas.manners[1].send_replace(Manner::Echo);
    // The silent one gets none of them.
    let by = replicas.calls(10, Duration::from_secs(1)).await;
    assert_eq!(by, [0, 10, 0]);
    assert!(!replicas.is_ejected(1));
}

#[tokio::test(start_paused = true)]
async fn a_provider_without_replicas_is_called_however_it_fails() {
    let replicas = replicas(1).await;
    replicas.manners[0].send_replace(Manner::Unavailable);
    assert_eq!(replicas.calls(50, Duration::from_secs(5)).await, [0, 50]);
    assert!(replicas.is_ejected(0));
    replicas.manners[0].send_replace(Manner::Echo);
    assert_eq!(replicas.calls(50, Duration::from_secs(5)).await, [50, 0]);
    assert!(!replicas.is_ejected(0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_idle_is_not_asked_for_anything() {
    let world = World::start(Options::default());
    let (_, mut peer) = replica(&world, "r").await;
    let call = world.call(1);
    let (id, _) = peer.execute().await;
    peer.send([frames::output(id, value(1))]).await;
    call.await.unwrap().unwrap();
    let quiet = tokio::time::timeout(Duration::from_secs(600), async {
        // One look may still be due.
        peer.next_of_any().await;
        peer.next_of_any().await
    });
    assert!(quiet.await.is_err());
}
