//! Lives of components without processes, without waiting: a world that answers as it likes, and what must hold all the same.

mod lives;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use middleware::{Capability, CapabilityClass, ModuleReport};
use proptest::prelude::*;
use protocol::codes;
use protocol::component::ComponentState as State;
use serde_json::json;

use crate::config::{ComponentConfig, Kind};
use crate::handle::Order;
use crate::host::SessionChange;

use super::{At, Effect, Event, Fault, Machine, Probe, Question};

const MAX_RESTARTS: u32 = 3;
const WINDOW: Duration = Duration::from_secs(60);

fn config(kind: Kind) -> ComponentConfig {
    let mut value = json!({ "id": "a", "kind": kind.as_str(), "module_id": "dator",
        "restart_policy": { "mode": "on_failure", "max_restarts": MAX_RESTARTS, "window_sec": WINDOW.as_secs(), "delay_ms": 200 } });
    if kind != Kind::LocalHttpJson {
        value["launch"] = json!({ "executable": "/bin/true", "cwd": "/" });
    }
    match kind {
        Kind::HttpLocalJson => value["http"] = json!({ "endpoint": "http://127.0.0.1:0" }),
        Kind::LocalHttpJson => value["http"] = json!({ "endpoint": "http://127.0.0.1:9" }),
        Kind::GrpcLocal | Kind::CommandStdio => {}
    }
    ComponentConfig::read(value).expect("a good configuration")
}

fn report() -> ModuleReport {
    ModuleReport {
        module_name: "dator".into(),
        description: "Shapes.".into(),
        version: "1.0.0".into(),
        contract_version: "1".into(),
        expected_host_api_version: "1".into(),
        capabilities: vec![Capability {
            id: "dator/shaping".into(),
            class: CapabilityClass::Other,
            description: "Shapes.".into(),
            output_contract: None,
        }],
    }
}

/// A machine with everything around it that a host would have.
struct World {
    kind: Kind,
    machine: Machine,
    now: At,
    /// Where a `Begin` waits for its answer.
    beginning: Option<u64>,
    /// The process that runs.
    process: Option<u64>,
    killed: Option<u64>,
    /// The question that waits for its answer.
    asked: Option<(u64, Question)>,
    init: Option<u64>,
    drain: Option<u64>,
    /// The latest start.
    latest: u64,
    /// The start that had a report accepted, as this world knows it.
    reported: Option<u64>,
    sessions: Vec<String>,
    /// Restarts by policy since an operator began anew.
    restarts: Vec<Instant>,
    told: Vec<String>,
}

impl World {
    fn new(kind: Kind) -> Self {
        Self::of(config(kind))
    }

    fn of(config: ComponentConfig) -> Self {
        let now = At { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        Self {
            kind: config.kind,
            machine: Machine::new(Arc::new(config), now.wall),
            now,
            beginning: None,
            process: None,
            killed: None,
            asked: None,
            init: None,
            drain: None,
            latest: 0,
            reported: None,
            sessions: Vec::new(),
            restarts: Vec::new(),
            told: Vec::new(),
        }
    }

    fn state(&self) -> State {
        self.machine.facts().state
    }

    fn fault(&self) -> &'static str {
        self.machine.facts().last_error.as_ref().map_or("", |fault| fault.code)
    }

