//! One registration of one provider. Knows nothing of other sessions but whom it is to replace.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use protocol::registration::Reach;
use protocol::{
    DataPlane, GroupId, LocalName, ModuleSpec, Namespace, ProviderInfo, ServiceId, SessionId, SessionToken, Subject,
};

use crate::declaration::Declaration;
use crate::routes::{Endpoint, EndpointState};

/// The modules of a session by name.
pub(super) type Modules = BTreeMap<LocalName, Declaration>;

/// One registration of one provider.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) token: SessionToken,
    pub(super) service_id: ServiceId,
    pub(super) namespace: Namespace,
    pub(super) group_id: Option<GroupId>,
    /// Whom its credential named.
    pub(super) subject: Option<Subject>,
    pub(super) reach: Reach,
    /// How calls reach it; `None` while pending.
    pub(super) plane: Option<DataPlane>,
    pub(super) phase: Phase,
    /// Who wants it to take no new calls.
    pub(super) drain: Option<Drain>,
    pub(super) modules: Modules,
    /// The active session whose place it takes when it connects.
    pub(super) replaces: Option<SessionId>,
    pub(super) lease_until: Instant,
    pub(super) registered_at: SystemTime,
    pub(super) lifecycle: bool,
    pub(super) info: Arc<ProviderInfo>,
}

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has to connect before this time.
    Pending { until: Instant },
    /// Calls can reach it.
    Active,
    /// Another session has its place; it finishes its calls, at the latest at this time. No member of its namespace.
    Retiring { until: Instant },
}

/// Who wants a session to take no new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    /// The provider said that it takes none.
    Provider,
    /// The host asked the provider to leave, with so much time for its calls.
    Host { grace: Duration },
}

impl Session {
    pub(super) fn is_active(&self) -> bool {
        self.phase == Phase::Active
    }

    pub(super) fn is_retiring(&self) -> bool {
        matches!(self.phase, Phase::Retiring { .. })
    }

    /// When it ends unless something happens.
    pub(super) fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Active => self.lease_until,
            Phase::Pending { until } | Phase::Retiring { until } => self.lease_until.min(until),
        }
    }

    /// How it appears in the routes of its namespace.
    pub(super) fn endpoint(&self) -> Endpoint {
        let state = match (self.drain, self.is_active()) {
            (Some(_), _) => EndpointState::Draining,
            (None, true) => EndpointState::Ready,
            (None, false) => EndpointState::Pending,
        };
        Endpoint {
            session: self.id,
            service_id: self.service_id.clone(),
            group_id: self.group_id.clone(),
            state,
            plane: self.plane,
            service_url: self.reach.service_url.clone(),
            lifecycle: self.lifecycle,
            info: Arc::clone(&self.info),
            registered_at: self.registered_at,
        }
    }
}

/// Whether two declarations of one name may stand behind one route: the same types, and the same ways to call it.
pub(super) fn agree(a: &ModuleSpec, b: &ModuleSpec) -> bool {
    a.input == b.input && a.output == b.output && a.capabilities == b.capabilities
}
