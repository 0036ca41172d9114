//! Which argument is for which parameter. Checks no types.

use crate::ast::{Arg, Call, Expr};
use crate::diagnostic::{Code, Diagnostic};

use super::Checker;

/// A parameter as a call sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'p> {
    pub(super) name: &'p str,
    /// Whether it may be left out.
    pub(super) optional: bool,
}

/// The arguments of a call, by parameter.
#[derive(Debug)]
pub(super) struct Bound<'a> {
    pub(super) by_parameter: Vec<Option<&'a Arg>>,
    /// Those that are for no parameter, of which it was told.
    pub(super) astray: Vec<&'a Expr>,
}

impl<'a> Checker<'a> {
    /// Gives each argument its parameter, and tells what is too many, unknown, repeated or missing. `signature` is shown as help.
    pub(super) fn bind_arguments(
        &mut self,
        call: &'a Call,
        function: &str,
        wanted: &[Wanted<'_>],
        signature: &dyn Fn() -> String,
    ) -> Bound<'a> {
        let mut bound = Bound { by_parameter: vec![None; wanted.len()], astray: Vec::new() };
        let mut position = 0;
        let mut named = false;
        for arg in &call.args {
            let span = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
            let at = match &arg.name {
                Some(name) => {
                    named = true;
                    let at = wanted.iter().position(|parameter| parameter.name == name.text);
                    if at.is_none() {
                        let message = format!("`{function}` has no parameter `{}`", name.text);
                        let fault = Diagnostic::new(Code::BadArgument, span, message).label("no such parameter");
                        let (fault, found) =
                            self.offer(fault, &name.text, wanted.iter().map(|parameter| parameter.name));
                        self.error(if found { fault } else { fault.help(signature()) });
                    }
                    at
                }
                None if named => {
                    let fault =
                        Diagnostic::new(Code::BadArgument, span, "a positional argument stands behind a named one");
                    self.error(fault.label("give it a name, or put it first"));
                    None
                }
                None if position == wanted.len() => {
                    let takes = match wanted.len() {
                        0 => "no argument".into(),
                        1 => "one argument".into(),
                        many => format!("{many} arguments"),
                    };
                    let fault = Diagnostic::new(Code::BadArgument, span, format!("`{function}` takes {takes}"));
                    self.error(fault.label("one too many").help(signature()));
                    position += 1;
                    None
                }
                // The rest of those that are too many.
                None if position > wanted.len() => None,
                None => {
                    position += 1;
                    Some(position - 1)
                }
            };
            match at {
                Some(at) if bound.by_parameter[at].is_none() => bound.by_parameter[at] = Some(arg),
                Some(at) => {
                    let first = bound.by_parameter[at].map_or(span, |first| first.value.span);
                    let message = format!("the argument `{}` is given twice", wanted[at].name);
                    let fault = Diagnostic::new(Code::BadArgument, span, message);
                    self.error(fault.label("given again").related(first, "given first here"));
                    bound.astray.push(&arg.value);
                }
                None => bound.astray.push(&arg.value),
            }
        }
        let missing: Vec<String> = wanted
            .iter()
            .zip(&bound.by_parameter)
            .filter(|(parameter, arg)| arg.is_none() && !parameter.optional)
            .map(|(parameter, _)| format!("`{}`", parameter.name))
            .collect();
        // Who gave one by a wrong name was told that already.
        if !missing.is_empty() && bound.astray.is_empty() {
            let what = if missing.len() == 1 { "argument" } else { "arguments" };
            let verb = if missing.len() == 1 { "is" } else { "are" };
            let message = format!("the {what} {} of `{function}` {verb} missing", missing.join(", "));
            let fault = Diagnostic::new(Code::BadArgument, call.function.span(), message);
            self.error(fault.label(format!("needs {}", missing.join(", "))).help(signature()));
        }
        bound
    }
}
