//! The options of a call as an editor offers them. What they mean is the checker's matter, and `docs/pipelines.md`.

/// An option with what is offered for its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallOption {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) description: &'static str,
}

/// What values an option has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// `5s`; these are offered.
    Duration(&'static [&'static str]),
    /// `3`, or `10/1s`, or one of several words; these are offered.
    These(&'static [&'static str]),
    /// The name of a cache, as a String.
    Cache,
    /// Any expression.
    Expression,
}

use Takes::{Cache, Duration, Expression, These};

/// The units of a duration, the shortest first.
pub(super) const UNITS: [&str; 5] = ["ms", "s", "min", "h", "d"];

/// All of them, in the order in which they are offered.
#[rustfmt::skip]
pub(super) const OPTIONS: &[CallOption] = &[
    option("retry", These(&["1", "2", "3", "5"]), "Attempts after the first, on failures that may pass."),
    option("timeout", Duration(&["500ms", "1s", "2s", "5s", "30s"]), "How long one attempt may take; sent to the module as its deadline."),
    option("delay", Duration(&["100ms", "500ms", "1s"]), "The wait before another attempt."),
    option("backoff", These(&["exponential", "linear", "fixed"]), "How `delay` grows from attempt to attempt."),
    option("fallback", Expression, "The value when the call fails for good."),
    option("cache", Duration(&["30s", "1min", "5min", "1h"]), "How long an answer serves equal inputs, which also share one call in flight."),
    option("cache_backend", Cache, "Which cache of the host keeps the answers."),
    option("throttle", These(&["10/1s", "100/1s", "100/1min"]), "How many calls may begin in a time."),
    option("concurrency", These(&["1", "4", "8", "16"]), "How many calls may run at once."),
    option("on_error", These(&["propagate", "skip", "log", "wrap"]), "What a failure does: end the run, give the type's zero value, the same with a line in the log, or give `{ ok: T } | { error: ErrorInfo }`."),
    option("lazy", These(&["true", "false"]), "States the default: a call runs when its value is needed."),
    option("priority", These(&["critical", "high", "normal", "low", "background"]), "The place in the host's queue."),
    option("batch", These(&["16", "64", "256"]), "How many calls travel together at most, where the module takes several inputs at once."),
    option("batch_timeout", Duration(&["1ms", "5ms", "20ms"]), "How long a call waits for others to travel with."),
];

const fn option(name: &'static str, takes: Takes, description: &'static str) -> CallOption {
    CallOption { name, takes, description }
}

/// The option of that name.
pub(super) fn find(name: &str) -> Option<&'static CallOption> {
    OPTIONS.iter().find(|option| option.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_the_language_is_offered_once() {
        assert!(OPTIONS.iter().all(|option| crate::parser::is_option(option.name)));
        let source = OPTIONS.iter().map(|option| format!("{}: 1", option.name)).collect::<Vec<_>>().join(", ");
        let catalog = crate::Catalog::new([crate::ModuleSignature::new(
            "a.F",
            type_schema::CType::record::<String>([]),
            type_schema::CType::Int,
        )]);
        let checked = crate::compile(&format!("x = F() with {source}\nout x"), &catalog);
        let unknown = checked.diagnostics.iter().filter(|one| one.message.contains("no option")).count();
        assert_eq!((unknown, OPTIONS.len()), (0, 14), "{:?}", checked.diagnostics);
    }
}
