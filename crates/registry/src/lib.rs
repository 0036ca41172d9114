//! Which modules exist, who provides them, and who is alive. Does no I/O: opens no socket, starts no process, calls no module.
//!
//! A **session** is one registration of one provider, held by a lease. It is *pending* until calls can reach it, *ready*,
//! *draining*, or *retiring* once another session took its place. A **namespace** belongs to its live sessions: to one, or
//! to the members of one group. What is live in it are **routes**: a module at a revision, with the endpoints that serve it.
//!
//! ```text
//!  Handle ──requests──▶ Service ──apply──▶ State          (synchronous; no clock, socket, await or randomness)
//!    ▲                     │ effects
//!    ├── routes ◀──────────┤ 1. the snapshot, for everybody who reads
//!    │   SessionEvents ◀───┤ 2. sessions that drain or ended, for the one who holds their connections and calls
//!    └── Subscription ◀────┘ 3. what changed, for watchers
//! ```
//!
//! The order of the three is part of the contract: whoever hears that a session ended finds no route to it any more,
//! and whoever has an answer to a request finds what it did in the routes.
//!
//! Invariants, after every event (`state/invariants.rs` states them as code, and a property test drives them):
//! * A name has an owner: a namespace exists exactly while a session lives in it.
//! * A namespace has one owner: all its sessions are of one group, or of one lineage (a session and what is to replace it).
//! * Members of a group agree: those not of one lineage declare the same modules.
//! * An endpoint has a session: routes point to live sessions only, and never to one that is retiring.
//! * A replacement leaves no gap: it takes the names over in the same step in which its predecessor loses them.
//! * The revision of a name only rises, also over its removal.
//! * A session that began ends exactly once; that of the host's own modules, which has no lease, with the registry.
//!
//! Reading ([`Handle::routes`]) is wait-free and needs no task. Writing goes through one bounded queue to the task that
//! owns the state; a full queue refuses at once with `registry.busy`.

mod answer;
mod attachment;
mod declaration;
mod handle;
mod options;
mod pattern;
mod routes;
mod service;
mod state;
mod watch;

pub use answer::{Command, Connected, EndReason, Heartbeat, ModuleOutcome, Refused, Registered, SessionEvent};
pub use attachment::Attachment;
pub use handle::{Handle, HostServes};
pub use options::{Limits, Options};
pub use pattern::Pattern;
pub use routes::{Endpoint, EndpointState, Module, Page, Route, Routes};
pub use service::{Service, SessionEvents};
pub use watch::{Change, Subscription, Update};
