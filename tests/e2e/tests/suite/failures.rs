//! What fails in a handler reaches the caller in the one envelope.

use protocol::{Category, Origin};
use serde_json::json;

use e2e::{Host, Provider};

on_every_plane! {
    async fn an_error_of_the_modules_choice_arrives_as_it_was_raised(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let client = host.client();
        for (category, retryable) in [
            (Category::InvalidArgument, false),
            (Category::Unauthenticated, false),
            (Category::PermissionDenied, false),
            (Category::NotFound, false),
            (Category::Conflict, true),
            (Category::FailedPrecondition, false),
            (Category::RateLimited, true),
            (Category::Unsupported, false),
            (Category::Unavailable, true),
            (Category::DeadlineExceeded, true),
            (Category::Cancelled, false),
            (Category::UpstreamError, true),
            (Category::Internal, false),
        ] {
            let input = json!({
                "category": category.as_str(),
                "code": "fixture.of.choice",
                "message": "naïve — über 😀",
                "retryable": retryable,
            });
            let error = client.call(&provider.module("Fail"), input).await.expect_err("it fails");
            assert_eq!(
                (error.category(), error.code(), error.message(), error.retryable(), error.origin()),
                (category, "fixture.of.choice", "naïve — über 😀", retryable, Origin::Module),
                "{error:?}"
            );
            assert_ne!(error.trace_id(), "", "{error:?}");
        }
    }
}

on_every_plane! {
    async fn an_ordinary_exception_arrives_without_its_stack_trace(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let client = host.client();
        let error = client.call(&provider.module("Raise"), json!({"message": "the disk is full"})).await;
        let error = error.expect_err("it raises");
        assert_eq!(
            (error.code(), error.category(), error.origin()),
            ("module.failed", Category::UpstreamError, Origin::Module),
            "{error:?}"
        );
        let told = format!("{} {:?}", error.message(), error.details());
        assert!(told.contains("the disk is full"), "{told}");
        for trace in ["Traceback", "File \"", ".py", "    at ", ".mjs", ".js:", ".rs", "/home", "/work"] {
            assert!(!told.contains(trace), "{told} shows `{trace}`");
        }
        // The provider goes on.
        client.call(&provider.module("Inspect"), json!({})).await.expect("the next call is answered");
    }
}
