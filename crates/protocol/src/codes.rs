//! Every code that the host itself answers with, in one list. Codes of modules and of the codec are not here.
//!
//! A code never changes its meaning; each has a page `docs/errors/<code>.md`, which a test checks.

use crate::error::Category;

/// A stable code with what is always true of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Dotted, lower case: `area.subject.fault`.
    pub name: &'static str,
    /// What kind of failure it is.
    pub category: Category,
    /// Whether the same request may succeed later without change.
    pub retryable: bool,
    /// What to do next, for the person who sees it.
    pub hint: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $ident:ident = $name:literal, $category:ident, $retry:ident, $hint:literal;)*) => {
        $($(#[$doc])* pub const $ident: Code =
            Code { name: $name, category: Category::$category, retryable: codes!(@$retry), hint: $hint };)*
        /// All of them, in the order of this file.
        pub const ALL: &[Code] = &[$($ident),*];
    };
    (@retry) => { true };
    (@final) => { false };
}

codes! {
    // Registration and names.
    /// A name is not well formed.
    NAME_INVALID = "registry.name.invalid", InvalidArgument, final, "names are letters, digits, `_` and `-`, beginning with a letter or `_`; a module is called `namespace.Name`";
    /// The namespace belongs to the host.
    NAMESPACE_RESERVED = "registry.namespace.reserved", PermissionDenied, final, "`std`, `stdlib` and `pipeline` are the host's own; choose another namespace";
    /// Another live session has the namespace.
    NAMESPACE_OWNED = "registry.namespace.owned", Conflict, retry, "another provider serves this namespace; stop it, use its group id, or choose another namespace";
    /// The credential does not cover the namespace.
    NAMESPACE_DENIED = "registry.namespace.denied", PermissionDenied, final, "the credential is not valid for this namespace; see `[[providers]]` in the host's configuration";
    /// The host asks providers for a credential and this one is missing or wrong.
    CREDENTIAL_REFUSED = "registry.credential.refused", Unauthenticated, final, "set MODRACK_CREDENTIAL_FILE to a file with a credential that the host knows";
    /// The request has no modules.
    REGISTRATION_EMPTY = "registry.registration.empty", InvalidArgument, final, "a provider registers at least one module";
    /// The request has more modules than the host takes.
    REGISTRATION_TOO_LARGE = "registry.registration.too_large", InvalidArgument, final, "split the provider, or raise `limits.modules_per_provider`";
    /// One name occurs twice in the request.
    MODULE_DUPLICATE = "registry.module.duplicate", InvalidArgument, final, "each module of a provider needs its own name";
    /// A type of the module breaks the rules of the type system; `details.type_code` and `details.path` say where.
    SCHEMA_INVALID = "registry.schema.invalid", InvalidArgument, final, "mend the type at the path that the error names";
    /// An example does not fit the module's types.
    EXAMPLE_INVALID = "registry.example.invalid", InvalidArgument, final, "an example must be a value of the declared types";
    /// The version is no semantic version.
    VERSION_INVALID = "registry.version.invalid", InvalidArgument, final, "versions look like `1.2.3`";
    /// A replacement narrows an input or widens an output.
    SCHEMA_INCOMPATIBLE = "registry.schema.incompatible", FailedPrecondition, final, "keep the old types callable, or register with `allow_breaking`";
    /// A member of a group declares other schemas than its group.
    GROUP_SCHEMA_MISMATCH = "registry.group.schema_mismatch", Conflict, final, "all members of a group declare identical modules; start the new version under a new group id, or as a replacement";
    /// Some module of an all-or-nothing request was refused, so this one was not stored either.
    REGISTRATION_ABORTED = "registry.registration.aborted", FailedPrecondition, final, "mend the modules that were refused, or register with `partial`";
    /// The `service_url` cannot be used.
    SERVICE_URL_INVALID = "registry.service_url.invalid", InvalidArgument, final, "`service_url` is `http://host:port` or `https://host:port`";
    /// The `service_url` names an address that the host may not dial.
    SERVICE_URL_DENIED = "registry.service_url.denied", PermissionDenied, final, "serve on loopback, attach instead, or add the network to `unary.allow` in the host's configuration";
    /// No plane that the provider offers can be used.
    PLANE_UNSUPPORTED = "registry.plane.unsupported", Unsupported, final, "offer unary with a `service_url`, or attach, or link";
    /// The protocol version is not spoken here.
    PROTOCOL_UNSUPPORTED = "registry.protocol.unsupported", Unsupported, final, "use an SDK of the same major version as the host";
    /// The session is not known or is over.
    SESSION_UNKNOWN = "registry.session.unknown", NotFound, final, "the provider registers again";
    /// The session already has a connection.
    SESSION_ATTACHED = "registry.session.attached", Conflict, retry, "one connection carries a session; close the other one first";
    /// There are as many sessions as the host takes.
    SESSION_LIMIT = "registry.session.limit", RateLimited, retry, "raise `limits.sessions`, or stop providers that are not used";
    /// One credential has as many sessions as the host takes of it.
    SESSION_SUBJECT_LIMIT = "registry.session.subject_limit", RateLimited, retry, "stop providers of this credential that are not used, or raise `limits.sessions_per_subject`";
    /// There are as many modules as the host takes.
    MODULE_LIMIT = "registry.module.limit", RateLimited, retry, "raise `limits.modules`, or stop providers that are not used";
    /// The registry's queue is full.
    REGISTRY_BUSY = "registry.busy", RateLimited, retry, "come back after the time that the error names";
    /// No such module.
    MODULE_UNKNOWN = "registry.module.unknown", NotFound, final, "`modrack modules list` shows what is registered";
    /// The caller encoded its input for other schemas.
    SCHEMA_CHANGED = "registry.schema.changed", FailedPrecondition, retry, "ask for the module again and encode the input anew";

    // Calls.
    /// The module is registered, but nobody can take a call now.
    PROVIDER_UNAVAILABLE = "executor.provider.unavailable", Unavailable, retry, "the provider is connecting or draining; try again";
    /// The provider went away while it had the call.
    PROVIDER_LOST = "executor.provider.lost", Unavailable, retry, "the provider's process ended or its connection broke; see its log";
    /// The provider cannot be reached at its `service_url`.
    PROVIDER_UNREACHABLE = "executor.provider.unreachable", Unavailable, retry, "check that the provider listens at its `service_url`";
    /// The name in a `service_url` leads to an address that the host may not dial.
    PROVIDER_ADDRESS_REFUSED = "executor.provider.address_refused", UpstreamError, final, "the name in the provider's `service_url` leads out of `unary.allow`; see the host's configuration and the name's DNS entries";
    /// The call's time is over.
    DEADLINE_EXCEEDED = "executor.deadline.exceeded", DeadlineExceeded, retry, "give the call more time, or look at why the module is slow";
    /// The caller gave up.
    CALL_CANCELLED = "executor.call.cancelled", Cancelled, final, "the caller cancelled the call";
    /// The input does not have the declared type; `details.codec_code` and `details.path` say where.
    INPUT_INVALID = "executor.input.invalid", InvalidArgument, final, "`modrack modules show NAME` prints the input type";
    /// The output does not have the declared type.
    OUTPUT_INVALID = "executor.output.invalid", UpstreamError, final, "the module broke its declared output type; its author has to mend it";
    /// The answer has neither output nor error.
    OUTPUT_MISSING = "executor.output.missing", UpstreamError, final, "the provider answered without a result; its author has to mend it";
    /// The input is larger than a message may be.
    INPUT_TOO_LARGE = "executor.input.too_large", InvalidArgument, final, "send less at once, or raise `limits.message_bytes`";
    /// The module's output is a stream, and it was called for one output.
    STREAM_REQUIRED = "executor.stream.required", Unsupported, final, "call it for its stream: `CallStream`, or the SDK's `stream`";
    /// The module's output is no stream, and a stream was asked for.
    STREAM_UNSUPPORTED = "executor.stream.unsupported", Unsupported, final, "call it for its one output: `Call`, or the SDK's `call`";
    /// The items that wait for a slow reader take too much room.
    STREAM_OVERRUN = "executor.stream.overrun", UpstreamError, final, "let the module send smaller items, or items of about one size, or read them faster";
    /// A batch of too many elements.
    BATCH_TOO_LARGE = "executor.batch.too_large", InvalidArgument, final, "send at most 10 000 elements at once";
    /// Too many calls are in flight to this module.
    OVERLOADED = "executor.overloaded", RateLimited, retry, "come back after the time that the error names, or add replicas";
    /// A call's turn under the rate of its policy would come after its deadline.
    THROTTLE_EXCEEDED = "executor.throttle.exceeded", RateLimited, retry, "come back after the time that the error names, give the call more time, or raise `throttle`";
    /// A policy names a cache that the host does not have.
    CACHE_UNKNOWN = "executor.cache.unknown", InvalidArgument, final, "name `memory` or one of the `[[caches]]` of the host's configuration";
    /// The provider answered in a way that the protocol does not know.
    PROVIDER_PROTOCOL = "executor.provider.protocol", UpstreamError, final, "the provider does not speak the protocol; see `docs/provider-protocol.md`";

    // Pipelines.
    /// A source does not check.
    CHECK_FAILED = "pipeline.check.failed", InvalidArgument, final, "`modrack check FILE` shows every fault with its place; for a stored pipeline, `modrack pipelines show NAME`";
    /// The plan is not the one that the caller named.
    PLAN_CHANGED = "pipeline.plan.changed", FailedPrecondition, final, "look at the pipeline again, and run or replace it by the hash that it has now";
    /// The inputs of a run do not have the declared types.
    INPUTS_INVALID = "pipeline.inputs.invalid", InvalidArgument, final, "mend what the message lists; the places are JSON pointers into the inputs";
    /// A module has other types than the run was planned for.
    PLAN_MODULE_CHANGED = "pipeline.module.changed", FailedPrecondition, retry, "check and run the pipeline again: it is planned anew for the module's new types";
    /// A module of a run is not registered any more.
    PLAN_MODULE_GONE = "pipeline.module.gone", NotFound, retry, "run the pipeline again when a provider of the module is back";
    /// The time of a run was over.
    RUN_DEADLINE_EXCEEDED = "pipeline.deadline.exceeded", DeadlineExceeded, retry, "give the run more time, or look at its record for what took so long";
    /// No such pipeline is stored.
    PIPELINE_UNKNOWN = "pipeline.unknown", NotFound, final, "`modrack pipelines list` shows what is stored";
    /// No record of such a run.
    RUN_UNKNOWN = "pipeline.run.unknown", NotFound, final, "the host keeps the latest runs alone; `modrack runs list` shows them";
    /// A stored pipeline would need itself.
    PIPELINE_CYCLE = "pipeline.cycle", FailedPrecondition, final, "break the circle: a stored pipeline cannot need itself, not through others either";
    /// Stored pipelines are nested too deeply.
    PIPELINE_DEPTH_EXCEEDED = "pipeline.depth.exceeded", FailedPrecondition, final, "call fewer stored pipelines inside one another";
    /// A name that a stored pipeline cannot have.
    PIPELINE_NAME_INVALID = "pipeline.name.invalid", InvalidArgument, final, "names are letters, digits, `_` and `-`, beginning with a letter or `_`, at most 128 bytes";
    /// A stored pipeline would break its callers.
    PIPELINE_INCOMPATIBLE = "pipeline.incompatible", FailedPrecondition, final, "keep the old types callable, or store it with `allow_breaking`";
    /// As many runs, or stored pipelines, as the host takes.
    PIPELINE_LIMIT = "pipeline.limit", RateLimited, retry, "come back later, or raise the limit that the error names";

    // What components keep at the host.
    /// A key that is none.
    STAGING_KEY_INVALID = "staging.key.invalid", InvalidArgument, final, "a key has 1 to 256 letters, digits, `-`, `_`, `.`, `:` and `/`";
    /// Nothing is kept under this key, or no longer.
    STAGING_UNKNOWN = "staging.unknown", NotFound, final, "values go when `staging.ttl_ms` is over, and with the host; write it again";
    /// The component keeps as much as it may.
    STAGING_LIMIT = "staging.limit", RateLimited, retry, "delete what is not needed any more, or raise the limit of `[staging]` that the error names";

    // The wire itself.
    /// Bytes that are no message.
    MESSAGE_MALFORMED = "protocol.message.malformed", InvalidArgument, final, "the bytes are no message of this protocol";
    /// A message above the limit.
    MESSAGE_TOO_LARGE = "protocol.message.too_large", InvalidArgument, final, "send less at once, or raise `limits.message_bytes`";
    /// A frame or a framing that breaks the rules of the planes.
    FRAME_MALFORMED = "protocol.frame.malformed", InvalidArgument, final, "see the rules of the planes in `docs/provider-protocol.md`";
    /// No hello came, or not in time.
    HELLO_MISSING = "protocol.hello.missing", InvalidArgument, final, "the first message of a connection holds one `hello` frame";
    /// A field that must be set is not.
    FIELD_MISSING = "protocol.field.missing", InvalidArgument, final, "set the field that the error names";
    /// A field has a value that it cannot have.
    FIELD_INVALID = "protocol.field.invalid", InvalidArgument, final, "mend the field that the error names";
    /// A method that is not served here.
    METHOD_UNKNOWN = "protocol.method.unknown", Unsupported, final, "check the service and method names; `grpcurl list` works against the host";

    // HTTP.
    /// Nothing is served at this path.
    HTTP_PATH_UNKNOWN = "http.path.unknown", NotFound, final, "`/openapi.json` lists the paths";
    /// The path takes other methods; `details.allow` and the header `allow` name them.
    HTTP_METHOD_UNSUPPORTED = "http.method.unsupported", Unsupported, final, "use a method that the error names";
    /// The body is no `application/json`.
    HTTP_CONTENT_TYPE = "http.content_type.unsupported", Unsupported, final, "send JSON with the header `content-type: application/json`";

    // Components.
    /// No component of this id is configured.
    COMPONENT_UNKNOWN = "component.unknown", NotFound, final, "`modrack components list` shows the components that are configured";
    /// The component takes no calls now.
    COMPONENT_NOT_READY = "component.not_ready", Unavailable, retry, "`modrack components show ID` says why; try again when it is `ready`";
    /// Nothing is at `launch.executable`.
    COMPONENT_EXECUTABLE_MISSING = "component.executable.missing", FailedPrecondition, final, "check `launch.executable`; relative paths are relative to the file that says so";
    /// `launch.executable` cannot be executed.
    COMPONENT_EXECUTABLE_DENIED = "component.executable.denied", FailedPrecondition, final, "make the file executable for the host's user";
    /// `launch.cwd` is no directory.
    COMPONENT_CWD_MISSING = "component.cwd.missing", FailedPrecondition, final, "check `launch.cwd`";
    /// The process could not be started.
    COMPONENT_SPAWN_FAILED = "component.spawn.failed", Unavailable, retry, "the message has the system's reason";
    /// The sandbox could not be set up.
    COMPONENT_SANDBOX_FAILED = "component.sandbox.failed", FailedPrecondition, final, "check `sandbox` of the component: its paths must exist and its bounds must leave room to start";
    /// It was not ready within the start-up time.
    COMPONENT_READINESS_TIMEOUT = "component.readiness.timeout", DeadlineExceeded, final, "`modrack components logs ID` shows what it says; raise `startup_timeout_ms` where it is only slow";
    /// Somebody else listens on the port of the endpoint.
    COMPONENT_PORT_TAKEN = "component.port.taken", FailedPrecondition, final, "end the process that listens there, or take port 0 so that the host chooses";
    /// It ended by itself.
    COMPONENT_EXITED = "component.exited", Unavailable, retry, "`modrack components logs ID` shows its last lines";
    /// It failed more often than its restart policy allows.
    COMPONENT_RESTARTS_EXHAUSTED = "component.restarts.exhausted", FailedPrecondition, final, "mend the cause, then `modrack components restart ID`";
    /// It did not answer its init.
    COMPONENT_INIT_FAILED = "component.init.failed", UpstreamError, final, "`modrack components logs ID` shows what it says";
    /// Its report lacks something.
    COMPONENT_REPORT_INVALID = "component.report.invalid", UpstreamError, final, "the component's module has to be mended: `docs/middleware.md` says what a report holds";
    /// It speaks another version of the contract.
    COMPONENT_CONTRACT_INCOMPATIBLE = "component.contract.incompatible", FailedPrecondition, final, "run a version of the module that speaks the contract of this host";
    /// Its health stayed bad.
    COMPONENT_UNHEALTHY = "component.unhealthy", Unavailable, retry, "`modrack components show ID` has the last answer";
    /// Somebody stopped it meanwhile.
    COMPONENT_STOPPED = "component.stopped", FailedPrecondition, final, "start it with `modrack components start ID`";

    // Middleware.
    /// A component did not answer in time.
    MIDDLEWARE_TIMEOUT = "middleware.timeout", Unavailable, retry, "the component is slow; `modrack components show ID` has its health";
    /// A component answered too much.
    MIDDLEWARE_RESPONSE_TOO_LARGE = "middleware.response.too_large", UpstreamError, final, "the component must answer less, or raise its `max_response_bytes`";
    /// A component answered something that is no decision.
    MIDDLEWARE_RESPONSE_INVALID = "middleware.response.invalid", UpstreamError, final, "the component has to be mended: `docs/middleware.md` says what it may answer";
    /// A decision breaks a rule.
    MIDDLEWARE_DECISION_INVALID = "middleware.decision.invalid", UpstreamError, final, "the component has to be mended, or its `field_policy` widened";
    /// A component could not be reached.
    MIDDLEWARE_UNREACHABLE = "middleware.unreachable", Unavailable, retry, "`modrack components show ID` has its state";
    /// A component refused the host.
    MIDDLEWARE_REFUSED = "middleware.refused", UpstreamError, final, "check `auth` of the component: its header and its token";
    /// A component ended the call or run by `drop`.
    MIDDLEWARE_DROPPED = "middleware.dropped", Cancelled, final, "a middleware component does not let this through; the reason is its own, the details name it";
    /// A component ended the call or run by `reject`.
    MIDDLEWARE_REJECTED = "middleware.rejected", PermissionDenied, final, "a middleware component forbids this; the reason is its own, the details name it";
    /// A component put the call or run off by `defer`.
    MIDDLEWARE_DEFERRED = "middleware.deferred", Unavailable, retry, "come back after the time that the error names";

    // The host.
    /// The host shuts down.
    HOST_STOPPING = "host.stopping", Unavailable, retry, "the host is shutting down; try again when it is back";
    /// Too many connections.
    CONNECTION_LIMIT = "host.connection.limit", RateLimited, retry, "close connections that are not used, or raise `limits.connections`";
    /// The host asks clients for a token and none came.
    TOKEN_MISSING = "host.token.missing", Unauthenticated, final, "send `authorization: Bearer TOKEN`; SDKs and `modrack` read it from MODRACK_TOKEN_FILE";
    /// The token is none that the host knows, or no longer.
    TOKEN_REFUSED = "host.token.refused", Unauthenticated, final, "use a token of `[[clients]]` in the host's configuration, or that of a live session";
    /// The token is known and does not permit this; `details.scope` names what it lacks.
    SCOPE_MISSING = "host.scope.missing", PermissionDenied, final, "use a token with the scope that the error names; see `[[clients]]` in the host's configuration";
    /// A web page asks, or led a browser here by a name of its own.
    ORIGIN_REFUSED = "host.origin.refused", PermissionDenied, final, "reach the host by `localhost` or its address; for web pages and other names, give it `[[clients]]` or TLS";
    /// A connection did not open in time. Told in the log alone: nothing was agreed in which it could be told to the peer.
    HANDSHAKE_TIMEOUT = "host.handshake.timeout", DeadlineExceeded, retry, "the peer said nothing, or too little, within `timeouts.hello_ms`";
    /// TLS was not agreed. Told in the log alone; the peer gets a TLS alert.
    HANDSHAKE_FAILED = "host.handshake.failed", Unauthenticated, final, "connect with `https`, trust the host's CA (MODRACK_CA_FILE) and, for mutual TLS, show a certificate (MODRACK_CERT_FILE, MODRACK_KEY_FILE)";
    /// A fault of the host.
    INTERNAL = "host.internal", Internal, final, "this is a fault of the host; its log has the details under the trace id";
}

/// The code with this name, if it is one of the host's.
#[must_use]
pub fn find(name: &str) -> Option<&'static Code> {
    ALL.iter().find(|code| code.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_names_are_unique_dotted_and_lower_case() {
        for (i, code) in ALL.iter().enumerate() {
            assert!(code.name.split('.').count() >= 2, "{}", code.name);
            assert!(code.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_'), "{}", code.name);
            assert!(ALL[..i].iter().all(|other| other.name != code.name), "{} occurs twice", code.name);
        }
    }

    #[test]
    fn every_code_has_its_page() {
        let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        for code in ALL {
            let page = pages.join(format!("{}.md", code.name));
            let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
            assert!(text.starts_with(&format!("# {}\n", code.name)), "{}", page.display());
        }
    }
}
