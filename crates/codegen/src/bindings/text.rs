//! Text that people wrote, on its way into comments of any language. Ends no comment: that is for each language to see to.

use super::model::Module;

/// Most characters of an example that is shown.
const LONGEST_EXAMPLE: usize = 200;

/// What a method says of its module: the description, what it is called, and the first example.
pub(super) fn of_module(module: &Module<'_>) -> Vec<String> {
    let mut lines = clean(&module.locked.description);
    if !lines.is_empty() {
        lines.push(String::new());
    }
    let offers = module.locked.capabilities;
    let facts = [("idempotent", offers.idempotent), ("a stream", offers.stream)];
    let facts: String = facts.iter().filter(|(_, is)| *is).map(|(fact, _)| format!(", {fact}")).collect();
    lines.push(format!("Module `{}`{facts}.", module.qualified));
    if let Some(example) = module.locked.examples.first() {
        let text = format!("For example, {} gives {}.", example.input, example.output);
        if text.chars().count() <= LONGEST_EXAMPLE {
            lines.extend(clean(&text));
        }
    }
    lines
}

/// The lines of a text without blank ones at its ends, and without characters that are not seen or that turn the direction of text.
pub(super) fn clean(text: &str) -> Vec<String> {
    let line = |line: &str| -> String {
        let seen = line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !is_hidden(*c));
        seen.collect::<String>().trim_end().to_owned()
    };
    let mut lines: Vec<_> = text.split(['\n', '\u{85}', '\u{2028}', '\u{2029}']).map(line).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| line.is_empty()).count();
    lines.split_off(blank)
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
