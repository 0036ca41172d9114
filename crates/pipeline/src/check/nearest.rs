//! Names that are near to one that is not there. Knows no scopes.

/// Most names that one diagnostic offers.
const OFFERED: usize = 3;
/// Most candidates that are looked at, so that a source full of unknown names stays cheap.
const LOOKED_AT: usize = 10_000;

/// The nearest of `candidates`, best first, each once: those that differ in case alone, else by few letters put in, left out,
/// replaced or swapped with their neighbour.
pub(super) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    let most = 1 + wanted.len() / 4;
    let mut near: Vec<(usize, &str)> = Vec::new();
    for candidate in candidates.into_iter().take(LOOKED_AT) {
        let length = candidate.chars().count();
        if candidate == name || length.abs_diff(wanted.len()) > most {
            continue;
        }
        let candidate_letters: Vec<char> = candidate.to_lowercase().chars().collect();
        let distance = distance(&wanted, &candidate_letters);
        // Of short names hardly anything is left when letters are replaced.
        if distance <= most && distance < wanted.len().max(1) && !near.iter().any(|(_, known)| *known == candidate) {
            near.push((distance, candidate));
        }
    }
    near.sort();
    near.truncate(OFFERED);
    // A near hit makes farther ones noise.
    let best = near.first().map_or(0, |(distance, _)| *distance);
    near.into_iter().filter(|(distance, _)| *distance == best).map(|(_, name)| name).collect()
}

/// A line of help that offers names, if there are some.
pub(super) fn offer(names: &[&str]) -> Option<String> {
    match names {
        [] => None,
        [one] => Some(format!("did you mean `{one}`?")),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(|name| format!("`{name}`")).collect();
            Some(format!("did you mean {} or `{last}`?", most.join(", ")))
        }
    }
}

/// Letters put in, left out, replaced or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, candidates: &[&str], expected: &[&str]) {
        assert_eq!(nearest(name, candidates.iter().copied()), expected);
    }

    #[test]
    fn names_with_other_case_or_few_other_letters_are_near() {
        check("uppercase", &["Uppercase", "Lowercase"], &["Uppercase"]);
        check("lenght", &["length", "height"], &["length"]);
        check("cout", &["count", "court", "x"], &["count", "court"]);
        check("totla", &["total"], &["total"]);
    }

    #[test]
    fn names_that_share_hardly_a_letter_are_not() {
        check("a", &["b", "c"], &[]);
        check("text", &["order", "y"], &[]);
        check("", &["a"], &[]);
    }

    #[test]
    fn several_names_are_offered_as_one_question() {
        assert_eq!(offer(&["a", "b", "c"]).as_deref(), Some("did you mean `a`, `b` or `c`?"));
        assert_eq!(offer(&[]), None);
    }
}
