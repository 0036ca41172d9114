//! Only what is needed runs, once, and as early as it is certain.

use serde_json::json;

use crate::support::World;

#[test]
fn independent_calls_are_in_flight_before_either_answers() {
    let source = "in t: String\na = Up(t)\nb = Down(t)\nboth = concat(a, b)\nout both";
    let types = "{text: String} -> String";
    let mut run = World::new().holds("text.Up", types).holds("text.Down", types).start(source, json!({"t": "x"}));
    assert!(run.settle().is_none());
    assert_eq!(run.called(), ["text.Up", "text.Down"]);
    run.answer("text.Down", Ok(json!("d")));
    assert!(run.settle().is_none());
    run.answer("text.Up", Ok(json!("u")));
    assert_eq!(run.finish(), Ok(json!({"both": "ud"})));
}
