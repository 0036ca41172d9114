//! What stands behind `with`: every option, its values, and where it has no effect. Carries none out.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use crate::ast::{Call, CallOption, Expr, ExprKind, Name, OPTIONS, OptionValue, StrPart};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::plan::{Backoff, Guard, OnError, Op, Policy, Rate};
use crate::stdlib::{Function, Kind};

use super::expr::Goal;
use super::modules::Callee;
use super::nearest::{nearest, offer};
use super::report::Why;
use super::types::Ty;
use super::{Checker, Value};

const BACKOFFS: &[(&str, Backoff)] =
    &[("exponential", Backoff::Exponential), ("linear", Backoff::Linear), ("fixed", Backoff::Fixed)];
const PRIORITIES: &[(&str, i32)] = &[("critical", 100), ("high", 80), ("normal", 50), ("low", 20), ("background", 0)];
const ON_ERRORS: &[(&str, Fault)] =
    &[("propagate", Fault::Propagate), ("skip", Fault::Skip), ("log", Fault::Log), ("wrap", Fault::Wrap)];

/// What `on_error` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    #[default]
    Propagate,
    Skip,
    Log,
    Wrap,
}

/// What the options of a call ask for.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    pub(super) policy: Policy,
    pub(super) fallback: Option<Fallback<'a>>,
    pub(super) on_error: Fault,
}

