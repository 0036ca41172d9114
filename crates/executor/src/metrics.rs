//! Counts calls per module and plane: how many run and wait, how they end, how long they take. Knows no format in which
//! that is told, and no clock but the monotonic one.
//!
//! A call costs a handful of relaxed atomic additions and one reference count: the counters hang on the module's route, so
//! that nothing is looked up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use protocol::{Category, DataPlane, Error};
use registry::{Route, Routes};

use crate::policy::counters::{CountedPolicies, Counters};

/// Upper bounds of the buckets of a call's duration.
pub const BUCKETS: [Duration; 18] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(60),
];

/// Counters of removed modules that are kept until somebody asks, beyond those of live ones.
const STALE: usize = 256;

/// What was counted of one module on one plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Qualified name.
    pub module: String,
    /// By which plane; `None` for calls that no provider took.
    pub plane: Option<DataPlane>,
    /// Calls that are with a provider or wait for one, now.
    pub in_flight: u64,
    /// Of those, the ones that wait for a place at their provider.
    pub queued: u64,
    /// Calls that ended well.
    pub succeeded: u64,
    /// Calls that failed, by category, without those that are 0.
    pub failed: Vec<(Category, u64)>,
    /// Sum of the durations of all calls that ended, from their start in the executor.
    pub total: Duration,
    /// Calls that ended by duration: one count for each of [`BUCKETS`], and one for those beyond, not cumulative.
    pub durations: Vec<u64>,
}

/// All counters of a process.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// By name, so that a module keeps its counts over its revisions.
    modules: Mutex<HashMap<String, Arc<OfModule>>>,
}

/// The counters of one module.
#[derive(Debug, Default)]
struct OfModule {
    /// By plane, and for calls that no provider took.
    planes: [OnceLock<Box<OnPlane>>; 5],
    policies: OnceLock<Box<Counters>>,
}

#[derive(Debug, Default)]
struct OnPlane {
    in_flight: AtomicU64,
    queued: AtomicU64,
    succeeded: AtomicU64,
    failed: [AtomicU64; Category::ALL.len()],
    micros: AtomicU64,
    durations: [AtomicU64; BUCKETS.len() + 1],
}

const PLANES: [Option<DataPlane>; 5] =
    [None, Some(DataPlane::Unary), Some(DataPlane::Attach), Some(DataPlane::Link), Some(DataPlane::Host)];

fn slot(plane: Option<DataPlane>) -> usize {
    match plane {
        None => 0,
        Some(DataPlane::Unary) => 1,
        Some(DataPlane::Attach) => 2,
        Some(DataPlane::Link) => 3,
        Some(DataPlane::Host) => 4,
    }
}

impl Metrics {
    /// Begins to measure a call. What is dropped without an end counts as cancelled.
    pub(crate) fn begin(&self, route: &Route, registry: &registry::Handle) -> Measured {
        let of = route.attachment.get_or_attach(|| Arc::new(self.of(route, &registry.routes())));
        Measured { module: Arc::clone(of), plane: None, began: Instant::now(), ended: false }
    }

    /// The counters of the policies of a module's calls.
    pub(crate) fn policies_of<'a>(&self, route: &'a Route, registry: &registry::Handle) -> &'a Counters {
        let of = route.attachment.get_or_attach(|| Arc::new(self.of(route, &registry.routes())));
        of.policies.get_or_init(Box::default)
    }

    /// What was counted of policies; see [`Metrics::counted`].
    pub(crate) fn counted_policies(&self, routes: &Routes) -> Vec<CountedPolicies> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.retain(|name, of| routes.get(name).is_some() || of.is_busy());
        let mut counted: Vec<_> =
            modules.iter().filter_map(|(name, of)| Some(of.policies.get()?.counted(name))).collect();
        counted.sort_by(|a, b| a.module.cmp(&b.module));
        counted
    }

    /// Only for the first call of a revision.
    fn of(&self, route: &Route, routes: &Routes) -> Arc<OfModule> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        // For a host that nobody asks for its counters.
        if modules.len() > routes.len() + STALE {
            modules.retain(|name, of| routes.get(name).is_some() || of.is_busy());
        }
        Arc::clone(modules.entry(route.name.as_str().to_owned()).or_default())
    }

    /// What was counted of the modules that are registered and of those that still have calls, in order of name and plane.
    /// Forgets the others. Costs one look-up for each module that was ever called.
    pub(crate) fn counted(&self, routes: &Routes) -> Vec<Counted> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.retain(|name, of| routes.get(name).is_some() || of.is_busy());
        let mut counted: Vec<_> = modules.iter().flat_map(|(name, of)| of.counted(name)).collect();
        counted.sort_by(|a, b| (&a.module, slot(a.plane)).cmp(&(&b.module, slot(b.plane))));
        counted
    }
}

