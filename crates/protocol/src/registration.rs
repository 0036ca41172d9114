//! A request to register, checked as far as it can be checked without knowing who else is registered.

use tonic::transport::Uri;

use crate::PROTOCOL_VERSION;
use crate::codes;
use crate::error::Error;
use crate::generated::provider::v1 as pb;
use crate::module::{DataPlane, ModuleSpec, ProviderInfo};
use crate::names::{GroupId, Namespace, ServiceId};
use crate::secret::Secret;
use crate::token::SessionToken;

/// A provider and the modules that it offers.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Who the provider is.
    pub service_id: ServiceId,
    /// Owner of the names.
    pub namespace: Namespace,
    /// Its group, when it is a replica.
    pub group_id: Option<GroupId>,
    /// The modules in the order of the request, each legal in itself or refused.
    pub modules: Vec<OfferedModule>,
    /// How calls may reach it.
    pub reach: Reach,
    /// What the provider shows to be let in.
    pub credential: Option<Secret>,
    /// Token of the session that this continues or replaces; one that is no token of ours is as good as none.
    pub session_token: Option<SessionToken>,
    /// Accept what is right and refuse the rest.
    pub partial: bool,
    /// Permit a breaking replacement.
    pub allow_breaking: bool,
    /// Whether the provider serves `ModuleLifecycle`.
    pub lifecycle: bool,
    /// Facts for people.
    pub info: ProviderInfo,
}

/// One module of the request.
#[derive(Debug, Clone)]
pub struct OfferedModule {
    /// The name as the request has it, for the answer.
    pub name: String,
    /// The module, or why it is refused.
    pub spec: Result<ModuleSpec, Error>,
}

/// How calls may reach a provider. At least one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Where its `ModuleExecutor` listens, when it offers the unary plane.
    pub service_url: Option<ServiceUrl>,
    /// Whether it may open `Attach`.
    pub attach: bool,
    /// Whether it may open the link.
    pub link: bool,
}

impl Reach {
    /// Whether the provider said that it can serve the plane.
    #[must_use]
    pub fn offers(&self, plane: DataPlane) -> bool {
        match plane {
            DataPlane::Unary => self.service_url.is_some(),
            DataPlane::Attach => self.attach,
            DataPlane::Link => self.link,
            DataPlane::Host => false,
        }
    }
}

/// `http://host:port` or `https://host:port` of a provider. Whether the host may dial it is [`crate::dial::Dialer`]'s to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceUrl(Uri);

impl ServiceUrl {
    /// Checks the form of an address: scheme `http` or `https`, a host, a port, nothing behind it.
    ///
    /// # Errors
    /// `registry.service_url.invalid`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Error::of(codes::SERVICE_URL_INVALID, format!("the service_url is refused: {why}"))
                .detail("field", "service_url")
        };
        let uri: Uri = text.parse().map_err(|_| refuse("it is no URL"))?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let scheme = scheme.ok_or_else(|| refuse("its scheme is neither `http` nor `https`"))?;
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?;
        if authority.as_str().contains('@') || !matches!(uri.path_and_query().map(|p| p.as_str()), None | Some("/")) {
            return Err(refuse("it has more than a host and a port"));
        }
        if authority.port_u16().is_none_or(|port| port == 0) {
            return Err(refuse("it has no port"));
        }
        format!("{scheme}://{authority}").parse().map(Self).map_err(|_| refuse("it is no URL"))
    }

    /// The address as the transport takes it.
    #[must_use]
    pub fn uri(&self) -> Uri {
        self.0.clone()
    }

    /// Whether the provider speaks TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }
}

impl std::fmt::Display for ServiceUrl {
    /// The address, e.g. `http://127.0.0.1:4711`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.to_string().trim_end_matches('/'))
    }
}

impl Registration {
    /// Checks a request. Faults of single modules are kept beside the module; anything else refuses the whole.
    ///
    /// # Errors
    /// `registry.protocol.unsupported`, `registry.name.invalid`, `registry.registration.empty`, `registry.service_url.invalid`,
    /// `protocol.field.invalid`, `registry.plane.unsupported`.
    pub fn from_proto(request: pb::RegisterRequest) -> Result<Self, Error> {
        if request.protocol_version != PROTOCOL_VERSION {
            let message =
                format!("protocol version {} is not spoken here, {PROTOCOL_VERSION} is", request.protocol_version);
            return Err(Error::of(codes::PROTOCOL_UNSUPPORTED, message));
        }
        let reach = reach(&request)?;
        let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let registration = Self {
            service_id: ServiceId::parse(&request.service_id)?,
            namespace: Namespace::parse(&request.namespace)?,
            group_id: optional(&request.group_id).map(|id| GroupId::parse(&id)).transpose()?,
            modules: request
                .modules
                .into_iter()
                .map(|spec| OfferedModule { name: spec.name.clone(), spec: ModuleSpec::from_proto(spec) })
                .collect(),
            reach,
            credential: optional(&request.credential).map(Secret::new),
            session_token: SessionToken::from_hex(&request.session_token),
            partial: request.partial,
            allow_breaking: request.allow_breaking,
            lifecycle: request.lifecycle,
            info: ProviderInfo::from_proto(request.info.unwrap_or_default()),
        };
        if registration.modules.is_empty() {
            return Err(Error::of(codes::REGISTRATION_EMPTY, "the registration has no modules"));
        }
        Ok(registration)
    }
}

