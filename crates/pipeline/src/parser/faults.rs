//! The faults of one source, as many as are told. Does not find them.

use crate::diagnostic::Diagnostic;

/// How many diagnostics of one source are told.
pub const MAX_DIAGNOSTICS: usize = 100;

/// The faults of one source.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Diagnostic>,
    total: usize,
    last: Option<u32>,
    is_muted: bool,
}

impl Faults {
    /// Adds one, unless the last one is of the same place: that follows from it.
    pub(crate) fn push(&mut self, fault: Diagnostic) {
        if self.is_muted || self.last == Some(fault.span.start) {
            return;
        }
        self.last = Some(fault.span.start);
        self.total += 1;
        if self.list.len() < MAX_DIAGNOSTICS {
            self.list.push(fault);
        }
    }

    /// Whether what is added is dropped, because all of it follows from something that was told.
    pub(crate) fn mute(&mut self, is_muted: bool) {
        self.is_muted = is_muted;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many there are, also of those that are not told.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// In the order of their places, at most [`MAX_DIAGNOSTICS`]; the last says how many more there are.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|fault| fault.span);
        let more = self.total - self.list.len();
        if more > 0
            && let Some(last) = self.list.last_mut()
        {
            last.help.push(format!("{more} more errors are not shown"));
        }
        self.list
    }
}
