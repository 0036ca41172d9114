//! Makes a disagreement small: takes away from its type and its bytes as long as somebody still disagrees. Draws nothing.

use anyhow::Result;
use type_schema::CType;

use crate::panel::{Disagreement, Panel};
use crate::peer::Group;
use crate::question::{Question, hex};

/// Most candidates in one batch.
const BATCH: usize = 2000;
/// Most bytes in one batch: the candidates of a long value are long themselves.
const BATCH_BYTES: usize = 1 << 19;
/// Most rounds; each takes something away.
const ROUNDS: usize = 100;

/// The smallest disagreement that taking away finds. At worst [`ROUNDS`] batches are asked.
pub(crate) fn shrink(panel: &mut Panel, mut found: Disagreement) -> Result<Disagreement> {
    for _ in 0..ROUNDS {
        let smallest = panel.disagreements(&candidates(&found))?.into_iter().min_by_key(size);
        match smallest {
            Some(smaller) if size(&smaller) < size(&found) => found = smaller,
            _ => break,
        }
    }
    Ok(found)
}

/// Bytes matter more than the type, whose names are long and harmless.
fn size(found: &Disagreement) -> usize {
    4 * found.question.as_ref().map_or(0, |question| question.input().len()) + found.ctype.len()
}

fn candidates(found: &Disagreement) -> Vec<Group> {
    let types = smaller_types(&found.ctype);
    let same = found.question.iter().cloned().collect::<Vec<_>>();
    let (bytes, again): (_, fn(Vec<u8>) -> Question) = match &found.question {
        Some(Question::Decode(bytes)) => (bytes, Question::Decode),
        Some(Question::DecodeToJson(bytes)) => (bytes, Question::DecodeToJson),
        // A text is shown as it is; only its type shrinks.
        Some(Question::Read(_)) | None => {
            return types.into_iter().map(|ctype| Group { ctype, questions: same.clone() }).collect();
        }
    };
    let mut left = (BATCH, BATCH_BYTES);
    let mut limited = |inputs: Vec<Vec<u8>>| -> Vec<Question> {
        let within = |input: &Vec<u8>| {
            left = (left.0.saturating_sub(1), left.1.saturating_sub(input.len()));
            left.0 > 0 && left.1 > 0
        };
        inputs.into_iter().filter(within).map(again).collect()
    };
    let mut all = vec![Group { ctype: found.ctype.clone(), questions: limited(smaller_bytes(bytes)) }];
    // A part of the value may be a value of a part of the type; a long value is made short first.
    let parts: Vec<Vec<u8>> = match bytes.len() {
        0..=64 => (1..bytes.len()).map(|start| bytes[start..].to_vec()).collect(),
        _ => Vec::new(),
    };
    for ctype in types {
        let inputs = std::iter::once(bytes.clone()).chain(parts.iter().cloned()).collect();
        all.push(Group { ctype, questions: limited(inputs) });
    }
    all
}

/// The text of the types that come from taking one thing away: a part alone, or all but a field or a variant.
fn smaller_types(text: &str) -> Vec<String> {
    match CType::parse(text) {
        Ok(ctype) => {
            let mut all = Vec::new();
            reductions(&ctype, &mut all);
            all.retain(|smaller| smaller.check().is_ok());
            all.truncate(60);
            all.iter().map(CType::to_string).collect()
        }
        Err(_) => text.char_indices().map(|(at, c)| [&text[..at], &text[at + c.len_utf8()..]].concat()).collect(),
    }
}

fn reductions(ctype: &CType, all: &mut Vec<CType>) {
    let within = |part: &CType, all: &mut Vec<CType>, around: &dyn Fn(CType) -> CType| {
        all.push(part.clone());
        let mut smaller = Vec::new();
        reductions(part, &mut smaller);
        all.extend(smaller.into_iter().map(around));
    };
    match ctype {
        CType::List(item) => within(item, all, &CType::list),
        CType::Map(key, of) => within(of, all, &|of| CType::map(*key, of)),
        CType::Option(some) => within(some, all, &CType::option),
        CType::Record(record) => {
            for (i, field) in record.fields.iter().enumerate() {
                let mut fewer = record.clone();
                fewer.fields.remove(i);
                all.push(CType::Record(fewer));
                within(&field.ctype, all, &|ctype| {
                    let mut other = record.clone();
                    other.fields[i].ctype = ctype;
                    CType::Record(other)
                });
            }
        }
        CType::Union(variants) => {
            for (i, variant) in variants.iter().enumerate() {
                let mut fewer = variants.clone();
                fewer.remove(i);
                all.push(CType::Union(fewer));
                within(variant, all, &|ctype| {
                    let mut other = variants.clone();
                    other[i] = ctype;
                    CType::Union(other)
                });
            }
        }
        _ => {}
    }
}

