//! What is in force for a provider: the program's own settings over the environment over the defaults. Opens no connection.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Category, Error};
use crate::generated::provider::v1::DataPlane;
use crate::host::{HostAddress, TlsFiles};
use crate::provider::calls::Table;

const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// A way in which calls reach the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// A socket on the host's machine: the fastest.
    Link,
    /// A gRPC stream that the provider opens: needs no open port.
    Attach,
    /// The host calls a gRPC server of the provider, on a free loopback port.
    Unary,
}

/// What the program sets.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) host: Option<String>,
    pub(crate) plane: Option<Plane>,
    pub(crate) service_id: Option<String>,
    pub(crate) group_id: Option<String>,
    pub(crate) credential_file: Option<PathBuf>,
    pub(crate) tls: TlsFiles,
    pub(crate) grace: Option<Duration>,
    pub(crate) allow_breaking: bool,
}

/// What is in force.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) namespace: String,
    pub(crate) host: HostAddress,
    pub(crate) plane: Option<Plane>,
    pub(crate) service_id: String,
    pub(crate) group_id: String,
    pub(crate) credential_file: Option<PathBuf>,
    pub(crate) tls: TlsFiles,
    pub(crate) grace: Duration,
    pub(crate) allow_breaking: bool,
    pub(crate) debug: bool,
}

impl Settings {
    pub(crate) fn resolve(namespace: &str, set: Overrides, modules: &Table) -> Result<Self, Error> {
        let host = set.host.or_else(|| env("MODRACK_HOST")).ok_or_else(|| no_host(namespace, modules))?;
        let plane = match (set.plane, env("MODRACK_PLANE")) {
            (Some(plane), _) => Some(plane),
            (None, Some(name)) => Some(Plane::from_name(&name)?),
            (None, None) => None,
        };
        Ok(Self {
            namespace: namespace.to_owned(),
            host: HostAddress::parse(&host)?,
            plane,
            service_id: set.service_id.or_else(|| env("MODRACK_SERVICE_ID")).unwrap_or_else(|| namespace.to_owned()),
            group_id: set.group_id.or_else(|| env("MODRACK_GROUP_ID")).unwrap_or_default(),
            credential_file: set.credential_file.or_else(|| env("MODRACK_CREDENTIAL_FILE").map(PathBuf::from)),
            tls: set.tls.or_env(),
            grace: set.grace.unwrap_or(DEFAULT_GRACE),
            allow_breaking: set.allow_breaking,
            debug: debug_from_env(),
        })
    }

    /// The credential, read anew at each registration, so that it can be replaced; empty without a file.
    pub(crate) async fn credential(&self) -> Result<String, Error> {
        let Some(path) = &self.credential_file else {
            return Ok(String::new());
        };
        let text = tokio::fs::read_to_string(path).await.map_err(|source| {
            let message = format!("the credential file {} cannot be read: {source}", path.display());
            Error::new(Category::FailedPrecondition, "client.credential.unreadable", message)
                .with_hint("MODRACK_CREDENTIAL_FILE names a file that this process may read")
        })?;
        Ok(text.trim().to_owned())
    }
}

impl Plane {
    /// `link`, `attach`, `unary`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Attach => "attach",
            Self::Unary => "unary",
        }
    }

    fn from_name(name: &str) -> Result<Self, Error> {
        [Self::Link, Self::Attach, Self::Unary].into_iter().find(|plane| plane.as_str() == name).ok_or_else(|| {
            let message = format!("MODRACK_PLANE is `{name}`, which is no data plane");
            Error::new(Category::InvalidArgument, "client.plane.invalid", message)
                .with_hint("set it to `link`, `attach` or `unary`, or unset it for the fastest that works")
        })
    }

    pub(crate) fn to_wire(self) -> DataPlane {
        match self {
            Self::Link => DataPlane::Link,
            Self::Attach => DataPlane::Attach,
            Self::Unary => DataPlane::Unary,
        }
    }

    pub(crate) fn from_wire(plane: DataPlane) -> Option<Self> {
        match plane {
            DataPlane::Link => Some(Self::Link),
            DataPlane::Attach => Some(Self::Attach),
            DataPlane::Unary => Some(Self::Unary),
            DataPlane::Host | DataPlane::Unspecified => None,
        }
    }
}

pub(crate) fn debug_from_env() -> bool {
    env("MODRACK_DEBUG").is_some_and(|value| value == "1")
}

/// A variable that is set to something.
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// A provider that was started by hand says what it is.
fn no_host(namespace: &str, modules: &Table) -> Error {
    let mut lines: Vec<String> =
        modules.values().map(|module| format!("  {namespace}.{}", super::signature(module))).collect();
    lines.sort();
    let message = format!(
        "this is a Modrack provider of the namespace `{namespace}`, with the modules\n{}\n\
         set MODRACK_HOST to the address of a host, e.g. http://127.0.0.1:7420",
        lines.join("\n")
    );
    Error::new(Category::FailedPrecondition, "client.host.unset", message).with_hint("`modrack serve` starts a host")
}
