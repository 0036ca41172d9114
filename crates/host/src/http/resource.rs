//! Which resource a request names, and which methods it has. Does not look at headers and bodies.

use http::Method;
use percent_encoding::percent_decode_str;
use protocol::{Error, codes};

use crate::http::components::Change;

/// What can be asked for. Names of modules are as the caller wrote them, without their percent-encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `/healthz`
    Health,
    /// `/readyz`
    Readiness,
    /// `/metrics`
    Metrics,
    /// `/openapi.json`
    OpenApi,
    /// `/v1/modules`
    Modules,
    /// `/v1/modules/{name}`
    Module(String),
    /// `/v1/modules/{name}:call`
    Call(String),
    /// `/v1/modules/{name}:batch`
    Batch(String),
    /// `/v1/modules/{name}:stream`
    Stream(String),
    /// `/v1/pipelines:check`
    CheckPipeline,
    /// `/v1/pipelines:run`
    RunPipeline,
    /// `/v1/pipelines:stream`
    StreamPipeline,
    /// `/v1/pipelines`
    Pipelines,
    /// `/v1/pipelines/{name}`
    Pipeline(String),
    /// `/v1/runs`
    Runs,
    /// `/v1/runs/{id}`
    Run(String),
    /// `/v1/components`
    Components,
    /// `/v1/components/{id}`
    Component(String),
    /// `/v1/components/{id}:start`, `:stop`, `:restart`
    ChangeComponent(String, Change),
    /// `/v1/components/{id}/logs`
    ComponentLogs(String),
    /// `/v1/staging/{key}`; the key may have `/` in it.
    Staged(String),
}

impl Resource {
    /// # Errors
    /// `http.path.unknown`, `http.method.unsupported` with the methods that there are in `details.allow`.
    pub(crate) fn of(method: &Method, path: &str) -> Result<Self, Error> {
        let resource = Self::at(path).ok_or_else(|| {
            Error::of(codes::HTTP_PATH_UNKNOWN, "nothing is served at this path").detail("path", path)
        })?;
        let allow = match resource {
            Self::Call(_) | Self::Batch(_) | Self::Stream(_) => "POST",
            Self::CheckPipeline | Self::RunPipeline | Self::StreamPipeline => "POST",
            Self::ChangeComponent(..) => "POST",
            Self::Pipeline(_) | Self::Staged(_) => "GET, HEAD, PUT, DELETE",
            _ => "GET, HEAD",
        };
        if allow.split(", ").any(|allowed| allowed == method.as_str()) {
            return Ok(resource);
        }
        Err(Error::of(codes::HTTP_METHOD_UNSUPPORTED, format!("this path takes {allow}")).detail("allow", allow))
    }

    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Readiness,
            "/metrics" => Self::Metrics,
            "/openapi.json" => Self::OpenApi,
            "/v1/modules" => Self::Modules,
            "/v1/pipelines" => Self::Pipelines,
            "/v1/runs" => Self::Runs,
            "/v1/components" => Self::Components,
            path => {
                if let Some(name) = below(path, "/v1/pipelines/") {
                    return Some(Self::Pipeline(name));
                }
                if let Some(id) = below(path, "/v1/runs/") {
                    return Some(Self::Run(id));
                }
                if let Some(rest) = path.strip_prefix("/v1/components/") {
                    return component(rest);
                }
                if let Some(key) = path.strip_prefix("/v1/staging/").filter(|key| !key.is_empty()) {
                    return Some(Self::Staged(percent_decode_str(key).decode_utf8_lossy().into_owned()));
                }
                let verb = path.strip_prefix("/v1/pipelines").map(|verb| percent_decode_str(verb).decode_utf8_lossy());
                match verb.as_deref() {
                    Some(":check") => return Some(Self::CheckPipeline),
                    Some(":run") => return Some(Self::RunPipeline),
                    Some(":stream") => return Some(Self::StreamPipeline),
                    _ => {}
                }
                let name = below(path, "/v1/modules/")?;
                match name.rsplit_once(':') {
                    None => Self::Module(name),
                    Some((name, "call")) => Self::Call(name.to_owned()),
                    Some((name, "batch")) => Self::Batch(name.to_owned()),
                    Some((name, "stream")) => Self::Stream(name.to_owned()),
                    Some(_) => return None,
                }
            }
        })
    }
}

