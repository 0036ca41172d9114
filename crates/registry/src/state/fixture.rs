//! A registry in a bottle for tests: a clock that is set by hand, providers in a line, invariants checked after every event.

use std::time::{Duration, Instant, SystemTime};

use protocol::registration::{OfferedModule, Reach};
use protocol::{
    Capabilities, DataPlane, Error, GroupId, LocalName, ModuleSpec, Namespace, ProviderInfo, Registration, ServiceId,
    ServiceUrl, SessionId, SessionToken, Subject,
};
use type_schema::CType;

use crate::answer::{Refused, Registered};
use crate::declaration::offers;
use crate::options::{Limits, Options};
use crate::routes::{EndpointState, Route};

use super::invariants::Ledger;
use super::{At, Connect, Disconnect, Effect, Event, Register, State, Tick, Unregister};

pub(super) const LEASE: Duration = Duration::from_secs(15);
pub(super) const ATTACH_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const GRACE: Duration = Duration::from_secs(30);

pub(super) struct World {
    pub(super) state: State,
    pub(super) ledger: Ledger,
    pub(super) now: Instant,
    /// Effects of the last event.
    pub(super) effects: Vec<Effect>,
    next: u64,
}

pub(super) fn options(limits: Limits) -> Options {
    Options { lease: LEASE, attach_timeout: ATTACH_TIMEOUT, drain_grace: GRACE, limits, ..Options::default() }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(options(Limits::default()))
    }

    pub(super) fn with(options: Options) -> Self {
        let now = Instant::now();
        Self { state: State::new(options), ledger: Ledger::default(), now, effects: Vec::new(), next: 0 }
    }

    pub(super) fn apply<E: Event>(&mut self, event: E) -> E::Answer {
        self.apply_and(event, |_, _| ())
    }

    /// Applies an event and checks what is always true; `begun` notes a session before its effects are followed.
    fn apply_and<E: Event>(&mut self, event: E, begun: impl FnOnce(&mut Ledger, &E::Answer)) -> E::Answer {
        let at = At { instant: self.now, wall: SystemTime::UNIX_EPOCH };
        let (answer, effects) = self.state.apply(event, at);
        begun(&mut self.ledger, &answer);
        self.ledger.follow(&effects, &self.state);
        self.state.check(self.now);
        self.effects = effects;
        answer
    }

    pub(super) fn try_register(
        &mut self,
        mut registration: Registration,
        owner: Option<&str>,
    ) -> Result<Registered, Refused> {
        self.next += 1;
        let modules = offers(&mut registration, self.state.routes());
        let session = SessionId::from_u64(self.next);
        let token = SessionToken::from_hex(&format!("{:064x}", self.next)).unwrap();
        let event = Register { registration, modules, owner: owner.map(Subject::new), session, token };
        self.apply_and(event, |ledger, answer| {
            if let Ok(registered) = answer {
                ledger.begin(registered.session);
            }
        })
    }

    pub(super) fn register(&mut self, registration: Registration) -> Registered {
        self.try_register(registration, None).unwrap()
    }

    /// The code with which a registration is refused.
    pub(super) fn refused(&mut self, registration: Registration) -> String {
        self.try_register(registration, None).unwrap_err().error.code().to_owned()
    }

    pub(super) fn connect(&mut self, session: &Registered, plane: DataPlane) -> Result<SessionId, Error> {
        self.apply(Connect { token: session.token.clone(), plane }).map(|connected| connected.session)
    }

    pub(super) fn disconnect(&mut self, session: &Registered) {
        self.apply(Disconnect { session: session.session });
    }

    pub(super) fn unregister(&mut self, session: &Registered) {
        assert_eq!(self.apply(Unregister { token: session.token.clone() }), Ok(session.session));
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.apply(Tick);
    }

    /// The endpoints of a name, as `session state` in their order; empty without a route.
    pub(super) fn endpoints(&self, name: &str) -> Vec<(SessionId, EndpointState)> {
        let route = self.state.routes().get(name);
        route.map(|route| route.endpoints.iter().map(|e| (e.session, e.state)).collect()).unwrap_or_default()
    }

    pub(super) fn route(&self, name: &str) -> &Route {
        self.state.routes().get(name).unwrap()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.state.routes().iter().map(|route| route.name.to_string()).collect()
    }
}

/// A provider of `namespace` at an address of its own, with one module `A: {text: String} -> String`.
pub(super) fn dialled(service: &str, namespace: &str) -> Registration {
    let service_url = Some(ServiceUrl::parse("http://127.0.0.1:4711").unwrap());
    Registration { reach: Reach { service_url, attach: false, link: false }, ..attached(service, namespace) }
}

/// The same, by attach or link.
pub(super) fn attached(service: &str, namespace: &str) -> Registration {
    Registration {
        service_id: ServiceId::parse(service).unwrap(),
        namespace: Namespace::parse(namespace).unwrap(),
        group_id: None,
        modules: vec![module("A", "{text: String}", "String")],
        reach: Reach { service_url: None, attach: true, link: true },
        credential: None,
        session_token: None,
        partial: false,
        allow_breaking: false,
        lifecycle: false,
        info: ProviderInfo::default(),
    }
}

pub(super) fn spec(name: &str, input: &str, output: &str) -> ModuleSpec {
    ModuleSpec {
        name: LocalName::parse(name).unwrap(),
        description: String::new(),
        input: CType::parse(input).unwrap(),
        output: CType::parse(output).unwrap(),
        version: semver::Version::new(1, 0, 0),
        capabilities: Capabilities::default(),
        examples: Vec::new(),
    }
}

pub(super) fn module(name: &str, input: &str, output: &str) -> OfferedModule {
    OfferedModule { name: name.into(), spec: Ok(spec(name, input, output)) }
}

/// What tests say of a registration.
pub(super) trait With {
    fn modules(self, modules: Vec<OfferedModule>) -> Self;
    fn group(self, group: &str) -> Self;
    fn continuing(self, session: &Registered) -> Self;
}

impl With for Registration {
    fn modules(self, modules: Vec<OfferedModule>) -> Self {
        Self { modules, ..self }
    }

    fn group(self, group: &str) -> Self {
        Self { group_id: Some(GroupId::parse(group).unwrap()), ..self }
    }

    fn continuing(self, session: &Registered) -> Self {
        Self { session_token: Some(session.token.clone()), ..self }
    }
}
