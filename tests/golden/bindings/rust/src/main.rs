//! Uses every module of the golden provider through generated bindings; ends with 0 when each answers as it should.

mod bindings;

use std::collections::BTreeMap;
use std::time::Duration;

use modrack::{Bytes, CallOptions, Client, Error, Value};

use crate::bindings::golden_text::{
    EverythingInput, EverythingInputChoice, EverythingInputInner, EverythingInputInnerRows, EverythingInputLists,
    EverythingInputUnion, ReplaceInput,
};
use crate::bindings::golden_words::EchoInput;
use crate::bindings::pipeline::{RowsOfInput, RowsOfOutput, RowsOfOutputRows};
use crate::bindings::{GoldenText, GoldenWords, Pipeline, golden_text};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::from_env().await?;
    text(&GoldenText::new(client.clone())).await?;
    words(&GoldenWords::new(client.clone())).await?;
    pipelines(&client).await
}

async fn text(modules: &GoldenText) -> Result<(), Error> {
    let input = ReplaceInput { text: "banana".into(), find: "a".into(), replace: "o".into(), count: Some(2) };
    let replaced: String = modules.replace(&input).await?;
    assert_eq!(replaced, "bonona");
    let quick = modules.with_options(CallOptions::new().timeout(Duration::from_secs(5)).idempotency_key("k"));
    assert_eq!(quick.sum(&[1, 2, 3]).await?, 6);
    assert_eq!(modules.now().await?, 1);
    let mut numbers = modules.count(&golden_text::CountInput { to: 4 }).await?;
    let mut counted = Vec::new();
    while let Some(number) = numbers.next().await {
        counted.push(number?);
    }
    assert_eq!(counted, [0, 1, 2, 3]);
    let sent = EverythingInput {
        text: "🦀".into(),
        int: i64::MIN,
        float: f64::INFINITY,
        flag: true,
        data: Bytes::from_static(&[0, 255]),
        any: Value::from("any"),
        list: vec!["x".into()],
        map: BTreeMap::from([(1, "a".into())]),
        option: None,
        union: EverythingInputUnion::Int(7),
        lists: EverythingInputLists::List2(Vec::new()),
        inner: EverythingInputInner {
            class: "c".into(),
            content_type: None,
            rows: vec![EverythingInputInnerRows { id: 1, name: "ü".into() }],
        },
        choice: EverythingInputChoice::Record1(EverythingInputInnerRows { id: 2, name: "n".into() }),
    };
    assert_eq!(modules.everything(&sent).await?, sent);
    Ok(())
}

async fn words(modules: &GoldenWords) -> Result<(), Error> {
    let sent = EchoInput {
        class: "c".into(),
        self_: 1,
        timeout: 2.5,
        idempotency_key: "i".into(),
        content_type: "t".into(),
        camel_case: 3,
        camel_case_2: 4,
        r#type: None,
        str: "s".into(),
        list: vec!["l".into()],
        private: 5,
        proto: 6,
        constructor: 7,
        n: 8,
    };
    assert_eq!(modules.echo(&sent).await?, sent);
    modules.constructor().await?;
    assert_eq!(modules.list(&None).await?, None);
    assert_eq!(modules.import("x").await?, "x");
    assert_eq!((modules.do_it(1).await?, modules.do_it_2(2).await?), (1, 2));
    Ok(())
}

async fn pipelines(client: &Client) -> Result<(), Error> {
    let rows = vec![RowsOfOutputRows { id: 6, name: "word bonono".into() }];
    let expected = RowsOfOutput { rows, total: 6 };
    let input = RowsOfInput { text: "banana".into(), class: Some("word".into()) };
    assert_eq!(Pipeline::new(client.clone()).rows_of(&input).await?, expected);
    let run = client.run_pipeline::<_, RowsOfOutput>("rows-of", &input).await?;
    assert_eq!(run.outputs, expected);
    let mut modules: Vec<_> = run.record.nodes.iter().map(|node| node.node.module.as_str()).collect();
    modules.sort_unstable();
    assert_eq!(modules, ["golden.text.Replace", "golden.text.Sum"]);
    Ok(())
}
