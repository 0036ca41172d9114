//! Chooses among the providers of a module: of two at random the one with less to do, of those whose health admits calls.
//! Sends nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::SessionId;
use registry::{Endpoint, EndpointState, Route};
use tokio::time::Instant;

use crate::handle::Handle;
use crate::health::{Admission, Trial};
use crate::service::{Request, Targets};
use crate::target::Target;

/// The provider for one attempt.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) target: Arc<Target>,
    /// Set when the call tries whether an ejected provider is well again.
    pub(crate) trial: Option<Trial>,
}

impl Chosen {
    fn open(target: Arc<Target>) -> Self {
        Self { target, trial: None }
    }
}

impl Handle {
    /// A provider that was not tried yet; a unary client is made when it is first needed. Where none admits calls, the least
    /// bad one gets them: to be called by nobody helps nobody. Costs a look at two providers, and at each one only while
    /// some are ejected.
    pub(crate) async fn choose(&self, route: &Route, tried: &[SessionId], deadline: Instant) -> Option<Chosen> {
        let targets = self.targets.load();
        let endpoints = &*route.endpoints;
        if let ([endpoint], []) = (endpoints, tried)
            && endpoint.state == EndpointState::Ready
            && let Some(target) = targets.get(&endpoint.session)
        {
            return Some(Chosen::open(Arc::clone(target)));
        }
        let ready = |endpoint: &Endpoint| endpoint.state == EndpointState::Ready && !tried.contains(&endpoint.session);
        let risky = !route.spec.capabilities.idempotent;
        // A number of its own, since calls that come together have drawn theirs together.
        let mut random = Random(self.calls.fetch_add(1, Ordering::Relaxed));
        if endpoints.len() > 1 {
            let (first, second) = random.two_of(endpoints.len());
            let pair = [&endpoints[first], &endpoints[second]].map(|endpoint| known(&targets, endpoint, &ready));
            if let [Some(first), Some(second)] = pair
                && !first.health.is_out()
                && !second.health.is_out()
            {
                let less = if second.load() < first.load() { second } else { first };
                return Some(Chosen::open(Arc::clone(less)));
            }
        }
        // Some are ejected, draining, tried or not dialled yet: look at each.
        drop(targets);
        let mut best: Option<Arc<Target>> = None;
        let mut least_bad: Option<Arc<Target>> = None;
        let from = random.below(endpoints.len().max(1));
        for endpoint in endpoints[from..].iter().chain(&endpoints[..from]).filter(|endpoint| ready(endpoint)) {
            let target = match self.targets.load().get(&endpoint.session).cloned() {
                Some(target) => target,
                None => match self.dial(route, endpoint, deadline).await {
                    Some(target) => target,
                    None => continue,
                },
            };
            match target.health.admit(risky, Instant::now) {
                Admission::Trial(trial) => return Some(Chosen { target, trial: Some(trial) }),
                Admission::Open if best.as_ref().is_none_or(|best| target.load() < best.load()) => best = Some(target),
                Admission::Open => {}
                Admission::Ejected => {
                    let badness = |target: &Target| (target.health.badness(), target.load());
                    if least_bad.as_ref().is_none_or(|least| badness(&target) < badness(least)) {
                        least_bad = Some(target);
                    }
                }
            }
        }
        best.or(least_bad).map(Chosen::open)
    }

    async fn dial(&self, route: &Route, endpoint: &Endpoint, deadline: Instant) -> Option<Arc<Target>> {
        let url = endpoint.service_url.clone()?;
        let (session, lifecycle, module) = (endpoint.session, endpoint.lifecycle, route.name.as_str().to_owned());
        let asked = self.ask(|done| Request::Dial { session, url, lifecycle, module, done });
        tokio::time::timeout_at(deadline, asked).await.ok()?.ok()?.ok()
    }
}

fn known<'a>(targets: &'a Targets, endpoint: &Endpoint, ready: &impl Fn(&Endpoint) -> bool) -> Option<&'a Arc<Target>> {
    if ready(endpoint) { targets.get(&endpoint.session) } else { None }
}

/// Numbers that are spread well enough for a choice, out of one that differs from call to call (SplitMix64).
pub(crate) struct Random(u64);

impl From<u64> for Random {
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    /// Two different ones below `end`, which is at least 2.
    fn two_of(&mut self, end: usize) -> (usize, usize) {
        let first = self.below(end);
        let second = self.below(end - 1);
        (first, if second >= first { second + 1 } else { second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_is_chosen_about_as_often_and_never_one_twice() {
        let mut counts = [0_u32; 9];
        for seed in 0..9000 {
            let (first, second) = Random(seed).two_of(3);
            assert_ne!(first, second);
            counts[first * 3 + second] += 1;
        }
        for (pair, count) in counts.into_iter().enumerate().filter(|(pair, _)| pair / 3 != pair % 3) {
            assert!((1300..1700).contains(&count), "{pair}: {count}");
        }
    }
}
