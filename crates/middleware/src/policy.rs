//! The field policy: where two payloads differ, and whether a component may make them differ there. Changes nothing.

use serde_json::Value;

use crate::pointer::{Pointer, Segment, escape};
use crate::settings::FieldPolicy;

/// The pointers of a field policy, ready to compare. A pointer that cannot be read covers nothing.
#[derive(Debug, Clone)]
pub(crate) struct Changeable(Vec<Pointer>);

impl From<&FieldPolicy> for Changeable {
    fn from(policy: &FieldPolicy) -> Self {
        Self(policy.change.iter().filter_map(|pointer| Pointer::parse(pointer)).collect())
    }
}

impl Changeable {
    /// The first place where the payloads differ outside the policy, as a JSON pointer. Elements of arrays are compared by index, so
    /// that an insertion changes all that come after it. Linear in both payloads, times the pointers.
    pub(crate) fn first_forbidden(&self, before: &Value, after: &Value) -> Option<String> {
        let covering: Vec<&[Segment]> = self.0.iter().map(Pointer::segments).collect();
        forbidden(Some(before), Some(after), &covering, "")
    }
}

/// `covering`: what is left of the pointers that lead here.
fn forbidden(before: Option<&Value>, after: Option<&Value>, covering: &[&[Segment]], at: &str) -> Option<String> {
    if covering.iter().any(|rest| rest.is_empty()) {
        return None;
    }
    let inside = |step: &str, before: Option<&Value>, after: Option<&Value>| {
        let led = covering.iter().filter_map(|rest| rest.split_first());
        let covering: Vec<_> = led.filter(|(first, _)| first.covers(step)).map(|(_, rest)| rest).collect();
        forbidden(before, after, &covering, &format!("{at}/{}", escape(step)))
    };
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let added = after.iter().filter(|(name, _)| !before.contains_key(name.as_str()));
            let kept = before.iter().map(|(name, value)| (name, Some(value), after.get(name)));
            let added = added.map(|(name, value)| (name, None, Some(value)));
            kept.chain(added).find_map(|(name, before, after)| inside(name, before, after))
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            (0..before.len().max(after.len())).find_map(|i| inside(&i.to_string(), before.get(i), after.get(i)))
        }
        (Some(before), Some(after)) if same(before, after) => None,
        _ => Some(at.to_owned()),
    }
}

/// Of values that are not both arrays or both objects. A zero with another sign is another number: equality would hide the change.
fn same(before: &Value, after: &Value) -> bool {
    let negative = |value: &Value| value.as_f64().is_some_and(f64::is_sign_negative);
    before == after && negative(before) == negative(after)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(change: &[&str], before: Value, after: Value, expected: Option<&str>) {
        let change = change.iter().map(|&pointer| pointer.to_owned()).collect();
        let policy = Changeable::from(&FieldPolicy { change, ..FieldPolicy::default() });
        assert_eq!(policy.first_forbidden(&before, &after).as_deref(), expected, "{before} {after}");
    }

    #[test]
    fn without_pointers_nothing_changes() {
        check(&[], json!({ "a": 1 }), json!({ "a": 1 }), None);
        check(&[], json!({ "a": 1 }), json!({ "a": 2 }), Some("/a"));
        check(&[], json!(1), json!(2), Some(""));
        check(&[], json!(0.0), json!(-0.0), Some(""));
        check(&[], json!({}), json!([]), Some(""));
    }

    #[test]
    fn a_pointer_covers_its_field_and_all_below() {
        check(&["/a"], json!({ "a": 1, "b": 1 }), json!({ "a": { "x": [2] }, "b": 1 }), None);
        check(&["/a"], json!({ "b": 1 }), json!({ "a": 1, "b": 1 }), None);
        check(&["/a"], json!({ "a": 1, "b": 1 }), json!({ "b": 1 }), None);
        check(&["/a"], json!({ "a": 1, "b": 1 }), json!({ "a": 2, "b": 2 }), Some("/b"));
        check(&["/a/x"], json!({ "a": { "x": 1, "y": 1 } }), json!({ "a": { "x": 2, "y": 2 } }), Some("/a/y"));
        check(&["/a/x"], json!({}), json!({ "a": { "x": 2 } }), Some("/a"));
        check(&[""], json!(1), json!([{}]), None);
    }

    #[test]
    fn a_star_covers_one_step_and_no_more() {
        check(&["/*/x"], json!({ "a": { "x": 1 } }), json!({ "a": { "x": 2 } }), None);
        check(&["/*/x"], json!([{ "x": 1 }]), json!([{ "x": 2 }]), None);
        check(&["/*/x"], json!({ "x": 1 }), json!({ "x": 2 }), Some("/x"));
        check(&["/*/x"], json!({ "a": { "b": { "x": 1 } } }), json!({ "a": { "b": { "x": 2 } } }), Some("/a/b/x"));
        check(&["/rows/*"], json!({ "rows": [1, 2] }), json!({ "rows": [2] }), None);
        check(&["/rows/*"], json!({ "rows": [1] }), json!({ "rows": {} }), Some("/rows"));
    }

    #[test]
    fn elements_are_compared_by_index() {
        check(&["/0"], json!([1, 2]), json!([3, 1, 2]), Some("/1"));
        check(&["/1"], json!([1]), json!([1, 2]), None);
        check(&["/1"], json!([1, 2, 3]), json!([1, 3]), Some("/2"));
    }

    #[test]
    fn names_with_slashes_and_tildes_are_one_step() {
        check(&["/a~1b"], json!({ "a/b": 1 }), json!({ "a/b": 2 }), None);
        check(&["/a/b"], json!({ "a/b": 1 }), json!({ "a/b": 2 }), Some("/a~1b"));
        check(&[], json!({ "~": 1 }), json!({ "~": 2 }), Some("/~0"));
    }
}
