//! Random sequences of events: none leaves a name without an owner, an endpoint without a session or a route to a dead one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use protocol::registration::{OfferedModule, Reach};
use protocol::{DataPlane, Error, Registration, ServiceUrl, SessionId, SessionToken, codes};

use crate::answer::Command;
use crate::options::{Limits, Options};
use crate::routes::EndpointState;

use super::fixture::{ATTACH_TIMEOUT, LEASE, With, World, attached, module, options};
use super::{Connect, Disconnect, Heartbeat, HostDrain, ProviderDrain, Unregister};

/// Shorter than a lease, so that a session that retires has to be looked at earlier than before.
const GRACE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
enum Op {
    Register(Request),
    Heartbeat(usize),
    Unregister(usize),
    Connect(usize, DataPlane),
    Disconnect(usize),
    ProviderDrain(usize),
    HostDrain(usize),
    Pass(Duration),
}

#[derive(Debug, Clone)]
struct Request {
    service: usize,
    namespace: usize,
    group: Option<usize>,
    subject: Option<usize>,
    /// Which of the sessions so far it shows the token of.
    token: Option<usize>,
    /// Whether it then also says that it is the provider of that session.
    honest: bool,
    modules: Vec<(usize, Kind)>,
    planes: (Option<u16>, bool, bool),
    partial: bool,
    allow_breaking: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The first declaration.
    Narrow,
    /// One that may replace it.
    Wide,
    /// One that may not replace either.
    Other,
    /// The first again with another description.
    Reworded,
    /// One that was refused by itself.
    Bad,
}

fn offered(name: usize, kind: Kind) -> OfferedModule {
    let name = ["A", "B", "C"][name];
    match kind {
        Kind::Narrow => module(name, "{text: String}", "String"),
        Kind::Wide => module(name, "{text: String, lang: Option<String>}", "String"),
        Kind::Other => module(name, "Int", "Int"),
        Kind::Reworded => {
            let mut module = module(name, "{text: String}", "String");
            if let Ok(spec) = &mut module.spec {
                spec.description = "anew".into();
            }
            module
        }
        Kind::Bad => {
            OfferedModule { name: name.into(), spec: Err(Error::of(codes::SCHEMA_INVALID, "the type is refused")) }
        }
    }
}

