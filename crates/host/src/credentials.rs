//! Lets a provider in by the credential that it shows and the address that it names. The configuration knows both; the rules
//! about names are the registry's.

use std::sync::Arc;

use protocol::dial::Dialer;
use protocol::{Error, Registration, Subject, codes};

use crate::components::{Admitted, Start};
use crate::config::Config;

/// Who registers.
pub(crate) enum Registrant {
    /// A component of this host, by the token of its present start.
    Component(Arc<Start>),
    /// The subject of a credential; `None` where the host asks for none.
    Provider(Option<Subject>),
}

impl Registrant {
    /// Who it is to the registry.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match self {
            Self::Component(start) => Some(start.subject.clone()),
            Self::Provider(subject) => subject.clone(),
        }
    }
}

/// Whose registration it is. Components are known with and without `[[providers]]`.
///
/// # Errors
/// `registry.credential.refused`, `registry.namespace.denied`, `registry.busy` for a component that is being stopped.
pub(crate) fn authenticate(
    config: &Config,
    admitted: &Admitted,
    registration: &Registration,
) -> Result<Registrant, Error> {
    match admitted.provider(registration)? {
        Some(start) => Ok(Registrant::Component(start)),
        None => provider(config, registration).map(Registrant::Provider),
    }
}

fn provider(config: &Config, registration: &Registration) -> Result<Option<Subject>, Error> {
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

/// Refuses a `service_url` that names an address outside `unary.allow`. One that names a host is checked when it is dialled.
///
/// # Errors
/// `registry.service_url.denied`.
pub(crate) fn check_address(dialer: &Dialer, registration: &Registration) -> Result<(), Error> {
    registration.reach.service_url.as_ref().map_or(Ok(()), |url| dialer.check(url))
}

/// What a `service_url` may lead to.
///
/// # Errors
/// When `unary.ca_file` cannot be read any more.
pub(crate) fn dialer(config: &Config) -> std::io::Result<Dialer> {
    let dialer = Dialer::new(config.unary.allow.as_slice());
    match &config.unary.ca_file {
        Some(path) => Ok(dialer.ca(std::fs::read(path)?)),
        None => Ok(dialer),
    }
}
