//! An OpenTelemetry collector: receives spans over OTLP/gRPC and keeps them. Forwards nothing.

use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A collector that listens. Its task ends with the runtime of the test.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: watch::Receiver<Vec<Recorded>>,
}

/// A span with the name of who sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// `service.name` of the resource.
    pub service: String,
    /// The span.
    pub span: Span,
}

impl Recorded {
    /// The trace in hexadecimal digits.
    #[must_use]
    pub fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    /// The span in hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// The parent in hexadecimal digits; empty for the root of a trace.
    #[must_use]
    pub fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// An attribute as text; empty when it is not there.
    #[must_use]
    pub fn attribute(&self, key: &str) -> String {
        let found = self.span.attributes.iter().find(|attribute| attribute.key == key);
        match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            other => other.map(|other| format!("{other:?}")).unwrap_or_default(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Keeper(watch::Sender<Vec<Recorded>>);

#[tonic::async_trait]
impl TraceService for Keeper {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send_modify(|spans| {
            for of_resource in request.into_inner().resource_spans {
                let attributes = of_resource.resource.map(|resource| resource.attributes).unwrap_or_default();
                let named = Recorded { service: String::new(), span: Span { attributes, ..Span::default() } };
                let service = named.attribute("service.name");
                let received = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.extend(received.map(|span| Recorded { service: service.clone(), span }));
            }
        });
        Ok(Response::new(ExportTraceServiceResponse { partial_success: None }))
    }
}

impl Collector {
    /// Listens on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let (keeper, spans) = watch::channel(Vec::new());
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(Keeper(keeper)));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, spans }
    }

    /// Where spans are sent.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for a span that fits.
    ///
    /// # Panics
    /// When none comes within [`testkit::PATIENCE`]; with what came.
    pub async fn span(&self, what: &str, fits: impl Fn(&Recorded) -> bool) -> Recorded {
        let mut spans = self.spans.clone();
        let found = spans.wait_for(|spans| spans.iter().any(&fits));
        if tokio::time::timeout(testkit::PATIENCE, found).await.is_err() {
            panic!("no span of {what} came: {:#?}", self.spans.borrow());
        }
        let spans = self.spans.borrow();
        spans.iter().find(|span| fits(span)).cloned().expect("it was there a moment ago")
    }

    /// Everything that came so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Recorded> {
        self.spans.borrow().clone()
    }
}
