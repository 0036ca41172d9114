//! Names in the cases of all languages, and names that are free. Knows no language's words.

use std::collections::HashSet;

/// The words of a name: broken at `_`, `-`, `.` and before a capital that begins a word.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let after_small = i > 0 && (chars[i - 1].is_ascii_lowercase() || chars[i - 1].is_ascii_digit());
        let before_small = chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && (after_small || before_small) {
            words.push(String::new());
        }
        words.last_mut().expect("there is one from the start").push(c);
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `ml.sentiment` to `MlSentiment`; a name without letters, or one that a digit begins, gets an `N` before it.
pub(super) fn upper_camel(name: &str) -> String {
    let capital = |word: String| word[..1].to_ascii_uppercase() + &word[1..];
    led_by_letter(words(name).into_iter().map(capital).collect(), "N")
}

/// `WordCount` to `word_count`.
pub(super) fn snake(name: &str) -> String {
    let words: Vec<_> = words(name).iter().map(|word| word.to_ascii_lowercase()).collect();
    led_by_letter(words.join("_"), "n")
}

/// `WordCount` to `WORD_COUNT`.
pub(super) fn screaming(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// The name as it is, as far as it can be an identifier.
pub(super) fn identifier(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) { format!("_{plain}") } else { plain }
}

fn led_by_letter(name: String, letter: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("{letter}{name}") }
}

/// The names of one scope: each is given once.
#[derive(Default, Clone)]
pub(super) struct Unique(HashSet<String>);

impl Unique {
    /// A scope in which these words are taken.
    pub(super) fn without<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        Self(words.into_iter().map(str::to_owned).collect())
    }

    /// The name that is asked for, or one like it: `name_` where it is a taken word, then `name_2`, `name_3`, …
    pub(super) fn take(&mut self, ideal: &str) -> String {
        let mut name = ideal.to_owned();
        let mut count = 1;
        while !self.0.insert(name.clone()) {
            count += 1;
            name = format!("{}_{count}", ideal.trim_end_matches('_'));
        }
        name
    }

    /// The name with an underscore behind it where the word itself is taken already; then as [`Unique::take`].
    pub(super) fn escape(&mut self, ideal: &str, words: &[&str]) -> String {
        if words.contains(&ideal) { self.take(&format!("{ideal}_")) } else { self.take(ideal) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_words_in_every_case() {
        for (name, camel, snake_case) in [
            ("WordCount", "WordCount", "word_count"),
            ("wordCount", "WordCount", "word_count"),
            ("word-count_2", "WordCount2", "word_count_2"),
            ("ml.sentiment", "MlSentiment", "ml_sentiment"),
            ("HTTPServer", "HTTPServer", "http_server"),
            ("Top10Words", "Top10Words", "top10_words"),
            ("_1a", "N1a", "n1a"),
            ("__", "N", "n"),
        ] {
            assert_eq!((upper_camel(name).as_str(), snake(name).as_str()), (camel, snake_case), "{name}");
        }
        assert_eq!(screaming("wordCount"), "WORD_COUNT");
    }

    #[test]
    fn a_name_is_given_once() {
        let mut scope = Unique::without(["self"]);
        let given: Vec<_> = ["a", "a", "a_", "self", "a_2"].map(|name| scope.escape(name, &["class"])).into();
        assert_eq!(given, ["a", "a_2", "a_", "self_2", "a_2_2"]);
        assert_eq!(scope.escape("class", &["class"]), "class_");
    }
}
