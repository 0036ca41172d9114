//! All codecs together: asks each the same and finds the first disagreement. Draws nothing.

use anyhow::Result;

use crate::peer::{Answers, Group, Peer};
use crate::question::{Answer, Question, agree, reference, reference_type};

/// The codecs of the SDKs. `type-schema`, which the host uses, takes part by itself, under the name `host`.
pub(crate) struct Panel(pub(crate) Vec<Peer>);

/// One thing on which not all agree.
#[derive(Debug, Clone)]
pub(crate) struct Disagreement {
    /// The text of the type.
    pub(crate) ctype: String,
    /// None where the type itself is the matter.
    pub(crate) question: Option<Question>,
    /// What each says, the host first.
    pub(crate) answers: Vec<(String, Answer)>,
    /// The place of the group among those that were asked.
    pub(crate) group: usize,
}

impl Panel {
    /// Asks all and gives every disagreement, in the order of the questions.
    pub(crate) fn disagreements(&mut self, groups: &[Group]) -> Result<Vec<Disagreement>> {
        for peer in &mut self.0 {
            peer.ask(groups)?;
        }
        let host: Vec<Answers> = groups.iter().map(host).collect();
        let mut given: Vec<(String, Vec<Answers>)> = vec![("host".to_owned(), host)];
        for peer in &mut self.0 {
            let answers = peer.answers(groups)?;
            given.push((peer.name().to_owned(), answers));
        }
        let mut found = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let of_all = |select: &dyn Fn(&Answers) -> Option<Answer>| -> Vec<(String, Answer)> {
                let missing = || Answer::Broken("no answer".to_owned());
                given.iter().map(|(name, all)| (name.clone(), select(&all[index]).unwrap_or_else(missing))).collect()
            };
            let mut check = |question: Option<&Question>, answers: Vec<(String, Answer)>| {
                if !all_agree(question, &answers) {
                    let (ctype, question) = (group.ctype.clone(), question.cloned());
                    found.push(Disagreement { ctype, question, answers, group: index });
                    return false;
                }
                true
            };
            if check(None, of_all(&|answers| Some(answers.ctype.clone())))
                && matches!(given[0].1[index].ctype, Answer::Accepted { .. })
            {
                for (i, question) in group.questions.iter().enumerate() {
                    check(Some(question), of_all(&|answers| answers.questions.get(i).cloned()));
                }
            }
        }
        Ok(found)
    }
}

fn host(group: &Group) -> Answers {
    let (ctype, schema) = reference_type(&group.ctype);
    let questions = schema.map(|schema| group.questions.iter().map(|question| reference(&schema, question)).collect());
    Answers { ctype, questions: questions.unwrap_or_default() }
}

fn all_agree(question: Option<&Question>, answers: &[(String, Answer)]) -> bool {
    let (_, first) = &answers[0];
    answers.iter().all(|(_, answer)| match question {
        Some(question) => agree(question, first, answer),
        None => same_type(first, answer),
    })
}

/// Whether two say the same of a type's text. Where a text is no type, nothing says where its fault is.
fn same_type(a: &Answer, b: &Answer) -> bool {
    match (a, b) {
        (Answer::Refused { code: x, .. }, Answer::Refused { code: y, .. }) if x == "type.syntax" => x == y,
        (Answer::Broken(_), _) => false,
        _ => a == b,
    }
}
