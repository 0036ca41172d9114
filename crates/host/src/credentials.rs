//! Lets a provider in by the credential that it shows. The configuration knows the credentials; the rules about names are
//! the registry's.

use protocol::{Error, Registration, Subject, codes};

use crate::config::Config;

/// The subject of a registration; `None` where the host asks for no credential.
///
/// # Errors
/// `registry.credential.refused`, `registry.namespace.denied`.
pub(crate) fn authenticate(config: &Config, registration: &Registration) -> Result<Option<Subject>, Error> {
    if config.providers.is_empty() {
        return Ok(None);
    }
    let refused = |why: &str| Error::of(codes::CREDENTIAL_REFUSED, why);
    let shown = registration.credential.as_ref().ok_or_else(|| refused("this host asks providers for a credential"))?;
    let grant = config.grant(shown.expose()).ok_or_else(|| refused("the credential is not known here"))?;
    if grant.covers(&registration.namespace) {
        return Ok(Some(grant.subject.clone()));
    }
    let message = format!("the credential of `{}` does not cover `{}`", grant.subject, registration.namespace);
    Err(Error::of(codes::NAMESPACE_DENIED, message))
}