/// The bytes without a run of them, alone or with an earlier head that counts one less; the greatest steps first.
fn smaller_bytes(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut run = bytes.len().div_ceil(2);
    // Of a long value not every run is tried; it is short soon.
    let step = bytes.len().div_ceil(256);
    while run > 0 {
        let runs_with_heads = bytes.len() <= 80;
        for at in (0..=bytes.len() - run).step_by(step) {
            let rest = [&bytes[..at], &bytes[at + run..]].concat();
            if runs_with_heads {
                for head in 0..at {
                    let counts = matches!(rest[head], 0x81..=0x8f | 0x91..=0x9f | 0xa1..=0xbf);
                    if counts {
                        let mut fewer = rest.clone();
                        fewer[head] -= 1;
                        all.push(fewer);
                    }
                }
            }
            all.push(rest);
        }
        run = if run > 12 { run / 2 } else { run - 1 };
    }
    all
}

/// The disagreement as a case for `tests/vectors`, with what the host's codec says. `docs/codec.md` decides whether it is right.
pub(crate) fn vector(found: &Disagreement) -> Option<serde_json::Value> {
    use crate::question::Answer;
    let (_, host) = found.answers.first()?;
    let mut case = serde_json::json!({ "name": "", "type": found.ctype });
    match (&found.question, host) {
        (None, Answer::Refused { code, path }) => {
            case["refuse_type"] = true.into();
            case["code"] = code.as_str().into();
            case["path"] = path.as_str().into();
        }
        (Some(Question::Decode(input) | Question::DecodeToJson(input)), Answer::Refused { code, path }) => {
            case["refuse_msgpack"] = hex(input).into();
            case["code"] = code.as_str().into();
            case["path"] = path.as_str().into();
        }
        (Some(Question::Decode(input) | Question::DecodeToJson(input)), Answer::Accepted { bytes, .. }) => {
            let (_, schema) = crate::question::reference_type(&found.ctype);
            case["json"] = type_schema::msgpack_to_json(bytes, &schema?).ok()?;
            case["msgpack"] = hex(bytes).into();
            if bytes != input {
                case["decodes_from"] = serde_json::json!([hex(input)]);
            }
        }
        (Some(Question::Read(text)), Answer::Accepted { bytes, .. }) => {
            case["json"] = type_schema::parse_json_text(text).ok()?;
            case["msgpack"] = hex(bytes).into();
        }
        _ => return None,
    }
    Some(case)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Answers, Peer};
    use crate::question::{Answer, reference, reference_type};

    /// A codec that forgets to canonicalize: whatever is valid comes back as it was.
    fn forgetful(group: &Group) -> Answers {
        let (ctype, schema) = reference_type(&group.ctype);
        let schema = schema.expect("the types of these tests are accepted");
        let answer = |question: &Question| match reference(&schema, question) {
            Answer::Accepted { json, .. } => Answer::Accepted { bytes: question.input().to_vec(), json },
            refused => refused,
        };
        Answers { ctype, questions: group.questions.iter().map(answer).collect() }
    }

    #[test]
    fn a_disagreement_is_found_and_made_small() {
        let mut panel = Panel(vec![Peer::scripted("forgetful", forgetful)]);
        // [{"n": 1}, {"n": 2 as a wide int}]
        let wide = vec![0x92, 0x81, 0xa1, 0x6e, 0x01, 0x81, 0xa1, 0x6e, 0xcd, 0x00, 0x02];
        let question = Question::Decode(wide);
        let group = Group { ctype: "List<{n: Int | String}> | List<{n: Int}>".to_owned(), questions: vec![question] };
        assert_eq!(panel.disagreements(std::slice::from_ref(&group)).unwrap().len(), 0, "both refuse");
        let group = Group { ctype: "List<{n: Int}>".to_owned(), ..group };
        let found = panel.disagreements(&[group]).unwrap().remove(0);
        let small = shrink(&mut panel, found).unwrap();
        assert_eq!(small.ctype, "Int");
        assert_eq!(small.question.as_ref().map(|question| hex(question.input())).as_deref(), Some("cd0002"));
        let case = vector(&small).unwrap();
        assert_eq!(
            case,
            serde_json::json!({
                "name": "", "type": "Int", "json": 2, "msgpack": "02", "decodes_from": ["cd0002"],
            })
        );
    }

    #[test]
    fn codecs_that_agree_are_left_in_peace() {
        let mut panel = Panel(vec![Peer::scripted("forgetful", forgetful)]);
        let questions = vec![Question::Decode(vec![0x02]), Question::Decode(vec![0xc1])];
        let groups = [Group { ctype: "Int".to_owned(), questions }];
        assert_eq!(panel.disagreements(&groups).unwrap().len(), 0);
    }
}
