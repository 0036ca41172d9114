//! Calls one module: chooses an endpoint, sends the call over its data plane, waits within the deadline, checks what
//! comes back. Does not know pipelines, HTTP or who may call what; keeps no list of modules.
//!
//! Invariants:
//! * Every call ends once: by its answer, its deadline, its caller's leaving, or the loss of its provider, which all its
//!   calls learn at once.
//! * A call that its caller gave up is cancelled at the provider.
//! * What reaches a module has its declared input type; what reaches a caller has the declared output type, canonical,
//!   without undeclared fields.
//! * Calls in flight and calls that wait are bounded per provider; one more is refused with a time to come back.
//! * The task of a connection owns its state; callers reach it through channels.

mod attempts;
mod batch;
mod check;
mod connection;
mod gate;
mod handle;
mod health;
mod inside;
mod metrics;
mod options;
mod policy;
mod pool;
mod service;
mod source;
mod stream;
mod target;

pub use batch::{Answered, Batch, BatchInput, BatchReply, MOST_ELEMENTS};
pub use connection::attach::AttachIo;
pub use connection::link::LinkIo;
pub use handle::{AdoptedLink, Call, Handle, NotAdopted, Reply};
pub use inside::Inside;
pub use metrics::{BUCKETS, Counted};
pub use options::{NamedCache, Options};
pub use policy::{
    AttemptFacts, BATCH_BUCKETS, Backoff, BatchPolicy, CachePolicy, CallFacts, CountedCache, CountedPolicies,
    DEFAULT_CACHE, NORMAL, Policy, PolicyFailure, PolicyReply, Rate,
};
pub use service::{End, Event, Service};
pub use stream::ItemStream;
