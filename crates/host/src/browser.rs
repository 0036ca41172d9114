//! Keeps web pages out of a host that asks nobody for a token. A browser on this machine reaches loopback, and a page may
//! bring its own name to lead there (DNS rebinding); what it cannot do is to leave out its name. Knows nothing of tokens.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Request, Uri};
use protocol::{Error, codes};

/// Refuses a request that names this host, or the page that it comes from, by anything but `localhost` or an address. Nobody
/// can make those lead elsewhere, or make a browser say them of a page of theirs.
///
/// # Errors
/// `host.origin.refused`.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Error> {
    let headers = request.headers();
    let named = request.uri().authority().cloned().or_else(|| read::<Authority>(headers, HOST.as_str()));
    let origin = headers.contains_key(ORIGIN).then(|| read::<Uri>(headers, ORIGIN.as_str()));
    let page = origin.map(|origin| origin.and_then(|origin| origin.authority().cloned()));
    let refused = |what: &str| {
        let message = format!("{what} is not this machine, and this host asks nobody for a token");
        Err(Error::of(codes::ORIGIN_REFUSED, message))
    };
    match (named, page) {
        (Some(named), _) if !is_here(&named) => refused("the name by which the host was reached"),
        // An origin that is no address of a page is `null`, that of a sandboxed one.
        (_, Some(None)) => refused("the page that asks"),
        (_, Some(Some(page))) if !is_here(&page) => refused("the page that asks"),
        _ => Ok(()),
    }
}

fn read<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// An address, `localhost`, or a name below it (RFC 6761, 6.3).
fn is_here(authority: &Authority) -> bool {
    let host = authority.host().trim_end_matches('.');
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok() || host.rsplit('.').next().is_some_and(|top| top.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(uri: &str, headers: &[(&'static str, &str)]) -> bool {
        let request =
            headers.iter().fold(Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
        check(&request.body(()).unwrap()).is_ok()
    }

    #[test]
    fn a_request_that_names_this_machine_passes_and_one_that_names_a_page_does_not() {
        for (uri, headers, passes) in [
            ("http://127.0.0.1:7420/x", &[][..], true),
            ("http://[::1]:7420/x", &[], true),
            ("http://localhost:7420/x", &[], true),
            ("http://LOCALHOST:7420/x", &[], true),
            ("http://app.localhost./x", &[], true),
            ("http://192.168.1.7:7420/x", &[], true),
            ("/x", &[("host", "localhost:7420")], true),
            ("/x", &[], true),
            ("http://evil.example:7420/x", &[], false),
            ("http://localhost.evil.example/x", &[], false),
            ("/x", &[("host", "evil.example:7420")], false),
            ("/x", &[("host", "localhost"), ("origin", "http://localhost:3000")], true),
            ("/x", &[("host", "localhost"), ("origin", "https://evil.example")], false),
            ("/x", &[("host", "localhost"), ("origin", "null")], false),
        ] {
            assert_eq!(checked(uri, headers), passes, "{uri} {headers:?}");
        }
    }
}
