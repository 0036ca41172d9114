//! The document as its readers get it.

use protocol::Registration;
use protocol::generated::provider::v1::{ModuleCapabilities, ModuleExample, ModuleSpec};

use super::*;

/// What is registered when a plain module with an example and a stream are.
async fn a_plain_module_and_a_stream() -> Arc<Routes> {
    let (service, registry, _) = registry::Service::new(registry::Options::default());
    tokio::spawn(service.run(std::future::pending()));
    let upper = ModuleSpec {
        description: "Puts a text in capitals.\nLeaves what has no capitals.".to_owned(),
        version: "1.2.0".to_owned(),
        examples: vec![ModuleExample { input_data: b"\x81\xa4text\xa1a".into(), output_data: b"\xa1A".into() }],
        ..testkit::module("Upper", "{text: String, language: Option<String>}", "String")
    };
    let lines = ModuleSpec {
        capabilities: Some(ModuleCapabilities { stream: true, ..ModuleCapabilities::default() }),
        ..testkit::module("Lines", "{path: String}", "{number: Int, line: String}")
    };
    let request = Registration::from_proto(testkit::registration("text", [upper, lines])).unwrap();
    registry.register(request, None).await.unwrap();
    registry.routes()
}

#[tokio::test]
async fn the_document_tells_the_host_and_each_module() {
    let routes = a_plain_module_and_a_stream().await;
    let mut document = document(&routes, false);
    document["info"]["version"] = json!("<version>");
    let text = serde_json::to_string_pretty(&document).unwrap();
    // In a file of its own for its length; read it before you accept it.
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("document", text);
    });
}

#[tokio::test]
async fn a_host_with_tokens_asks_for_them_everywhere_but_at_the_probes() {
    let routes = a_plain_module_and_a_stream().await;
    let (open, mut secured) = (document(&routes, false), document(&routes, true));
    let schemes = secured["components"].as_object_mut().unwrap().remove("securitySchemes").unwrap();
    let needed = secured.as_object_mut().unwrap().remove("security").unwrap();
    let probes = ["/healthz", "/readyz"].map(|path| {
        let operation = secured["paths"][path]["get"].as_object_mut().unwrap();
        operation.remove("security").unwrap()
    });
    insta::assert_snapshot!(json!([needed, schemes, probes]), @r#"[[{"bearer":[]}],{"bearer":{"description":"A token of `[[clients]]`, of a live session or of a component.","scheme":"bearer","type":"http"}},[[],[]]]"#);
    assert_eq!(secured, open, "nothing else differs");
}
