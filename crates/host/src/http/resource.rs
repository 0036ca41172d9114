//! Which resource a request names, and which methods it has. Does not look at headers and bodies.

use http::Method;
use percent_encoding::percent_decode_str;
use protocol::{Error, codes};

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
            path => {
                let name = path.strip_prefix("/v1/modules/").filter(|name| !name.contains('/'))?;
                let name = percent_decode_str(name).decode_utf8_lossy();
                match name.rsplit_once(':') {
                    None => Self::Module(name.into_owned()),
                    Some((name, "call")) => Self::Call(name.to_owned()),
                    Some((name, "batch")) => Self::Batch(name.to_owned()),
                    Some((name, "stream")) => Self::Stream(name.to_owned()),
                    Some(_) => return None,
                }
            }
        })
    }
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
        assert_eq!(Resource::of(&Method::HEAD, "/readyz"), Ok(Resource::Readiness));
    }
}