    fn apply(&mut self, event: Event) {
        let restarts = self.machine.facts().restarts;
        if matches!(event, Event::Order(Order::Start | Order::Restart)) {
            self.restarts.clear();
        }
        let effects = self.machine.apply(event, self.now);
        if self.machine.facts().restarts > restarts {
            self.restarts.push(self.now.instant);
        }
        for effect in effects {
            self.carry_out(effect);
        }
        self.check();
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Begin { start } => {
                assert_eq!((self.beginning, self.process), (None, None), "two at once");
                assert!(start > self.latest, "numbers of starts rise");
                self.latest = start;
                self.beginning = Some(start);
            }
            Effect::Ask { start, question, .. } => {
                assert_eq!(start, self.latest);
                self.asked = Some((start, question));
            }
            Effect::Init { start, .. } => self.init = Some(start),
            Effect::Open { start } => assert_eq!(start, self.latest),
            Effect::Close => {}
            Effect::Drain { start, .. } => self.drain = Some(start),
            Effect::Terminate { start } => assert_eq!(self.process, Some(start), "only what runs is asked to end"),
            Effect::Kill { start } => self.killed = Some(start),
            Effect::Retire { start } => {
                assert_eq!(self.process, None, "start {start} runs still");
                (self.asked, self.init, self.drain) = (None, None, None);
            }
            Effect::Tell { previous, reason } => {
                assert!(!reason.is_empty());
                self.told.push(format!("{} -> {}: {reason}", previous.as_str(), self.state().as_str()));
            }
        }
    }

    fn has_process(&self) -> bool {
        matches!(self.kind, Kind::HttpLocalJson | Kind::GrpcLocal)
    }

    /// What must hold at every moment.
    fn check(&self) {
        let state = self.state();
        if state == State::Ready {
            match self.kind {
                Kind::GrpcLocal => assert!(!self.sessions.is_empty(), "ready without a session"),
                _ => assert_eq!(self.reported, Some(self.latest), "ready without a report"),
            }
        }
        if matches!(state, State::Configured | State::Stopped | State::Failed) {
            assert_eq!((self.process, self.beginning), (None, None), "{} and something runs", state.as_str());
        }
        if matches!(state, State::Starting | State::Stopping) {
            assert!(self.machine.next_deadline().is_some(), "{} for ever", state.as_str());
        }
        if self.machine.is_ready() && matches!(self.kind, Kind::HttpLocalJson | Kind::LocalHttpJson) {
            assert!(self.asked.is_some(), "up, and nobody looks after its health");
        }
        // One more for a port that somebody took.
        let recent = self.restarts.iter().filter(|at| self.now.instant.duration_since(**at) < WINDOW).count();
        assert!(recent <= MAX_RESTARTS as usize + 1, "{recent} restarts in the window");
    }

    // What may happen, as far as it can happen now.

    fn begun(&mut self) {
        let Some(start) = self.beginning.take() else { return };
        let pid = self.has_process().then_some(42);
        self.process = pid.map(|_| start);
        self.apply(Event::Begun { start, pid, sandbox: None, endpoint: String::new() });
    }

    fn not_begun(&mut self, code: codes::Code) {
        let Some(start) = self.beginning.take() else { return };
        self.apply(Event::NotBegun { start, fault: Fault::new(code, "it could not begin") });
    }

    fn exited(&mut self, is_port_taken: bool) {
        let Some(start) = self.process.take() else { return };
        self.apply(Event::Exited { start, how: "exited with code 1".into(), is_port_taken });
    }

    fn probed(&mut self, is_ok: bool) {
        let Some((start, question)) = self.asked.take() else { return };
        let message = if is_ok { "200" } else { "503" };
        self.apply(Event::Probed {
            start,
            question,
            probe: Probe { is_ok, took: Duration::ZERO, message: message.into() },
        });
    }

    fn answered(&mut self, answer: Result<ModuleReport, Fault>) {
        let Some(start) = self.init.take() else { return };
        if answer == Ok(report()) {
            self.reported = Some(start);
        }
        self.apply(Event::Answered { start, answer });
    }

    fn session(&mut self, is_up: bool, name: &str) {
        self.sessions.retain(|session| session != name);
        if is_up {
            self.sessions.push(name.into());
        }
        let change = if is_up { SessionChange::Up(name.into()) } else { SessionChange::Down(name.into()) };
        self.apply(Event::Session(change));
    }

    fn drained(&mut self) {
        let Some(start) = self.drain.take() else { return };
        self.apply(Event::Drained { start });
    }

    fn pass(&mut self, time: Duration) {
        self.now = At { instant: self.now.instant + time, wall: self.now.wall + time };
        self.apply(Event::Tick);
    }

    fn wait_out(&mut self) {
        if let Some(deadline) = self.machine.next_deadline() {
            self.pass(deadline.saturating_duration_since(self.now.instant));
        }
    }

    /// As far as a world goes that answers all questions well.
    fn ready(&mut self) {
        self.apply(Event::Order(Order::Start));
        self.begun();
        self.probed(true);
        self.answered(Ok(report()));
        if self.kind == Kind::GrpcLocal {
            self.session(true, "s1");
        }
        assert_eq!(self.state(), State::Ready);
    }
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Order(Order),
    Begun,
    NotBegun(bool),
    Exited(bool),
    Probed(bool),
    Report(u8),
    Session(bool, u8),
    Drained,
    Deadline,
    Pass(u64),
    /// News of a start that is over, or of none that was.
    Late(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop_oneof![Just(Order::Start), Just(Order::Stop), Just(Order::Restart)];
    prop_oneof![
        2 => order.prop_map(Step::Order),
        6 => Just(Step::Begun),
        1 => any::<bool>().prop_map(Step::NotBegun),
        2 => any::<bool>().prop_map(Step::Exited),
        6 => prop::bool::weighted(0.7).prop_map(Step::Probed),
        5 => (0_u8..5).prop_map(Step::Report),
        4 => (prop::bool::weighted(0.7), 0_u8..3).prop_map(|(up, name)| Step::Session(up, name)),
        2 => Just(Step::Drained),
        4 => Just(Step::Deadline),
        2 => (0_u64..20_000).prop_map(Step::Pass),
        2 => (0_u8..7, 1_u8..4).prop_map(|(what, ago)| Step::Late(what, ago)),
    ]
}