fn reach(request: &pb::RegisterRequest) -> Result<Reach, Error> {
    let service_url = match request.service_url.as_str() {
        "" => None,
        text => Some(ServiceUrl::parse(text)?),
    };
    if request.planes.is_empty() {
        let attach = service_url.is_none();
        return Ok(Reach { service_url, attach, link: false });
    }
    let mut reach = Reach { service_url: None, attach: false, link: false };
    for plane in &request.planes {
        match pb::DataPlane::try_from(*plane) {
            Ok(pb::DataPlane::Unary) => reach.service_url.clone_from(&service_url),
            Ok(pb::DataPlane::Attach) => reach.attach = true,
            Ok(pb::DataPlane::Link) => reach.link = true,
            // A plane that no provider has, or one of a later version: the others may do.
            Ok(pb::DataPlane::Unspecified | pb::DataPlane::Host) | Err(_) => {}
        }
    }
    let unary_asked = request.planes.contains(&pb::DataPlane::Unary.into());
    if unary_asked && service_url.is_none() {
        return Err(
            Error::of(codes::FIELD_MISSING, "the unary plane needs a service_url").detail("field", "service_url")
        );
    }
    if reach == (Reach { service_url: None, attach: false, link: false }) {
        return Err(Error::of(codes::PLANE_UNSUPPORTED, "the provider offers no plane that this host has"));
    }
    Ok(reach)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> pb::RegisterRequest {
        pb::RegisterRequest {
            service_id: "text".into(),
            namespace: "text".into(),
            modules: vec![pb::ModuleSpec { name: "A".into(), ..Default::default() }],
            protocol_version: 1,
            ..Default::default()
        }
    }

    #[test]
    fn a_service_url_has_a_scheme_a_host_a_port_and_nothing_else() {
        for (text, ok) in [
            ("http://127.0.0.1:50051", true),
            ("http://[::1]:50051", true),
            ("http://localhost:1/", true),
            ("https://provider.example:50051", true),
            ("http://127.0.0.1", false),
            ("http://127.0.0.1:0", false),
            ("ftp://127.0.0.1:50051", false),
            ("http://user@127.0.0.1:50051", false),
            ("http://127.0.0.1:50051/path", false),
            ("http://127.0.0.1:50051/?query", false),
            ("127.0.0.1:50051", false),
            ("\0", false),
        ] {
            match ServiceUrl::parse(text) {
                Ok(url) => assert!(ok && url.to_string() == text.trim_end_matches('/'), "{url:?} was accepted"),
                Err(error) => assert_eq!((ok, error.code()), (false, "registry.service_url.invalid"), "{text}"),
            }
        }
    }

    #[test]
    fn without_planes_a_provider_is_dialled_where_it_has_a_url_and_attaches_where_not() {
        let attached = Registration::from_proto(request()).unwrap().reach;
        assert_eq!(attached, Reach { service_url: None, attach: true, link: false });
        let dialled = pb::RegisterRequest { service_url: "http://127.0.0.1:9".into(), ..request() };
        let reach = Registration::from_proto(dialled).unwrap().reach;
        assert!(reach.offers(DataPlane::Unary) && !reach.offers(DataPlane::Attach));
    }

    #[test]
    fn a_request_that_is_wrong_as_a_whole_is_refused_with_its_code() {
        let cases: [(&str, pb::RegisterRequest); 6] = [
            ("registry.protocol.unsupported", pb::RegisterRequest { protocol_version: 2, ..request() }),
            ("registry.name.invalid", pb::RegisterRequest { service_id: "a b".into(), ..request() }),
            ("registry.name.invalid", pb::RegisterRequest { namespace: "a..b".into(), ..request() }),
            ("registry.registration.empty", pb::RegisterRequest { modules: vec![], ..request() }),
            ("protocol.field.missing", pb::RegisterRequest { planes: vec![1], ..request() }),
            ("registry.plane.unsupported", pb::RegisterRequest { planes: vec![99], ..request() }),
        ];
        for (code, request) in cases {
            assert_eq!(Registration::from_proto(request).unwrap_err().code(), code);
        }
    }

    #[test]
    fn a_fault_of_one_module_is_kept_beside_it() {
        let registration = Registration::from_proto(request()).unwrap();
        assert_eq!(registration.modules[0].spec.as_ref().unwrap_err().code(), "protocol.field.missing");
    }

    #[test]
    fn secrets_do_not_appear_in_debug_output() {
        let request = pb::RegisterRequest { credential: "hunter2".into(), ..request() };
        let text = format!("{:?}", Registration::from_proto(request).unwrap());
        assert!(!text.contains("hunter2"), "{text}");
    }
}