/// A fallback as written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fallback<'a> {
    Variable(&'a Name),
    Expr(&'a Expr),
}

impl<'a> Checker<'a> {
    /// The options of a call of a module.
    pub(super) fn module_options(&mut self, call: &'a Call, callee: &Callee) -> Asked<'a> {
        let asked = self.options(call);
        let has = |name: &str| call.options.iter().find(|option| option.name.text == name);
        let needs = [
            ("delay", "retry"),
            ("backoff", "retry"),
            ("backoff", "delay"),
            ("cache_backend", "cache"),
            ("batch_timeout", "batch"),
        ];
        for (name, needed) in needs {
            let told = needed == "delay" && has("retry").is_none();
            if let (Some(option), None, false) = (has(name), has(needed), told) {
                self.no_effect(
                    option,
                    &format!("`{name}` does nothing without `{needed}`"),
                    &format!("add `{needed}`, or remove it"),
                );
            }
        }
        if let Some(batch) = has("batch")
            && !callee.module.batch
        {
            let message =
                format!("`batch` does nothing here: `{}` does not take several inputs at once", callee.module.name);
            self.no_effect(batch, &message, "remove it, or ask the author for a batch handler");
        }
        if let Some(concurrency) = asked.policy.concurrency {
            self.note_concurrency(concurrency);
        }
        asked
    }

    /// The options of a call of a function of the standard library. It runs in the host, so that most have nothing to act on.
    pub(super) fn std_options(&mut self, call: &'a Call, function: &Function) -> Asked<'a> {
        let mut asked = self.options(call);
        let in_parallel = matches!(function.kind, Kind::Each(kind) if kind != crate::plan::EachKind::Fold);
        for option in &call.options {
            let name = option.name.text.as_str();
            let acts = match name {
                "fallback" | "on_error" => function.fails,
                "concurrency" => in_parallel,
                "lazy" => true,
                name => !OPTIONS.contains(&name),
            };
            if !acts {
                let why = match name {
                    "fallback" | "on_error" => "never fails",
                    _ => "runs in the host",
                };
                self.no_effect(option, &format!("`{name}` does nothing here: `{}` {why}", function.name), "remove it");
            }
        }
        if !in_parallel {
            asked.policy.concurrency = None;
        }
        asked
    }

    /// Every call in a lambda bounds how many of its elements run at once.
    fn note_concurrency(&mut self, concurrency: u32) {
        for least in &mut self.lambdas {
            *least = Some(least.map_or(concurrency, |least| least.min(concurrency)));
        }
    }

    fn no_effect(&mut self, option: &CallOption, message: &str, help: &str) {
        self.error(Diagnostic::new(Code::OptionWithoutEffect, option.span, message).label("no effect").help(help));
    }

    /// The options as written, whatever is called.
    pub(super) fn options(&mut self, call: &'a Call) -> Asked<'a> {
        let mut asked = Asked::default();
        let mut first: HashMap<&str, Span> = HashMap::new();
        for option in &call.options {
            match first.get(option.name.text.as_str()) {
                Some(&first) => self.duplicate_option(option, first),
                None => {
                    first.insert(&option.name.text, option.span);
                    self.option(option, &mut asked);
                }
            }
        }
        asked
    }

    fn duplicate_option(&mut self, option: &'a CallOption, first: Span) {
        let message = format!("the option `{}` is given twice", option.name.text);
        let diagnostic = Diagnostic::new(Code::DuplicateName, option.span, message).label("given again");
        self.error(diagnostic.related(first, "given first here").help("remove one of them"));
    }

    fn option(&mut self, option: &'a CallOption, asked: &mut Asked<'a>) {
        let policy = &mut asked.policy;
        match option.name.text.as_str() {
            "retry" => policy.retry = self.count(option, 0).unwrap_or(0),
            "timeout" => policy.timeout = self.time(option, false),
            "delay" => policy.delay = self.time(option, true),
            "backoff" => policy.backoff = self.word(option, BACKOFFS).unwrap_or_default(),
            "fallback" => asked.fallback = self.fallback(option),
            "cache" => policy.cache = self.time(option, false),
            "cache_backend" => policy.cache_backend = self.backend(option),
            "throttle" => policy.throttle = self.rate(option),
            "concurrency" => policy.concurrency = self.count(option, 1),
            "on_error" => asked.on_error = self.word(option, ON_ERRORS).unwrap_or_default(),
            "lazy" => self.lazy(option),
            "priority" => policy.priority = self.priority(option),
            "batch" => policy.batch = self.count(option, 1),
            "batch_timeout" => policy.batch_timeout = self.time(option, true),
            name => {
                let message = format!("there is no option `{name}`");
                let diagnostic =
                    Diagnostic::new(Code::BadOptionValue, option.name.span, message).label("no such option");
                let (diagnostic, found) = self.offer(diagnostic, name, OPTIONS.iter().copied());
                let all = format!("the options are {}", listed(OPTIONS.iter().copied()));
                self.error(if found { diagnostic } else { diagnostic.help(all) });
                if let Some(OptionValue::Expr(value)) = &option.value {
                    self.look_at(value);
                }
            }
        }
    }

    /// Tells that an option has a value that it does not take.
    fn refuse(&mut self, option: &'a CallOption, takes: &str, example: &str) {
        let span = match &option.value {
            None => option.span,
            Some(OptionValue::Duration(_, span) | OptionValue::Rate { span, .. }) => *span,
            Some(OptionValue::Word(word)) => word.span,
            Some(OptionValue::Expr(value)) if value.kind == ExprKind::Error => {
                self.failed = true;
                return;
            }
            Some(OptionValue::Expr(value)) => value.span,
        };
        let name = &option.name.text;
        let diagnostic = Diagnostic::new(Code::BadOptionValue, span, format!("`{name}` takes {takes}"))
            .label(format!("not {takes}"))
            .help(format!("e.g. `{name}: {example}`"));
        self.error(diagnostic);
    }

    fn count(&mut self, option: &'a CallOption, least: u32) -> Option<u32> {
        let found = int(option).and_then(|count| u32::try_from(count).ok()).filter(|count| *count >= least);
        if found.is_none() {
            self.refuse(option, &format!("a whole number from {least} up"), "3");
        }
        found
    }

    fn time(&mut self, option: &'a CallOption, may_be_zero: bool) -> Option<Duration> {
        let found = match option.value {
            Some(OptionValue::Duration(time, _)) => Some(time).filter(|time| may_be_zero || !time.is_zero()),
            _ => None,
        };
        if found.is_none() {
            let takes = if may_be_zero { "a duration" } else { "a duration above zero" };
            self.refuse(option, &format!("{takes}, a number with `ms`, `s`, `min`, `h` or `d`"), "2s");
        }
        found
    }

    fn rate(&mut self, option: &'a CallOption) -> Option<Rate> {
        let found = match option.value {
            Some(OptionValue::Rate { count, per, .. }) => {
                u32::try_from(count).ok().filter(|count| *count > 0 && !per.is_zero()).map(|count| Rate { count, per })
            }
            _ => None,
        };
        if found.is_none() {
            self.refuse(option, "a rate above zero, a number for each duration", "10/1s");
        }
        found
    }

    fn word<T: Copy>(&mut self, option: &'a CallOption, words: &[(&str, T)]) -> Option<T> {
        let written = match &option.value {
            Some(OptionValue::Word(word)) => Some(word),
            _ => None,
        };
        let found =
            written.and_then(|word| words.iter().find(|(known, _)| *known == word.text)).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.refuse_word(option, &listed(words.iter().map(|(word, _)| *word)), words.iter().map(|(word, _)| *word));
        }
        found
    }

    fn refuse_word<'c>(&mut self, option: &'a CallOption, takes: &str, words: impl Iterator<Item = &'c str>) {
        let near = match &option.value {
            Some(OptionValue::Word(word)) => offer(&nearest(&word.text, words)),
            _ => None,
        };
        let name = &option.name.text;
        let span = match &option.value {
            Some(OptionValue::Word(word)) => word.span,
            Some(OptionValue::Duration(_, span) | OptionValue::Rate { span, .. }) => *span,
            Some(OptionValue::Expr(value)) if value.kind == ExprKind::Error => {
                self.failed = true;
                return;
            }
            Some(OptionValue::Expr(value)) => value.span,
            None => option.span,
        };
        let diagnostic =
            Diagnostic::new(Code::BadOptionValue, span, format!("`{name}` takes {takes}")).label("none of these");
        self.error(match near {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }

    fn priority(&mut self, option: &'a CallOption) -> Option<i32> {
        if let Some(number) = int(option) {
            let found = i32::try_from(number).ok();
            if found.is_none() {
                self.refuse(option, "a number of 32 bits, 0 to 100 as a rule", "80");
            }
            return found;
        }
        let words = PRIORITIES.iter().map(|(word, _)| *word);
        match &option.value {
            Some(OptionValue::Word(word)) if PRIORITIES.iter().any(|(known, _)| *known == word.text) => {
                self.word(option, PRIORITIES)
            }
            _ => {
                self.refuse_word(option, &format!("{} or a whole number", listed(words.clone())), words);
                None
            }
        }
    }

    fn backend(&mut self, option: &'a CallOption) -> Option<String> {
        let written = match &option.value {
            Some(OptionValue::Expr(Expr { kind: ExprKind::Str(parts), .. })) => match &parts[..] {
                [] => Some(String::new()),
                [StrPart::Text(text)] => Some(text.clone()),
                _ => None,
            },
            _ => None,
        };
        let Some(written) = written else {
            self.refuse(option, "the name of a cache in quotes, known beforehand", "\"memory\"");
            return None;
        };
        let mut caches = self.catalog.caches().peekable();
        if caches.peek().is_none() || caches.any(|cache| cache == written) {
            return Some(written);
        }
        let span = match &option.value {
            Some(OptionValue::Expr(value)) => value.span,
            _ => option.span,
        };
        let diagnostic =
            Diagnostic::new(Code::BadOptionValue, span, format!("there is no cache `{written}`")).label("not found");
        let (diagnostic, _) = self.offer(diagnostic, &written, self.catalog.caches());
        let caches = listed(self.catalog.caches());
        self.error(diagnostic.help(format!("the host has {caches}")));
        None
    }

    fn lazy(&mut self, option: &'a CallOption) {
        match &option.value {
            None => {}
            Some(OptionValue::Expr(Expr { kind: ExprKind::Bool(true), .. })) => {}
            Some(OptionValue::Expr(Expr { kind: ExprKind::Bool(false), .. })) => {
                self.no_effect(option, "`lazy: false` does nothing: a call runs when its value is needed", "remove it");
            }
            Some(_) => self.refuse(option, "`true`, or nothing", "true"),
        }
    }

    fn fallback(&mut self, option: &'a CallOption) -> Option<Fallback<'a>> {
        match &option.value {
            Some(OptionValue::Word(word)) => Some(Fallback::Variable(word)),
            Some(OptionValue::Expr(value)) => Some(Fallback::Expr(value)),
            Some(OptionValue::Duration(..) | OptionValue::Rate { .. }) | None => {
                self.refuse(option, "a value of the type of the call", "\"\"");
                None
            }
        }
    }

    /// The value of a call with what stands in for its failure.
    pub(super) fn guard(&mut self, value: Value, asked: &Asked<'a>, span: Span) -> Value {
        let fallback = asked.fallback.map(|fallback| match fallback {
            Fallback::Variable(name) => {
                let found = self.variable(&name.text, name.span);
                self.fit(found, value.ty, name.span, Why::Fallback)
            }
            Fallback::Expr(expr) => self.expr(expr, Goal::Must(value.ty, Why::Fallback)),
        });
        if fallback.is_none() && asked.on_error == Fault::Propagate {
            return value;
        }
        let ty = if asked.on_error == Fault::Wrap { self.wrapped(value.ty, span) } else { value.ty };
        if self.failed || ty.is_unknown() {
            return Value { ty, ..Value::UNKNOWN };
        }
        let on_error = match asked.on_error {
            Fault::Propagate => OnError::Propagate,
            Fault::Skip => OnError::Skip(self.zero(value.ty)),
            Fault::Log => OnError::Log(self.zero(value.ty)),
            Fault::Wrap => OnError::Wrap,
        };
        let guard = Guard { value: value.node, fallback: fallback.map(|fallback| fallback.node), on_error };
        self.emit(Op::Guard(Box::new(guard)), ty, span)
    }

    /// `{ ok: T } | { error: ErrorInfo }`
    fn wrapped(&mut self, ty: Ty, span: Span) -> Ty {
        if ty.is_unknown() {
            return ty;
        }
        let info = [("category", Ty::STRING), ("code", Ty::STRING), ("message", Ty::STRING), ("retryable", Ty::BOOL)];
        let made = self
            .types
            .record(&info)
            .and_then(|info| Ok((self.types.record(&[("ok", ty)])?, self.types.record(&[("error", info)])?)))
            .and_then(|(ok, error)| self.types.union(&[ok, error]));
        self.sized(made, span)
    }

    fn zero(&self, ty: Ty) -> Bytes {
        super::literal::zero(self.types.get(ty))
    }
}

fn int(option: &CallOption) -> Option<i64> {
    match &option.value {
        Some(OptionValue::Expr(Expr { kind: ExprKind::Int(number), .. })) => Some(*number),
        Some(OptionValue::Expr(Expr { kind: ExprKind::Negate(inner), .. })) => match inner.kind {
            ExprKind::Int(number) => number.checked_neg(),
            _ => None,
        },
        _ => None,
    }
}

fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match &words[..] {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        _ => words.concat(),
    }
}
