//! A place on a module for what another service keeps of it, so that a call needs no look-up of its own. The registry carries
//! it and never looks.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Holds at most one value for as long as its owner lives.
#[derive(Default)]
pub struct Attachment(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Attachment {
    /// What is attached; `make` makes it the first time. One atomic load and a comparison after that.
    ///
    /// # Panics
    /// When a value of another type was attached: one service uses the place.
    pub fn get_or_attach<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> Arc<T>) -> &T {
        let attached: &(dyn Any + Send + Sync) = &**self.0.get_or_init(|| make());
        attached.downcast_ref().expect("one service attaches values of one type")
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "Attachment(_)" } else { "Attachment" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_attached_first_stays() {
        let place = Attachment::default();
        assert_eq!(*place.get_or_attach(|| Arc::new(1_u32)), 1);
        assert_eq!(*place.get_or_attach(|| Arc::new(2_u32)), 1);
    }
}
