//! Registration: every check first, then everything at once. What becomes of the session later is `lifecycle`'s.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use protocol::{
    DataPlane, Error, LocalName, ModuleName, ModuleSpec, Registration, SessionId, SessionToken, Subject, codes,
};
use type_schema::{Signature, compatibility};

use crate::answer::{EndReason, ModuleOutcome, Refused, Registered};
use crate::declaration::{Declaration, Offer};

use super::session::{Modules, Phase, Session, agree};
use super::{At, Event, State};

/// A provider registers.
#[derive(Debug)]
pub(crate) struct Register {
    /// The request; its modules are in `modules`.
    pub(crate) registration: Registration,
    /// The modules in the order of the request.
    pub(crate) modules: Vec<Offer>,
    /// Whom its credential named; the host checked it, and that it covers the namespace.
    pub(crate) owner: Option<Subject>,
    /// Id of the session, unless one is updated in place.
    pub(crate) session: SessionId,
    /// Its token, unless one is updated in place.
    pub(crate) token: SessionToken,
}

/// Most breaking changes that an error lists for one module.
const MAX_CHANGES_TOLD: usize = 16;

/// A session and, where there is one, the pending session that is to take its place: what one provider has.
#[derive(Debug, Clone, Copy)]
struct Lineage {
    base: SessionId,
    successor: Option<SessionId>,
    /// Whether the request proved itself by the token of the base.
    by_token_of_base: bool,
}

impl Lineage {
    fn has(self, id: SessionId) -> bool {
        self.base == id || self.successor == Some(id)
    }
}

impl Event for Register {
    type Answer = Result<Registered, Refused>;

    fn happen(self, state: &mut State, at: At) -> Self::Answer {
        let Self { registration, modules: offers, owner, session, token } = self;
        let lineage = state.lineage(&registration, owner.as_ref());
        state.check_whole(&registration, &offers, lineage, at.instant)?;
        if lineage.is_none() {
            state.check_subject(owner.as_ref())?;
        }
        let (modules, results) = state.check_modules(&registration, offers, lineage)?;
        state.check_room(&registration, modules.len())?;

        let in_place = lineage.filter(|lineage| state.may_update_in_place(&registration, *lineage));
        let id = match in_place {
            Some(lineage) => state.update(lineage, registration, owner, modules, at),
            None => state.begin(lineage, registration, owner, (session, token), modules, at),
        };
        let session = &state.sessions[&id];
        Ok(Registered {
            session: id,
            token: session.token.clone(),
            results,
            ready: session.is_active(),
            lease: state.options.lease,
            heartbeat_interval: state.options.heartbeat_interval(),
            attach_timeout: state.options.attach_timeout,
        })
    }
}

impl State {
    /// What the request is entitled to replace, if anything.
    fn lineage(&self, registration: &Registration, owner: Option<&Subject>) -> Option<Lineage> {
        let members = &self.namespaces.get(&registration.namespace)?.members;
        let mine = |id: &&SessionId| self.sessions[*id].service_id == registration.service_id;
        let shown = registration.session_token.as_ref().and_then(|token| self.tokens.get(token));
        let by_token = shown.and_then(|shown| members.iter().filter(mine).find(|id| *id == shown));
        let found = by_token.or_else(|| {
            let owner = owner?;
            members.iter().filter(mine).find(|id| self.sessions[*id].subject.as_ref() == Some(owner))
        })?;
        let base = self.sessions[found].replaces.unwrap_or(*found);
        let successor = members.iter().find(|id| self.sessions[*id].replaces == Some(base)).copied();
        Some(Lineage { base, successor, by_token_of_base: by_token == Some(&base) })
    }

