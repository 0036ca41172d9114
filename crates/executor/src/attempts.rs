//! Brings one piece of work to a provider: chooses one, sends, and tries another where that is safe. Does not know what the
//! work is.

use std::sync::Arc;

use protocol::{Category, DataPlane, Error, SessionId, codes};
use registry::{Endpoint, EndpointState, Route};
use tokio::time::Instant;

use crate::connection::{deadline_exceeded, unavailable};
use crate::handle::Handle;
use crate::health::Verdict;
use crate::metrics::Measured;
use crate::policy::NORMAL;
use crate::pool::Chosen;
use crate::service::Request;
use crate::target::{Attempt, Place, Target};

/// What can be sent to a provider, more than once if need be.
pub(crate) trait Work {
    /// What the provider answers.
    type Output: Send;

    /// Sends it once, as attempt `number`, and waits at the longest until the deadline.
    fn attempt(
        &self,
        target: &Target,
        number: u32,
        place: Place,
        deadline: Instant,
    ) -> impl Future<Output = Attempt<Self::Output>> + Send;

    /// What failed the work as a whole.
    fn failure(output: &Self::Output) -> Option<&Error>;
}

/// What somebody wants of the attempts of one piece of work, and is told of them.
pub(crate) trait Watch: Send {
    /// Who goes first where several wait for a place.
    fn priority(&self) -> i32 {
        NORMAL
    }

    /// A provider was chosen, and the work waits for a place there.
    fn waits(&mut self) {}

    /// An attempt begins at `now`. Gives its number, from 1, and its own deadline.
    fn begins(&mut self, target: &Target, now: Instant, deadline: Instant) -> (u32, Instant);

    /// The attempt that began last is over.
    fn ended(&mut self, _failure: Option<&Error>) {}

    /// What is said of an attempt whose deadline passed.
    fn late(&self) -> Error {
        deadline_exceeded()
    }
}

/// Wants nothing and hears nothing; counts the attempts.
#[derive(Debug, Default)]
pub(crate) struct Unwatched(u32);

impl Watch for Unwatched {
    fn begins(&mut self, _: &Target, _: Instant, deadline: Instant) -> (u32, Instant) {
        self.0 += 1;
        (self.0, deadline)
    }
}

/// Work that was answered.
pub(crate) struct Served<T> {
    pub(crate) output: T,
    pub(crate) target: Arc<Target>,
    /// Of the module that answered.
    pub(crate) revision: u64,
    pub(crate) attempts: u32,
}

/// Pictures of the routes that one call may try: its own, and those after replacements that it met.
const ROUTES: usize = 3;

impl Handle {
    /// Sends the work until somebody answers it. Work that a provider may have begun goes to another one only if the module is
    /// idempotent; work that was not sent always does.
    pub(crate) async fn serve<W: Work + Sync>(
        &self,
        route: &Route,
        work: &W,
        deadline: Instant,
        measured: &mut Measured,
        watch: &mut impl Watch,
    ) -> Result<Served<W::Output>, Error> {
        let idempotent = route.spec.capabilities.idempotent;
        // The route that was met after a replacement.
        let mut moved: Option<Arc<Route>> = None;
        let mut tried: Vec<SessionId> = Vec::new();
        let mut last_failure = None;
        for _ in 0..ROUTES {
            let current = moved.as_deref().unwrap_or(route);
            while let Some(Chosen { target, trial }) = self.choose(current, &tried, deadline).await {
                measured.on(target.plane);
                watch.waits();
                let place = match target.place(deadline, watch.priority(), measured).await {
                    Err(error) if error.code() == codes::OVERLOADED.name => {
                        tried.push(target.session);
                        last_failure = Some(error);
                        continue;
                    }
                    place => place?,
                };
                let now = Instant::now();
                if now >= deadline {
                    return Err(deadline_exceeded());
                }
                let (number, until) = watch.begins(&target, now, deadline);
                let attempt = work.attempt(&target, number, place, until).await;
                target.judge(verdict::<W>(&attempt), trial);
                watch.ended(failure::<W>(&attempt));
                match attempt {
                    Attempt::Answered(output) => match W::failure(&output) {
                        Some(error) if idempotent && is_elsewhere(error) => last_failure = Some(error.clone()),
                        _ => return Ok(Served { output, target, revision: current.revision, attempts: number }),
                    },
                    Attempt::Late => return Err(watch.late()),
                    Attempt::NotSent(error) => {
                        self.report_unreachable(&target, &error);
                        last_failure = Some(error);
                    }
                    Attempt::Lost(error) => {
                        self.report_unreachable(&target, &error);
                        if !idempotent {
                            return Err(error);
                        }
                        last_failure = Some(error);
                    }
                    Attempt::BrokenOff(error) if !idempotent => return Err(error),
                    Attempt::BrokenOff(error) => last_failure = Some(error),
                }
                tried.push(target.session);
            }
            match self.moved(current, &tried) {
                Some(newer) if newer.fingerprint == current.fingerprint => moved = Some(newer),
                Some(newer) => {
                    let message = format!("the types of `{}` have just changed", newer.name);
                    return Err(Error::of(codes::SCHEMA_CHANGED, message));
                }
                None => break,
            }
        }
        Err(last_failure.unwrap_or_else(|| unavailable(format!("no provider of `{}` takes calls now", route.name))))
    }

    /// The present route, when it has an endpoint that this call did not know: providers change places while calls are on
    /// their way, and no call is to find a gap.
    fn moved(&self, route: &Route, tried: &[SessionId]) -> Option<Arc<Route>> {
        let routes = self.registry.routes();
        let newer = routes.get(route.name.as_str())?;
        let ready = |endpoint: &&Endpoint| endpoint.state == EndpointState::Ready;
        let known = |session: &SessionId| {
            tried.contains(session) || route.endpoints.iter().filter(ready).any(|endpoint| endpoint.session == *session)
        };
        newer.endpoints.iter().filter(ready).any(|endpoint| !known(&endpoint.session)).then(|| Arc::clone(newer))
    }

    fn report_unreachable(&self, target: &Target, error: &Error) {
        if target.plane == DataPlane::Unary {
            let request =
                Request::Unreachable { session: target.session, generation: target.generation, error: error.clone() };
            // One report is enough, and the next call makes another.
            let _unheard = self.requests.try_send(request).is_err();
        }
    }
}

fn failure<W: Work>(attempt: &Attempt<W::Output>) -> Option<&Error> {
    match attempt {
        Attempt::Answered(output) => W::failure(output),
        Attempt::Late => None,
        Attempt::NotSent(error) | Attempt::Lost(error) | Attempt::BrokenOff(error) => Some(error),
    }
}

/// What an attempt says of its provider. That one element or call fails by its own fault says nothing, nor does a deadline
/// that the module itself told of, which may be that of a call it made; only the host's own clock counts.
fn verdict<W: Work>(attempt: &Attempt<W::Output>) -> Verdict {
    let absent = |error: &Error| error.category() == Category::Unavailable;
    match attempt {
        Attempt::Answered(output) if !W::failure(output).is_some_and(absent) => Verdict::Well,
        _ => Verdict::Badly,
    }
}

/// Whether a failure that a provider answered says that another one may do better.
fn is_elsewhere(error: &Error) -> bool {
    error.category() == Category::Unavailable && error.retryable()
}
