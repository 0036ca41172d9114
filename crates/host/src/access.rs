//! Who asks: one layer before every surface, gRPC and HTTP alike, that reads the token of a request and puts a
//! [`Principal`] among its extensions, or answers the request itself. What a principal may do is asked by the surfaces,
//! which alone know what is wanted; how providers prove themselves is `credentials`' and `admission`'s.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either};
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap};
use protocol::{Error, ModuleName, Secret, SessionToken, codes};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::browser;
use crate::components::Admitted;
use crate::config::{CallGrant, ClientGrant, Config, Scope};
use crate::listen::Peer;
use crate::refusal;

/// What a provider may do with the token of its live session.
const SESSION_SCOPES: [Scope; 2] = [Scope::List, Scope::Call(CallGrant::All)];

/// Who asks, and what it may do. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    subject: Arc<str>,
    /// The component that asks, if one does.
    component: Option<Arc<str>>,
    scopes: Scopes,
}

#[derive(Debug, Clone)]
enum Scopes {
    /// The host has no `[[clients]]`.
    All,
    These(Arc<[Scope]>),
}

impl Principal {
    fn nobody() -> Self {
        Self::new("nobody", Vec::new())
    }

    fn new(subject: &str, scopes: impl Into<Arc<[Scope]>>) -> Self {
        Self { subject: subject.into(), component: None, scopes: Scopes::These(scopes.into()) }
    }

    /// A component with what it was granted.
    pub(crate) fn component(id: &Arc<str>, subject: &str, scopes: Vec<Scope>) -> Self {
        Self { component: Some(Arc::clone(id)), ..Self::new(subject, scopes) }
    }

    /// Who sent a request. One that did not pass the layer comes from nobody.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_else(Self::nobody)
    }

    /// Whom the token of a request identifies.
    pub(crate) fn subject_of(extensions: &Extensions) -> Arc<str> {
        extensions.get::<Self>().map_or_else(|| "nobody".into(), |principal| Arc::clone(&principal.subject))
    }

    /// Whether modules may be listed.
    ///
    /// # Errors
    /// `host.scope.missing`; so have the others.
    pub(crate) fn may_list(&self) -> Result<(), Error> {
        self.demand(|scope| *scope == Scope::List, || Scope::List.to_string())
    }

    /// Whether changes may be watched.
    pub(crate) fn may_watch(&self) -> Result<(), Error> {
        self.demand(|scope| *scope == Scope::Watch, || Scope::Watch.to_string())
    }

    /// Whether the host's counters may be read.
    pub(crate) fn may_read_metrics(&self) -> Result<(), Error> {
        self.demand(|scope| *scope == Scope::Metrics, || Scope::Metrics.to_string())
    }

    /// Whether pipelines may be stored and removed.
    pub(crate) fn may_store(&self) -> Result<(), Error> {
        self.demand(|scope| *scope == Scope::Pipelines, || Scope::Pipelines.to_string())
    }

    /// Whether components may be started and stopped, and their output read.
    pub(crate) fn may_operate(&self) -> Result<(), Error> {
        self.demand(|scope| *scope == Scope::Components, || Scope::Components.to_string())
    }

    /// The component that may keep values here. Nobody else may: the values are those of components.
    pub(crate) fn may_stage(&self) -> Result<&Arc<str>, Error> {
        let granted = self.demand(|scope| *scope == Scope::Staging, || Scope::Staging.to_string());
        match &self.component {
            Some(component) => granted.map(|()| component),
            None => {
                let message = format!("`{}` is no component, and only components keep values here", self.subject);
                Err(Error::of(codes::SCOPE_MISSING, message)
                    .detail("scope", Scope::Staging.to_string())
                    .detail("subject", self.subject.as_ref()))
            }
        }
    }

    /// Equal for those who may call the same modules; `None` for who may do everything.
    pub(crate) fn sight(&self) -> Option<String> {
        match &self.scopes {
            Scopes::All => None,
            Scopes::These(scopes) => {
                let mut texts: Vec<_> = scopes.iter().map(ToString::to_string).collect();
                texts.sort_unstable();
                Some(texts.join(" "))
            }
        }
    }

    /// Whether a module may be called, in whatever way.
    pub(crate) fn may_call(&self, module: &ModuleName) -> Result<(), Error> {
        let covers = |scope: &Scope| matches!(scope, Scope::Call(grant) if grant.covers(module));
        self.demand(covers, || format!("call:{module}"))
    }

    /// Whether a module's types may be seen: by who may list, and by who may call it, which needs them.
    pub(crate) fn may_see(&self, module: &ModuleName) -> Result<(), Error> {
        self.may_list().or_else(|_| self.may_call(module))
    }

    fn demand(&self, has: impl Fn(&Scope) -> bool, wanted: impl FnOnce() -> String) -> Result<(), Error> {
        match &self.scopes {
            Scopes::All => Ok(()),
            Scopes::These(scopes) if scopes.iter().any(has) => Ok(()),
            Scopes::These(_) => {
                let scope = wanted();
                let message = format!("the token of `{}` has not the scope `{scope}`", self.subject);
                Err(Error::of(codes::SCOPE_MISSING, message)
                    .detail("scope", scope)
                    .detail("subject", self.subject.as_ref()))
            }
        }
    }
}