    /// The members of the namespace that stay whatever becomes of the request.
    fn others<'a>(
        &'a self,
        registration: &Registration,
        lineage: Option<Lineage>,
    ) -> impl Iterator<Item = &'a Session> {
        let members = self.namespaces.get(&registration.namespace).map_or(&[][..], |namespace| &namespace.members);
        members.iter().filter(move |id| lineage.is_none_or(|lineage| !lineage.has(**id))).map(|id| &self.sessions[id])
    }

    /// The checks that do not look at modules.
    fn check_whole(
        &self,
        registration: &Registration,
        offers: &[Offer],
        lineage: Option<Lineage>,
        now: Instant,
    ) -> Result<(), Error> {
        let namespace = &registration.namespace;
        if namespace.is_reserved() {
            let message = format!("namespace `{namespace}` belongs to the host");
            return Err(Error::of(codes::NAMESPACE_RESERVED, message).detail("namespace", namespace.as_str()));
        }
        let limits = &self.options.limits;
        if offers.is_empty() {
            return Err(Error::of(codes::REGISTRATION_EMPTY, "the registration has no modules"));
        }
        if offers.len() > limits.modules_per_provider {
            let message = format!(
                "the registration has {} modules, at most {} are taken",
                offers.len(),
                limits.modules_per_provider
            );
            return Err(Error::of(codes::REGISTRATION_TOO_LARGE, message));
        }
        let strangers = self
            .others(registration, lineage)
            .filter(|other| registration.group_id.is_none() || other.group_id != registration.group_id);
        if let Some(longest) = strangers.max_by_key(|other| other.deadline()) {
            let message = format!("namespace `{namespace}` is served by `{}`", longest.service_id);
            return Err(Error::of(codes::NAMESPACE_OWNED, message)
                .detail("namespace", namespace.as_str())
                .detail("service_id", longest.service_id.as_str())
                .retry_after(longest.deadline().saturating_duration_since(now)));
        }
        if lineage.is_none() && self.sessions.len() - self.retiring.len() - self.hosted >= limits.sessions {
            let message = format!("there are {} sessions, which is the most", limits.sessions);
            return Err(Error::of(codes::SESSION_LIMIT, message).retry_after(self.options.lease));
        }
        Ok(())
    }

    /// Whether one more session of this subject has room.
    fn check_subject(&self, owner: Option<&Subject>) -> Result<(), Error> {
        let Some(owner) = owner else { return Ok(()) };
        let limit = self.options.limits.sessions_per_subject;
        let live = self.sessions.values().filter(|session| !session.is_retiring());
        if live.filter(|session| session.subject.as_ref() == Some(owner)).count() < limit {
            return Ok(());
        }
        let message = format!("`{owner}` has {limit} sessions, which is the most");
        Err(Error::of(codes::SESSION_SUBJECT_LIMIT, message).retry_after(self.options.lease))
    }

    /// Checks each module by itself and against what is live. Gives the modules to store and the results to answer.
    fn check_modules(
        &self,
        registration: &Registration,
        offers: Vec<Offer>,
        lineage: Option<Lineage>,
    ) -> Result<(Modules, Vec<ModuleOutcome>), Refused> {
        // All others agree, unless they are one session and its coming replacement, which are the first and the last then.
        let others = || self.others(registration, lineage);
        let peers = [others().next(), others().last()];
        let peers = || peers.iter().flatten().copied();
        let repeated = repeated(&offers);
        let checked: Vec<(String, Result<Declaration, Error>)> = offers
            .into_iter()
            .map(|Offer { name, declaration }| {
                let checked = declaration.and_then(|declaration| {
                    if repeated.contains(&name) {
                        return Err(duplicate(&name));
                    }
                    peers().try_for_each(|peer| agrees_with(peer, &declaration.spec))?;
                    if peers().next().is_none() {
                        self.compatible_with_live(registration, &declaration.spec)?;
                    }
                    Ok(declaration)
                });
                (name, checked)
            })
            .collect();

        let first_fault = checked.iter().find_map(|(_, result)| result.as_ref().err()).cloned();
        let nothing_is_right = checked.iter().all(|(_, result)| result.is_err());
        if let Some(error) = first_fault.clone().filter(|_| !registration.partial || nothing_is_right) {
            return Err(Refused { error, results: aborted(checked) });
        }
        let declared: HashSet<&LocalName> =
            checked.iter().filter_map(|(_, result)| Some(&result.as_ref().ok()?.spec.name)).collect();
        let missing = |peer: &Session| peer.modules.keys().find(|name| !declared.contains(name)).cloned();
        if let Some((peer, missing)) = peers().find_map(|peer| Some((peer, missing(peer)?))) {
            return Err(match first_fault {
                Some(error) => Refused { error, results: aborted(checked) },
                None => group_mismatch(peer, &missing, "it is not declared").into(),
            });
        }
        Ok(self.accepted(registration, checked))
    }

    /// Says which revision each module has, or will have when the session takes over.
    fn accepted(
        &self,
        registration: &Registration,
        checked: Vec<(String, Result<Declaration, Error>)>,
    ) -> (Modules, Vec<ModuleOutcome>) {
        let live = self.namespaces.get(&registration.namespace).map(|namespace| &namespace.modules);
        let mut modules = Modules::new();
        let mut results = Vec::with_capacity(checked.len());
        for (name, result) in checked {
            let outcome = result.map(|declaration| {
                let local = declaration.spec.name.clone();
                let revision = match live.and_then(|live| live.get(&local)) {
                    Some(live) if declaration.is(live) => live.revision,
                    Some(live) => live.revision + 1,
                    None => self.revisions.next(&ModuleName::new(&registration.namespace, &local)),
                };
                modules.insert(local, declaration);
                revision
            });
            results.push(ModuleOutcome { name, outcome });
        }
        (modules, results)
    }

    /// A replacement may widen inputs and narrow outputs, so that whoever calls the module today still can. The error's
    /// details hold the breaking changes by side and path, e.g. `input.text`.
    fn compatible_with_live(&self, registration: &Registration, spec: &ModuleSpec) -> Result<(), Error> {
        let live = self.namespaces.get(&registration.namespace).and_then(|namespace| namespace.modules.get(&spec.name));
        let Some(live) = live.filter(|_| !registration.allow_breaking) else { return Ok(()) };
        let signature = |spec: &ModuleSpec| Signature { input: spec.input.clone(), output: spec.output.clone() };
        let compatibility = compatibility(&signature(&live.spec), &signature(spec));
        if !compatibility.is_breaking() {
            return Ok(());
        }
        let mut by_path: BTreeMap<String, String> = BTreeMap::new();
        for change in compatibility.breaking().take(MAX_CHANGES_TOLD) {
            let told = by_path.entry(format!("{}{}", change.side, change.path)).or_default();
            let separator = if told.is_empty() { "" } else { "; " };
            *told = format!("{told}{separator}{}", change.what);
        }
        let first = by_path.first_key_value().map(|(path, what)| format!("{path}: {what}")).unwrap_or_default();
        let message = format!("module `{}` would break its callers: {first}", live.name);
        let error = Error::of(codes::SCHEMA_INCOMPATIBLE, message).detail("module", live.name.as_str());
        Err(by_path.into_iter().fold(error, |error, (path, what)| error.detail(path, what)))
    }

    fn check_room(&self, registration: &Registration, accepted: usize) -> Result<(), Error> {
        let limit = self.options.limits.modules;
        let width = |members: &[SessionId]| members.iter().map(|id| self.sessions[id].modules.len()).max().unwrap_or(0);
        let elsewhere: usize = self
            .namespaces
            .iter()
            .filter(|(namespace, _)| **namespace != registration.namespace)
            .map(|(_, state)| width(&state.members))
            .sum();
        let here = self.namespaces.get(&registration.namespace).map_or(0, |state| width(&state.members));
        if elsewhere + here.max(accepted) <= limit {
            return Ok(());
        }
        Err(Error::of(codes::MODULE_LIMIT, format!("there is room for {limit} modules in all")))
    }

    /// Whether the session goes on under its id: it is callable by a way that the request still offers.
    fn may_update_in_place(&self, registration: &Registration, lineage: Lineage) -> bool {
        let session = &self.sessions[&lineage.base];
        let reachable = match session.plane {
            // An endpoint never changes its address; another address is another session.
            Some(DataPlane::Unary) => registration.reach.service_url == session.reach.service_url,
            Some(plane) => registration.reach.offers(plane),
            None => false,
        };
        lineage.by_token_of_base && session.is_active() && session.drain.is_none() && reachable
    }

    /// Updates a session in place.
    fn update(
        &mut self,
        lineage: Lineage,
        registration: Registration,
        owner: Option<Subject>,
        modules: Modules,
        at: At,
    ) -> SessionId {
        if let Some(successor) = lineage.successor {
            self.end(successor, EndReason::Replaced);
        }
        if let Some(session) = self.sessions.get_mut(&lineage.base) {
            session.group_id = registration.group_id;
            session.subject = owner;
            session.reach = registration.reach;
            session.lifecycle = registration.lifecycle;
            session.info = Arc::new(registration.info);
            session.modules = modules;
            session.lease_until = at.instant + self.options.lease;
        }
        self.install(lineage.base);
        lineage.base
    }

    /// Begins a session, and puts it in the place of another where that can be now.
    fn begin(
        &mut self,
        lineage: Option<Lineage>,
        registration: Registration,
        owner: Option<Subject>,
        (id, token): (SessionId, SessionToken),
        modules: Modules,
        at: At,
    ) -> SessionId {
        let unary = registration.reach.service_url.is_some();
        let base = lineage.map(|lineage| lineage.base);
        let base_is_active = base.is_some_and(|base| self.sessions[&base].is_active());
        let session = Session {
            id,
            token: token.clone(),
            service_id: registration.service_id,
            namespace: registration.namespace.clone(),
            group_id: registration.group_id,
            subject: owner,
            reach: registration.reach,
            plane: unary.then_some(DataPlane::Unary),
            phase: if unary {
                Phase::Active
            } else {
                Phase::Pending { until: at.instant + self.options.attach_timeout }
            },
            drain: None,
            modules,
            replaces: base.filter(|_| base_is_active && !unary),
            lease_until: at.instant + self.options.lease,
            registered_at: at.wall,
            lifecycle: registration.lifecycle,
            info: Arc::new(registration.info),
        };
        self.deadlines.add(session.deadline(), id);
        self.tokens.insert(token, id);
        self.sessions.insert(id, session);
        let namespace = self.namespaces.entry(registration.namespace.clone()).or_default();
        namespace.members.push(id);
        let served = namespace.members.iter().any(|member| self.sessions[member].is_active());
        if unary || !served {
            self.install(id);
        }
        if let Some(successor) = lineage.and_then(|lineage| lineage.successor) {
            self.end(successor, EndReason::Replaced);
        }
        match base {
            Some(base) if !base_is_active => self.end(base, EndReason::Replaced),
            Some(base) if unary => self.retire(base, at),
            _ => {}
        }
        self.mark(registration.namespace, EndReason::Replaced);
        id
    }
}