impl OfModule {
    fn on(&self, plane: Option<DataPlane>) -> &OnPlane {
        self.planes[slot(plane)].get_or_init(Box::default)
    }

    fn is_busy(&self) -> bool {
        self.planes.iter().filter_map(OnceLock::get).any(|on| on.in_flight.load(Ordering::Relaxed) > 0)
    }

    fn counted(&self, name: &str) -> impl Iterator<Item = Counted> {
        PLANES.into_iter().filter_map(move |plane| {
            let on = self.planes[slot(plane)].get()?;
            let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let failed = Category::ALL.into_iter().zip(on.failed.iter().map(load)).filter(|(_, count)| *count > 0);
            Some(Counted {
                module: name.to_owned(),
                plane,
                in_flight: load(&on.in_flight),
                queued: load(&on.queued),
                succeeded: load(&on.succeeded),
                failed: failed.collect(),
                total: Duration::from_micros(load(&on.micros)),
                durations: on.durations.iter().map(load).collect(),
            })
        })
    }
}

/// One call while it is measured.
#[derive(Debug)]
pub(crate) struct Measured {
    module: Arc<OfModule>,
    plane: Option<DataPlane>,
    began: Instant,
    ended: bool,
}

impl Measured {
    /// Notes that a provider on this plane was chosen; a later one takes the place of an earlier one.
    pub(crate) fn on(&mut self, plane: DataPlane) {
        if self.plane != Some(plane) {
            self.leave();
            self.plane = Some(plane);
            self.module.on(self.plane).in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the call as one that waits for a place, until the guard is dropped.
    pub(crate) fn waits(&self) -> Waits<'_> {
        let queued = &self.module.on(self.plane).queued;
        queued.fetch_add(1, Ordering::Relaxed);
        Waits(queued)
    }

    /// Counts the end of the call.
    pub(crate) fn end<T>(mut self, result: &Result<T, Error>) {
        self.count(result.as_ref().err().map(Error::category));
    }

    fn count(&mut self, failed: Option<Category>) {
        self.ended = true;
        let took = self.began.elapsed();
        let on = self.module.on(self.plane);
        match failed {
            None => &on.succeeded,
            Some(category) => &on.failed[category as usize],
        }
        .fetch_add(1, Ordering::Relaxed);
        on.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        on.durations[BUCKETS.partition_point(|bound| *bound < took)].fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&mut self) {
        if self.plane.is_some() {
            self.module.on(self.plane).in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if !self.ended {
            self.count(Some(Category::Cancelled));
        }
        self.leave();
    }
}

/// A call that waits for a place.
#[derive(Debug)]
pub(crate) struct Waits<'a>(&'a AtomicU64);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use protocol::codes;

    use super::*;

    fn measured(module: &Arc<OfModule>) -> Measured {
        Measured { module: Arc::clone(module), plane: None, began: Instant::now(), ended: false }
    }

    #[test]
    fn a_call_counts_once_on_the_plane_that_took_it_last() {
        let module = Arc::new(OfModule::default());
        let mut call = measured(&module);
        call.on(DataPlane::Unary);
        call.on(DataPlane::Link);
        let waits = call.waits();
        let [unary, link] = module.counted("a.B").collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((unary.in_flight, link.in_flight, link.queued), (0, 1, 1));
        drop(waits);
        call.end(&Ok(()));
        let [unary, link] = module.counted("a.B").collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((unary.succeeded, link.succeeded, link.in_flight, link.queued), (0, 1, 0, 0));
        assert_eq!((link.durations.iter().sum::<u64>(), unary.durations.iter().sum::<u64>()), (1, 0));
    }

    #[test]
    fn failures_count_by_category_and_a_call_that_is_dropped_as_cancelled() {
        let module = Arc::new(OfModule::default());
        measured(&module).end(&Err::<(), _>(Error::of(codes::OVERLOADED, "")));
        drop(measured(&module));
        let [none] = module.counted("a.B").collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((none.plane, none.succeeded), (None, 0));
        assert_eq!(none.failed, [(Category::RateLimited, 1), (Category::Cancelled, 1)]);
    }

    #[test]
    fn the_categories_are_counted_in_the_order_of_their_numbers() {
        for (i, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category as usize, i);
        }
    }

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        for (took, bucket) in [(0, 0), (50, 0), (51, 1), (1000, 4), (60_000_000, 17), (60_000_001, 18)] {
            let took = Duration::from_micros(took);
            assert_eq!(BUCKETS.partition_point(|bound| *bound < took), bucket, "{took:?}");
        }
    }
}
