//! Clients with tokens and certificates, hosts that ask for them, and a module to call.

use protocol::generated::host::v1::host_client::HostClient;
use protocol::generated::host::v1::{self as pb, call_request::Input};
use protocol::generated::provider::v1::{DataPlane, RegisterRequest};
use testkit::{Reply, ScriptedExecutor, Session, module, registration, within};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use e2e::{Host, Settings};

use super::certificates::{Authority, Identity, write};

/// May do all but read metrics.
pub(crate) const READER: &str = "token-of-the-reader-0123456789";
/// May call what is in `text`.
pub(crate) const CALLER: &str = "token-of-the-caller-0123456789";
/// May call `other.Answer` alone.
pub(crate) const STRANGER: &str = "token-of-the-stranger-0123456789";

/// May read metrics alone.
pub(crate) const COUNTER: &str = "token-of-the-counter-0123456789";

/// A host with `[[clients]]`, and whatever else the file says.
pub(crate) fn host_with_clients(more: &str, settings: Settings<'_>) -> Host {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let mut file = more.to_owned();
    for (subject, token, scopes) in [
        ("reader", READER, r#"["list", "watch", "call:*"]"#),
        ("caller", CALLER, r#"["call:text.*"]"#),
        ("stranger", STRANGER, r#"["call:other.Answer"]"#),
        ("counter", COUNTER, r#"["metrics"]"#),
    ] {
        write(directory.path(), &format!("{subject}.token"), token);
        file += &format!("[[clients]]\nsubject = \"{subject}\"\ntoken_file = \"{subject}.token\"\nscopes = {scopes}\n");
    }
    write(directory.path(), "modrack.toml", &file);
    Host::start_in(directory, settings)
}

/// A host that shows a certificate for `localhost`; `more` is put under `[tls]`.
pub(crate) fn host_with_tls(authority: &Authority, more: &str, settings: Settings<'_>) -> Host {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    authority.vouch_for(&["localhost"]).write(directory.path(), "host");
    write(directory.path(), "ca.pem", &authority.pem);
    let file = format!("[tls]\ncert_file = \"host.pem\"\nkey_file = \"host.key\"\n{more}");
    write(directory.path(), "modrack.toml", &file);
    Host::start_in(directory, settings)
}

/// Serves `NAMESPACE.Answer`, which is 42.
pub(crate) async fn answer_in(host: &Host, namespace: &str) -> (ScriptedExecutor, Session) {
    let executor = ScriptedExecutor::start(|_| Reply::output([42])).await;
    let session = host.client().register(dialled(namespace, &executor.url)).await;
    (executor, session.expect("the namespace is free").keep_alive())
}

/// A registration of `NAMESPACE.Answer` at an address.
pub(crate) fn dialled(namespace: &str, url: &str) -> RegisterRequest {
    RegisterRequest {
        service_url: url.to_owned(),
        planes: vec![DataPlane::Unary.into()],
        ..registration(namespace, [module("Answer", "{}", "Int")])
    }
}

/// A client that may show a token and a certificate.
#[derive(Clone)]
pub(crate) struct Caller {
    channel: Channel,
    authorization: Vec<String>,
}

impl Caller {
    /// By plain TCP.
    pub(crate) fn plain(host: &Host) -> Self {
        Self::to(Endpoint::from_shared(host.url()).expect("it is an address"))
    }

    /// By the Unix socket.
    pub(crate) fn unix(host: &Host) -> Self {
        let url = format!("unix:{}", host.socket().display());
        Self::to(Endpoint::from_shared(url).expect("it is an address"))
    }

    /// By TLS to `localhost`, trusting an authority.
    pub(crate) fn tls(host: &Host, authority: &Authority, identity: Option<&Identity>) -> Self {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&authority.pem)).domain_name("localhost");
        let tls = match identity {
            Some(identity) => tls.identity(tonic::transport::Identity::from_pem(&identity.certificate, &identity.key)),
            None => tls,
        };
        let endpoint = Endpoint::from_shared(format!("https://{}", host.address())).expect("it is an address");
        Self::to(endpoint.tls_config(tls).expect("the certificates are right"))
    }

    fn to(endpoint: Endpoint) -> Self {
        Self { channel: endpoint.connect_lazy(), authorization: Vec::new() }
    }

    /// The same with a bearer token.
    pub(crate) fn with(&self, token: &str) -> Self {
        self.authorized(&[&format!("Bearer {token}")])
    }

    /// The same with these `authorization` headers.
    pub(crate) fn authorized(&self, headers: &[&str]) -> Self {
        let authorization = headers.iter().map(|header| (*header).to_owned()).collect();
        Self { authorization, ..self.clone() }
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for header in &self.authorization {
            request.metadata_mut().append("authorization", header.parse().expect("it is ASCII"));
        }
        request
    }

    pub(crate) fn client(&self) -> HostClient<Channel> {
        HostClient::new(self.channel.clone())
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The names of all modules.
    pub(crate) async fn list(&self) -> Result<Vec<String>, Status> {
        let request = self.request(pb::ListModulesRequest::default());
        let answer = within("a list of modules", self.client().list_modules(request)).await?;
        Ok(answer.into_inner().modules.into_iter().map(|module| module.name).collect())
    }

    pub(crate) async fn get(&self, name: &str) -> Result<pb::Module, Status> {
        let request = self.request(pb::GetModuleRequest { name: name.to_owned() });
        let answer = within("a module", self.client().get_module(request)).await?;
        Ok(answer.into_inner().module.expect("an answer holds the module"))
    }

    pub(crate) async fn call(&self, name: &str) -> Result<String, Status> {
        let input = Some(Input::InputJson("{}".to_owned()));
        let request = pb::CallRequest { module: name.to_owned(), input, ..pb::CallRequest::default() };
        let answer = within("the answer to a call", self.client().call(self.request(request))).await?.into_inner();
        match answer.output {
            Some(pb::call_response::Output::OutputJson(json)) => Ok(json),
            other => panic!("the output is not in the form of the input: {other:?}"),
        }
    }

    pub(crate) async fn watch(&self) -> Result<(), Status> {
        let request = self.request(pb::WatchRequest { pattern: "*".to_owned(), runs: false, components: false });
        within("the beginning of a watch", self.client().watch(request)).await.map(drop)
    }

    /// Sends an empty message to any unary method.
    pub(crate) async fn empty(&self, method: &'static str) -> Result<Vec<u8>, Status> {
        self.bytes(method, Vec::new()).await
    }

    /// Sends bytes as the message of any unary method.
    pub(crate) async fn bytes(&self, method: &'static str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        within("a connection", grpc.ready())
            .await
            .map_err(|error| Status::new(Code::Unavailable, error.to_string()))?;
        let path = tonic::codegen::http::uri::PathAndQuery::from_static(method);
        let answer = grpc.unary(self.request(message), path, testkit::BytesCodec);
        within("an answer", answer).await.map(tonic::Response::into_inner)
    }
}

/// The code of a failure that the host itself told.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    testkit::coded(&result.expect_err("it is refused")).code().to_owned()
}

/// Whether no answer of the host came at all.
pub(crate) fn is_silenced<T: std::fmt::Debug>(result: Result<T, Status>) -> bool {
    result.expect_err("it is refused").details().is_empty()
}