fn request() -> impl Strategy<Value = Request> {
    let kind = prop_oneof![
        8 => Just(Kind::Narrow), 4 => Just(Kind::Wide), 2 => Just(Kind::Other), 2 => Just(Kind::Reworded), 1 => Just(Kind::Bad)
    ]
    .boxed();
    let modules = prop_oneof![
        5 => Just(vec![(0, Kind::Narrow), (1, Kind::Narrow)]),
        3 => kind.clone().prop_map(|kind| vec![(0, kind), (1, Kind::Narrow)]),
        3 => proptest::collection::vec((0..3_usize, kind), 1..4),
    ];
    // Some way to reach it, always.
    let planes =
        (proptest::option::weighted(0.4, 1..3_u16), proptest::bool::weighted(0.7), proptest::bool::weighted(0.7))
            .prop_map(|(unary, attach, link)| (unary, attach || (unary.is_none() && !link), link));
    let who = (
        0..3_usize,
        0..3_usize,
        proptest::option::weighted(0.5, 0..2_usize),
        proptest::option::of(0..2_usize),
        (proptest::option::weighted(0.6, 0..12_usize), proptest::bool::weighted(0.8)),
    );
    (who, modules, planes, any::<bool>(), any::<bool>()).prop_map(
        |((service, namespace, group, subject, (token, honest)), modules, planes, partial, allow_breaking)| Request {
            service,
            namespace,
            group,
            subject,
            token,
            honest,
            modules,
            planes,
            partial,
            allow_breaking,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let plane = prop_oneof![4 => Just(DataPlane::Attach), 4 => Just(DataPlane::Link), 1 => Just(DataPlane::Unary)];
    let which = 0..12_usize;
    prop_oneof![
        10 => request().prop_map(Op::Register),
        2 => which.clone().prop_map(Op::Heartbeat),
        1 => which.clone().prop_map(Op::Unregister),
        6 => (which.clone(), plane).prop_map(|(which, plane)| Op::Connect(which, plane)),
        1 => which.clone().prop_map(Op::Disconnect),
        1 => which.clone().prop_map(Op::ProviderDrain),
        1 => which.clone().prop_map(Op::HostDrain),
        2 => (0..12_000_u64).prop_map(|ms| Op::Pass(Duration::from_millis(ms))),
    ]
}

/// What happened over all runs, so that a run of nothing but refusals is not taken for a proof.
type Tally = BTreeMap<String, u64>;

struct Run {
    world: World,
    sessions: Vec<(SessionId, SessionToken)>,
}

impl Run {
    fn new() -> Self {
        let limits = Limits { sessions: 4, modules_per_provider: 3, modules: 5, ..Limits::default() };
        Self {
            world: World::with(Options { remembered_names: 3, drain_grace: GRACE, ..options(limits) }),
            sessions: Vec::new(),
        }
    }

    /// Counts from the newest, so that most picks are alive.
    fn pick(&self, which: usize) -> Option<(SessionId, SessionToken)> {
        let from_newest = which % self.sessions.len().max(1);
        self.sessions.iter().rev().nth(from_newest).cloned()
    }

    fn registration(&self, request: &Request) -> Registration {
        let mut registration = attached(["one", "two", "three"][request.service], ["a", "b", "a.b"][request.namespace]);
        if let Some(group) = request.group {
            registration = registration.group(["g", "h"][group]);
        }
        if let Some((session, token)) = request.token.and_then(|which| self.pick(which)) {
            registration.session_token = Some(token);
            if let Some(session) = self.world.state.sessions.get(&session).filter(|_| request.honest) {
                registration.service_id = session.service_id.clone();
                registration.namespace = session.namespace.clone();
                registration.group_id = session.group_id.clone();
            }
        }
        registration.partial = request.partial;
        registration.allow_breaking = request.allow_breaking;
        let (unary, attach, link) = request.planes;
        let service_url = unary.map(|port| ServiceUrl::parse(&format!("http://127.0.0.1:{port}")).unwrap());
        registration.reach = Reach { service_url, attach, link };
        registration.modules(request.modules.iter().map(|(name, kind)| offered(*name, *kind)).collect())
    }

    fn ready(&self) -> BTreeSet<String> {
        let ready = |name: &String| self.world.endpoints(name).iter().any(|(_, state)| *state == EndpointState::Ready);
        self.world.names().into_iter().filter(ready).collect()
    }

    /// Names that took calls before and are still there take calls now.
    fn check_no_gap(&self, ready_before: &BTreeSet<String>) {
        let names: BTreeSet<String> = self.world.names().into_iter().collect();
        let ready = self.ready();
        for name in ready_before.intersection(&names) {
            assert!(ready.contains(name), "a replacement left a gap at `{name}`");
        }
    }

    fn step(&mut self, op: &Op, tally: &mut Tally) {
        let mut count = |what: &str| *tally.entry(what.to_owned()).or_default() += 1;
        match op {
            Op::Register(request) => {
                let registration = self.registration(request);
                let ready = self.ready();
                let before = self.world.state.sessions.len();
                let owner = request.subject.map(|subject| ["alice", "bob"][subject]);
                match self.world.try_register(registration, owner) {
                    Ok(registered) => {
                        self.check_no_gap(&ready);
                        let known = self.sessions.iter().any(|(id, _)| *id == registered.session);
                        count(if known { "updated in place" } else { "began" });
                        if !known {
                            self.sessions.push((registered.session, registered.token));
                        }
                        if registered.results.iter().any(|result| result.outcome.is_err()) {
                            count("stored in part");
                        }
                    }
                    Err(refused) => {
                        assert_eq!(self.world.state.sessions.len(), before);
                        assert!(self.world.effects.is_empty(), "a refusal has effects");
                        assert!(refused.results.iter().all(|result| result.outcome.is_err()));
                        count(refused.error.code());
                    }
                }
            }
            Op::Pass(time) => self.world.pass(*time),
            Op::Heartbeat(which)
            | Op::Unregister(which)
            | Op::Connect(which, _)
            | Op::Disconnect(which)
            | Op::ProviderDrain(which)
            | Op::HostDrain(which) => {
                let Some((session, token)) = self.pick(*which) else { return };
                let alive = !self.world.ledger.ended.contains_key(&session);
                match op {
                    Op::Heartbeat(_) => {
                        let answer = self.world.apply(Heartbeat { token });
                        assert_eq!(answer.lease.is_some(), alive);
                        assert_eq!(answer.command == Some(Command::Reregister), !alive);
                    }
                    Op::Unregister(_) => assert_eq!(self.world.apply(Unregister { token }).is_ok(), alive),
                    Op::Connect(_, plane) => {
                        let asked_to_leave = self.world.state.sessions.get(&session).is_some_and(|s| s.drain.is_some());
                        let took_over = self.world.state.sessions.get(&session).is_some_and(|s| s.replaces.is_some());
                        let ready = self.ready();
                        match self.world.apply(Connect { token, plane: *plane }) {
                            Ok(_) => {
                                assert!(alive);
                                count(if took_over { "took over" } else { "connected" });
                                if !asked_to_leave {
                                    self.check_no_gap(&ready);
                                }
                            }
                            Err(error) => count(error.code()),
                        }
                    }
                    Op::Disconnect(_) => self.world.apply(Disconnect { session }),
                    Op::ProviderDrain(_) => self.world.apply(ProviderDrain { session }),
                    Op::HostDrain(_) => {
                        let grace = Duration::from_secs(1);
                        assert_eq!(self.world.apply(HostDrain { session, grace }).is_ok(), alive);
                    }
                    Op::Register(_) | Op::Pass(_) => {}
                }
            }
        }
    }

    /// Without a heartbeat everything ends, and everything that began has then ended exactly once.
    fn finish(mut self, tally: &mut Tally) {
        self.world.pass(LEASE.max(ATTACH_TIMEOUT).max(GRACE) + Duration::from_millis(1));
        assert_eq!((self.world.state.sessions.len(), self.world.state.next_deadline()), (0, None));
        assert_eq!(self.world.names(), Vec::<String>::new());
        assert_eq!(self.world.ledger.ended.len(), self.sessions.len());
        for reason in self.world.ledger.ended.values() {
            *tally.entry(reason.to_string()).or_default() += 1;
        }
    }
}

#[test]
fn no_sequence_of_events_breaks_an_invariant() {
    let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let tally = RefCell::new(Tally::new());
    TestRunner::new_with_rng(config, rng)
        .run(&proptest::collection::vec(op(), 1..100), |ops| {
            let mut run = Run::new();
            for op in &ops {
                run.step(op, &mut tally.borrow_mut());
            }
            run.finish(&mut tally.borrow_mut());
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));

    let tally = tally.into_inner();
    for (what, least) in [
        ("began", 1_000),
        ("updated in place", 100),
        ("took over", 50),
        ("connected", 400),
        ("stored in part", 100),
        ("unregistered", 100),
        ("lease_expired", 100),
        ("link_lost", 100),
        ("attach_timeout", 100),
        ("replaced", 100),
        ("registry.namespace.owned", 100),
        ("registry.group.schema_mismatch", 100),
        ("registry.schema.incompatible", 20),
        ("registry.schema.invalid", 50),
        ("registry.module.duplicate", 100),
        ("registry.module.limit", 100),
        ("registry.session.limit", 20),
        ("registry.session.unknown", 100),
        ("registry.session.attached", 100),
        ("registry.plane.unsupported", 100),
    ] {
        let seen = tally.get(what).copied().unwrap_or_default();
        assert!(seen >= least, "`{what}` came up {seen} times only; all: {tally:#?}");
    }
}
