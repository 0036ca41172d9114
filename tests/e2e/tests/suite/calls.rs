//! Values go out and come back as they were, and both sides learn what they should of a call.

use serde_json::json;

use e2e::{Host, Provider};

/// The type of the fixture's `Echo`.
const EVERYTHING: &str = "{text: String, int: Int, float: Float, flag: Bool, bytes: Bytes, list: List<String>, \
                          map: Map<String, Int>, option: Option<String>, union: String | Int, any: Any}";

/// Values at the edges of their types, in JSON.
const AWKWARD: [&str; 3] = [
    r#"{"text": "naïve Å A\u030a 😀 \u0000 \udbff\udfff", "int": "-9223372036854775808", "float": -0.0, "flag": true,
        "bytes": "AP/+gA==", "list": ["", "b", "a", "b"], "map": {"bb": 1, "a": -33, "": 128, "é": 70000}, "union": 3,
        "any": {"deep": [null, true, {"$int": "9223372036854775807"}, {"$bytes": "AA=="}, {"$map": [[1, "one"], [-1, "minus"]]}]}}"#,
    r#"{"text": "", "int": "9223372036854775807", "float": "NaN", "flag": false, "bytes": "", "list": [], "map": {},
        "option": "", "union": "three", "any": null}"#,
    r#"{"text": "\u200b\ufeff", "int": 0, "float": "-Infinity", "flag": false, "bytes": "gA==", "list": ["𐀀"],
        "map": {"__proto__": 1, "constructor": 2}, "option": "there", "union": "3", "any": {"$float": -0.0}}"#,
];

on_every_plane! {
    async fn awkward_values_come_back_to_the_byte(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let client = host.client();
        for text in AWKWARD {
            let bytes = testkit::msgpack(EVERYTHING, text);
            let output = client.call_bytes(&provider.module("Echo"), bytes.clone()).await.expect("the value is right");
            assert_eq!(output, bytes, "{text} came back as {}", testkit::json(EVERYTHING, &output));

            let value: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
            let answer = client.call(&provider.module("Echo"), value.clone()).await.expect("the value is right");
            assert_eq!(testkit::msgpack(EVERYTHING, &answer.value.to_string()), bytes);
        }
    }
}

on_every_plane! {
    async fn the_handler_and_the_caller_learn_of_the_call(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let answer = host.client().call(&provider.module("Inspect"), json!({})).await.expect("it is answered");
        assert_eq!(
            answer.value,
            json!({
                "execution_id": answer.info.execution_id,
                "attempt": 1,
                "has_deadline": true,
                "pid": provider.id(),
                "language": language.as_str(),
            })
        );
        assert_eq!((answer.info.plane(), answer.info.attempts), (plane.to_proto(), 1));

        let module = host.client().get_module(&provider.module("Inspect")).await.expect("it is registered");
        let [endpoint] = module.endpoints.as_slice() else { panic!("one process serves it: {module:?}") };
        let info = endpoint.info.clone().expect("an SDK says what it is");
        assert_eq!((info.pid, info.language.as_str()), (provider.id(), language.as_str()));
        assert_eq!((&endpoint.session_id, module.revision), (&answer.info.session_id, answer.info.revision));
    }
}

on_every_plane! {
    async fn large_outputs_pass_and_larger_ones_than_a_message_may_be_are_refused(language, plane) {
        let host = Host::start();
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let client = host.client();
        let call = |size: u64| {
            let input = testkit::msgpack("{size: Int}", &json!({"size": size}).to_string());
            let (client, module) = (client.clone(), provider.module("Big"));
            async move { client.call_bytes(&module, input).await }
        };
        let output = call(3 << 20).await.expect("it is below the limit of 4 MiB");
        assert_eq!(output.len(), (3 << 20) + 5);

        let error = call(5 << 20).await.expect_err("it is above the limit of 4 MiB");
        assert_eq!(error.category(), protocol::Category::UpstreamError, "{error:?}");
        // It was the fault of one call, not of the provider's connection.
        let output = call(1).await.expect("the provider goes on");
        assert_eq!(output.len(), 3);
    }
}