/// What is behind `/v1/components/`.
fn component(rest: &str) -> Option<Resource> {
    if let Some(id) = rest.strip_suffix("/logs") {
        return below(id, "").map(Resource::ComponentLogs);
    }
    let id = below(rest, "")?;
    Some(match id.rsplit_once(':') {
        None => Resource::Component(id),
        Some((id, "start")) => Resource::ChangeComponent(id.to_owned(), Change::Start),
        Some((id, "stop")) => Resource::ChangeComponent(id.to_owned(), Change::Stop),
        Some((id, "restart")) => Resource::ChangeComponent(id.to_owned(), Change::Restart),
        Some(_) => return None,
    })
}

/// The one segment of a path behind a prefix, without its percent-encoding.
fn below(path: &str, prefix: &str) -> Option<String> {
    let segment = path.strip_prefix(prefix).filter(|segment| !segment.is_empty() && !segment.contains('/'))?;
    Some(percent_decode_str(segment).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_resource_or_nothing() {
        let name = || "text.Upper".to_owned();
        for (path, resource) in [
            ("/healthz", Some(Resource::Health)),
            ("/v1/modules", Some(Resource::Modules)),
            ("/v1/modules/text.Upper", Some(Resource::Module(name()))),
            ("/v1/modules/text%2EUpper%3Acall", Some(Resource::Call(name()))),
            ("/v1/modules/text.Upper:batch", Some(Resource::Batch(name()))),
            ("/v1/modules/text.Upper:stream", Some(Resource::Stream(name()))),
            ("/v1/modules/text.Upper:delete", None),
            ("/v1/pipelines", Some(Resource::Pipelines)),
            ("/v1/pipelines:run", Some(Resource::RunPipeline)),
            ("/v1/pipelines%3Acheck", Some(Resource::CheckPipeline)),
            ("/v1/pipelines:put", None),
            ("/v1/pipelines/Loud", Some(Resource::Pipeline("Loud".to_owned()))),
            ("/v1/runs/12", Some(Resource::Run("12".to_owned()))),
            ("/v1/components", Some(Resource::Components)),
            ("/v1/components/text-a", Some(Resource::Component("text-a".to_owned()))),
            ("/v1/components/text.a%3Arestart", Some(Resource::ChangeComponent("text.a".to_owned(), Change::Restart))),
            ("/v1/components/text-a/logs", Some(Resource::ComponentLogs("text-a".to_owned()))),
            ("/v1/components/text-a:kill", None),
            ("/v1/components//logs", None),
            ("/v1/components/a/b", None),
            ("/v1/staging/run/1", Some(Resource::Staged("run/1".to_owned()))),
            ("/v1/staging/run%2F1", Some(Resource::Staged("run/1".to_owned()))),
            ("/v1/staging/", None),
            ("/v1/pipelines/", None),
            ("/v1/modules/text/Upper", None),
            ("/v1/", None),
            ("//healthz", None),
            ("/", None),
            ("*", None),
        ] {
            assert_eq!(Resource::at(path), resource, "{path}");
        }
    }

    #[test]
    fn a_method_that_a_path_does_not_take_is_told_which_it_takes() {
        let error = Resource::of(&Method::GET, "/v1/modules/a.B:call").unwrap_err();
        assert_eq!((error.code(), error.details()["allow"].as_str()), ("http.method.unsupported", "POST"));
        let error = Resource::of(&Method::DELETE, "/v1/modules").unwrap_err();
        assert_eq!((error.http_status(), error.details()["allow"].as_str()), (405, "GET, HEAD"));
        let error = Resource::of(&Method::POST, "/v1/pipelines/Loud").unwrap_err();
        assert_eq!(error.details()["allow"], "GET, HEAD, PUT, DELETE");
        assert_eq!(Resource::of(&Method::HEAD, "/readyz"), Ok(Resource::Readiness));
    }
}