/// Knows the tokens of clients. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Access {
    clients: Arc<[(Secret, Principal)]>,
    /// Whoever reaches a host without `[[clients]]`.
    anybody: Principal,
    /// Whoever reaches what needs no token.
    nobody: Principal,
    registry: registry::Handle,
    admitted: Admitted,
    /// Whether web pages must be kept out by the names that they show.
    loopback: bool,
}

/// What is known of a request at once.
enum Decision {
    Known(Principal),
    /// It may be the token of a live session, which the registry knows.
    Ask(SessionToken),
    Refused(Error),
}

impl Access {
    /// With no clients, everybody may do everything; where the host listens on loopback in plain text, everybody but web pages.
    pub(crate) fn new(config: &Config, registry: registry::Handle, admitted: Admitted) -> Self {
        let clients = &config.clients;
        let known = |grant: &ClientGrant| {
            (grant.token.clone(), Principal::new(grant.subject.as_str(), grant.scopes.as_slice()))
        };
        Self {
            clients: clients.iter().map(known).collect(),
            anybody: Principal { subject: "anybody".into(), component: None, scopes: Scopes::All },
            nobody: Principal::nobody(),
            registry,
            admitted,
            loopback: config.listens_on_loopback() && config.tls.is_none(),
        }
    }

    fn decide<B>(&self, request: &http::Request<B>) -> Decision {
        let peer = request.extensions().get::<Peer>();
        if peer.is_some_and(|peer| !peer.admitted) {
            let error = Error::of(codes::CONNECTION_LIMIT, "too many connections");
            return Decision::Refused(error.retry_after(std::time::Duration::from_secs(1)));
        }
        if self.clients.is_empty() {
            // A browser opens no Unix socket, and libraries put all kinds of names there.
            let browsers = self.loopback && peer.is_none_or(|peer| !peer.unix);
            return match browsers.then(|| browser::check(request)) {
                Some(Err(error)) => Decision::Refused(error),
                // Nobody needs a token here, but a component that shows its own is held to its grants.
                _ => Decision::Known(self.component_of(request).unwrap_or_else(|| self.anybody.clone())),
            };
        }
        if needs_no_token(request.uri().path()) {
            return Decision::Known(self.nobody.clone());
        }
        let token = match bearer(request.headers()) {
            Ok(token) => token,
            Err(error) => return Decision::Refused(error),
        };
        // All are compared, whichever fits, so that the time tells nothing.
        let known = self.clients.iter().fold(
            None,
            |found, (secret, principal)| {
                if secret.is(token) { Some(principal) } else { found }
            },
        );
        let component = self.admitted.by_token(token);
        match (known, component, SessionToken::from_hex(token)) {
            (Some(principal), ..) => Decision::Known(principal.clone()),
            (None, Some(start), _) => Decision::Known(start.principal.clone()),
            (None, None, Some(token)) => Decision::Ask(token),
            (None, None, None) => Decision::Refused(refused()),
        }
    }

