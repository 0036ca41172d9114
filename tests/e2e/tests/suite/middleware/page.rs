//! The programs that `docs/middleware.md` shows do what it says of them.

use std::fs;

use serde_json::{Value, json};

use e2e::host_with_middleware;

use super::{Surface, call};

/// The blocks of a language in the page, in their order.
fn blocks(language: &str) -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/middleware.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

async fn keeps_long_texts_out(program: &str) {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    fs::write(directory.path().join("guard.py"), program).expect("there is room for a file");
    let shown = blocks("json");
    let mut guard: Value = serde_json::from_str(&shown[0]).expect("the page shows JSON");
    let launch = guard.as_object_mut().and_then(|guard| guard.remove("launch")).expect("the page shows a launch");
    guard["launch"] = json!({ "args": launch["args"], "cwd": directory.path() });
    guard["filter"] = json!({ "module": "words.*" });
    let host = host_with_middleware(&[("guard", guard)], &[]).await;
    let long = "x".repeat(1001);
    let failure = call(&host, Surface::Http, "words.Say", &long).await.expect_err("it is too long");
    assert_eq!([&failure["code"], &failure["message"]], ["middleware.rejected", "too long"]);
    let short = &long[1..];
    assert_eq!(call(&host, Surface::Http, "words.Say", short).await, Ok(json!({ "said": short, "by": "Say" })));
}

#[tokio::test]
async fn the_ten_lines_with_the_sdk_keep_long_texts_out() {
    keeps_long_texts_out(&blocks("python")[0]).await;
}

#[tokio::test]
async fn the_program_without_an_sdk_keeps_long_texts_out() {
    keeps_long_texts_out(&blocks("python")[1]).await;
}
