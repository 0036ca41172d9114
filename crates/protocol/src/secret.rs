//! A secret that people choose: a credential or a token. Does not say whose it is, and reads no file.

use std::fmt;

use subtle::ConstantTimeEq;

/// Text that only its owner and the host may know. Compared in constant time for one length; printed as `Secret(…)` by
/// `Debug` and `Display` alike, so that no log line and no error message can hold it by accident.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<Box<str>>) -> Self {
        Self(secret.into())
    }

    /// Whether this is what somebody presented. Takes the same time for every wrong text of the right length.
    #[must_use]
    pub fn is(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }

    /// The secret itself: for the wire, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_hides_itself_and_equals_only_itself() {
        let secret = Secret::new("correct horse battery staple");
        assert_eq!((format!("{secret}"), format!("{secret:?}")), ("Secret(…)".into(), "Secret(…)".into()));
        assert_eq!(format!("{:?}", Some(&secret)), "Some(Secret(…))");
        assert!(secret.is("correct horse battery staple"));
        for wrong in
            ["", "correct horse battery stapl", "correct horse battery staplf", "correct horse battery staple "]
        {
            assert!(!secret.is(wrong), "{wrong}");
            assert_ne!(secret, Secret::new(wrong));
        }
    }
}