    /// The component whose token a request shows, if it does.
    fn component_of<B>(&self, request: &http::Request<B>) -> Option<Principal> {
        let token = request.headers().get(AUTHORIZATION).and_then(|_| bearer(request.headers()).ok())?;
        self.admitted.by_token(token).map(|start| start.principal.clone())
    }

    /// Asks the registry whose session it is; costs one turn of its queue.
    async fn provider(&self, token: SessionToken) -> Result<Principal, Error> {
        match self.registry.find(token).await {
            // A component gets no more by the token of its session than by its own.
            Ok(session) => Ok(self.admitted.of_session(session).map_or_else(
                || Principal::new(&format!("session {session}"), SESSION_SCOPES),
                |start| start.principal.clone(),
            )),
            Err(error) if error.code() == codes::SESSION_UNKNOWN.name => Err(refused()),
            Err(error) => Err(error),
        }
    }
}

fn refused() -> Error {
    Error::of(codes::TOKEN_REFUSED, "the token is neither that of a client nor that of a live session or component")
}

/// What probes and providers reach: health says nothing of modules, and a provider shows a credential or a session token
/// in its messages.
fn needs_no_token(path: &str) -> bool {
    const PATHS: [&str; 2] = ["/healthz", "/readyz"];
    const SERVICES: [&str; 2] = ["/grpc.health.v1.Health/", "/modrack.provider.v1.ModuleRegistry/"];
    PATHS.contains(&path) || SERVICES.iter().any(|service| path.starts_with(service))
}

/// The token of a request (RFC 6750, 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Error> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let value = match (shown.next(), shown.next()) {
        (None, _) => return Err(Error::of(codes::TOKEN_MISSING, "this host asks clients for a token")),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(Error::of(codes::TOKEN_REFUSED, "there is more than one token")),
    };
    let no_bearer = || Error::of(codes::TOKEN_REFUSED, "the `authorization` header holds no bearer token");
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(no_bearer)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(no_bearer()) }
}

/// Wraps the surfaces of the host.
#[derive(Clone)]
pub(crate) struct AccessLayer(Access);

impl AccessLayer {
    pub(crate) fn new(access: Access) -> Self {
        Self(access)
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, access: self.0.clone() }
    }
}

/// What [`AccessLayer`] makes of a service.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
    access: Access,
}

impl<S, B> Service<http::Request<B>> for Guarded<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send,
    B: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    /// What waits for nothing but the surface costs no box.
    type Future = Either<S::Future, BoxFuture<'static, Result<Self::Response, S::Error>>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(ctx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let refused = |error: &Error| {
            let response = refuse(&request, error);
            Either::Right(Box::pin(std::future::ready(Ok(response))) as BoxFuture<'static, _>)
        };
        match self.access.decide(&request) {
            Decision::Known(principal) => match permitted(&request, &principal) {
                Ok(()) => Either::Left(self.inner.call(from(principal, request))),
                Err(error) => refused(&error),
            },
            Decision::Refused(error) => refused(&error),
            Decision::Ask(token) => {
                let access = self.access.clone();
                // The one that was polled ready goes with the request.
                let fresh = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, fresh);
                Either::Right(Box::pin(async move {
                    let known = access.provider(token).await;
                    match known.and_then(|principal| permitted(&request, &principal).map(|()| principal)) {
                        Ok(principal) => inner.call(from(principal, request)).await,
                        Err(error) => Ok(refuse(&request, &error)),
                    }
                }))
            }
        }
    }
}

/// What a service demands that cannot ask itself.
fn permitted<B>(request: &http::Request<B>, principal: &Principal) -> Result<(), Error> {
    if request.uri().path().starts_with("/grpc.reflection.") { principal.may_list() } else { Ok(()) }
}

/// The request with who sent it.
fn from<B>(principal: Principal, mut request: http::Request<B>) -> http::Request<B> {
    // Nothing behind this needs the token, and what is not there is not logged.
    request.headers_mut().remove(AUTHORIZATION);
    request.extensions_mut().insert(principal);
    request
}

fn refuse<B>(request: &http::Request<B>, error: &Error) -> http::Response<Body> {
    tracing::info!(path = request.uri().path(), code = error.code(), "a request was refused: {}", error.message());
    refusal::response(request.headers(), error)
}