impl World {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Order(order) => self.apply(Event::Order(*order)),
            Step::Begun => self.begun(),
            Step::NotBegun(true) => self.not_begun(codes::COMPONENT_SPAWN_FAILED),
            Step::NotBegun(false) => self.not_begun(codes::COMPONENT_EXECUTABLE_MISSING),
            Step::Exited(taken) => self.exited(*taken),
            Step::Probed(is_ok) => self.probed(*is_ok),
            Step::Report(0) => self.answered(Err(Fault::new(codes::COMPONENT_INIT_FAILED, "it broke off"))),
            Step::Report(1) => self.answered(Ok(ModuleReport { module_name: "other".into(), ..report() })),
            Step::Report(_) => self.answered(Ok(report())),
            Step::Session(is_up, name) => self.session(*is_up, &format!("s{name}")),
            Step::Drained => self.drained(),
            Step::Deadline => self.wait_out(),
            Step::Pass(millis) => self.pass(Duration::from_millis(*millis)),
            Step::Late(what, ago) => self.late(*what, u64::from(*ago)),
        }
    }

    fn late(&mut self, what: u8, ago: u64) {
        let Some(start) = self.latest.checked_sub(ago) else { return };
        let before = (self.state(), self.machine.facts().clone(), self.machine.next_deadline());
        let probe = Probe { is_ok: true, took: Duration::ZERO, message: String::new() };
        self.apply(match what {
            0 => Event::Begun { start, pid: Some(7), sandbox: None, endpoint: "late".into() },
            1 => Event::NotBegun { start, fault: Fault::new(codes::COMPONENT_EXECUTABLE_MISSING, "late") },
            2 => Event::Exited { start, how: "late".into(), is_port_taken: false },
            3 => Event::Probed { start, question: Question::Readiness, probe },
            4 => Event::Probed { start, question: Question::Health, probe },
            5 => Event::Answered { start, answer: Ok(report()) },
            _ => Event::Drained { start },
        });
        let mut after = (self.state(), self.machine.facts().clone(), self.machine.next_deadline());
        // Only the window has moved on.
        after.1.restarts_in_window = before.1.restarts_in_window;
        assert_eq!(before, after, "news of an earlier start changed something");
    }

    /// Stops it in a world that does nothing by itself, and where only SIGKILL ends a process.
    fn stop_against_resistance(&mut self) {
        self.apply(Event::Order(Order::Stop));
        for _ in 0..20 {
            if self.state() == State::Stopped {
                assert_eq!((self.process, self.beginning), (None, None));
                return;
            }
            if self.process.is_some() && self.process == self.killed {
                self.exited(false);
            } else if self.beginning.is_some() && self.beginning == self.killed {
                self.begun();
            } else {
                self.wait_out();
            }
        }
        panic!("{} for ever", self.state().as_str());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold_and_a_stop_ends_all(
        kind in prop_oneof![Just(Kind::HttpLocalJson), Just(Kind::LocalHttpJson), Just(Kind::GrpcLocal), Just(Kind::CommandStdio)],
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(kind);
        world.apply(Event::Order(Order::Start));
        for step in &steps {
            world.take(step);
        }
        world.stop_against_resistance();
    }
}