/// Names that occur more than once.
fn repeated(offers: &[Offer]) -> HashSet<String> {
    let mut seen = HashSet::new();
    offers.iter().map(|offer| &offer.name).filter(|name| !seen.insert(*name)).cloned().collect()
}

fn duplicate(name: &str) -> Error {
    Error::of(codes::MODULE_DUPLICATE, format!("`{name}` is declared more than once")).detail("module", name)
}

/// A member of a group declares what the others declare.
fn agrees_with(peer: &Session, spec: &ModuleSpec) -> Result<(), Error> {
    match peer.modules.get(&spec.name).map(|declaration| &declaration.spec) {
        None => Err(group_mismatch(peer, &spec.name, "the group does not have it")),
        Some(other) if other.input != spec.input => Err(group_mismatch(peer, &spec.name, "the input types differ")),
        Some(other) if other.output != spec.output => Err(group_mismatch(peer, &spec.name, "the output types differ")),
        Some(other) if !agree(other, spec) => Err(group_mismatch(peer, &spec.name, "the capabilities differ")),
        Some(_) => Ok(()),
    }
}

fn group_mismatch(peer: &Session, module: &LocalName, why: &str) -> Error {
    let group = peer.group_id.as_ref().map_or("", |group| group.as_str());
    let message = format!("module `{module}` is not what group `{group}` has: {why}");
    Error::of(codes::GROUP_SCHEMA_MISMATCH, message).detail("module", module.as_str()).detail("group_id", group)
}

/// The results of a request of which nothing is stored.
fn aborted(checked: Vec<(String, Result<Declaration, Error>)>) -> Vec<ModuleOutcome> {
    let aborted = || Error::of(codes::REGISTRATION_ABORTED, "nothing is stored because other modules were refused");
    checked
        .into_iter()
        .map(|(name, result)| ModuleOutcome { name, outcome: Err(result.err().unwrap_or_else(aborted)) })
        .collect()
}
