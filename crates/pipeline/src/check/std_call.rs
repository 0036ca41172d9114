//! Calls of the standard library: generic signatures and lambdas. The functions themselves are listed in `stdlib`.

use std::collections::HashMap;

use crate::ast::{Arg, Call, Expr, ExprKind, Name, Type};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::plan::{Body, Each, EachKind, Op, StdFn};
use crate::stdlib::{Function, Kind, Plain};

use super::arguments::Wanted;
use super::expr::{Goal, is_flexible};
use super::operate::Operation;
use super::report::Why;
use super::types::Ty;
use super::{Checker, NO_NODE, Value};

/// The arguments of a call, all there.
struct Given<'a> {
    function: &'static Function,
    args: Vec<&'a Expr>,
    /// Where an editor is told of the parameter: the name of the argument, else its value.
    places: Vec<Span>,
    name_span: Span,
    span: Span,
}

impl<'a> Given<'a> {
    fn why(&self, at: usize) -> Why<'static> {
        Why::Argument { parameter: self.function.parameters[at], function: self.function.name }
    }

    fn operation(&self) -> Operation<'static> {
        Operation { name: self.function.name, place: self.name_span, span: self.span }
    }
}

impl<'a> Checker<'a> {
    pub(super) fn std_call(
        &mut self,
        call: &'a Call,
        function: &'static Function,
        span: Span,
        goal: Goal<'_>,
    ) -> Value {
        let wanted: Vec<Wanted<'_>> = function.parameters.iter().map(|name| Wanted { name, optional: false }).collect();
        let signature = || format!("it is `{}{}`", function.qualified(), function.signature);
        let bound = self.bind_arguments(call, function.name, &wanted, &signature);
        let args: Vec<&Expr> = bound.by_parameter.iter().flatten().map(|arg| &arg.value).collect();
        let complete = args.len() == wanted.len() && bound.astray.is_empty();
        let asked = self.std_options(call, function);
        let value = if complete {
            let name_span = call.function.span();
            let place = |arg: &&Arg| arg.name.as_ref().map_or(arg.value.span, |name| name.span);
            let places = bound.by_parameter.iter().flatten().map(place).collect();
            let given = Given { function, args, places, name_span, span };
            self.std_function(&given, asked.policy.concurrency, goal)
        } else {
            args.into_iter().chain(bound.astray).for_each(|arg| self.look_at(arg));
            self.unknown()
        };
        self.guard(value, &asked, span)
    }

    /// Checks one argument and says for which parameter it is.
    fn argument(&mut self, given: &Given<'a>, at: usize, goal: Goal<'_>) -> Value {
        let value = self.expr(given.args[at], goal);
        self.for_parameter(given, at, value.ty);
        value
    }

    /// Two numbers of one type, or it was told.
    fn both(&mut self, given: &Given<'a>, hint: Ty) -> Option<(Value, Value)> {
        let (a, b) = self.numbers(given.operation(), given.args[0], given.args[1], hint)?;
        self.for_parameter(given, 0, a.ty);
        self.for_parameter(given, 1, b.ty);
        Some((a, b))
    }

    fn for_parameter(&mut self, given: &Given<'a>, at: usize, ty: Ty) {
        self.parameter_fact(given.places[at], given.function.parameters[at], ty);
    }

    fn std_function(&mut self, given: &Given<'a>, concurrency: Option<u32>, goal: Goal<'_>) -> Value {
        let (args, span) = (&given.args, given.span);
        match given.function.kind {
            Kind::Arithmetic(op) => {
                let hint = self.float_hint(goal);
                match self.both(given, hint) {
                    Some((a, b)) => self.emit(Op::Arithmetic(op, a.node, b.node), a.ty, span),
                    None => self.unknown(),
                }
            }
            Kind::Numbers(function) => self.std_numbers(given, function, goal),
            Kind::Plain { function, takes, gives } => {
                let mut nodes = Vec::with_capacity(args.len());
                for (at, plain) in takes.iter().enumerate() {
                    let ty = self.plain(*plain);
                    nodes.push(self.argument(given, at, Goal::Must(ty, given.why(at))).node);
                }
                let ty = self.plain(gives);
                self.emit(Op::Std(function, nodes), ty, span)
            }
            Kind::Concat => {
                let nodes =
                    (0..2).map(|at| self.argument(given, at, Goal::Must(Ty::STRING, given.why(at))).node).collect();
                self.emit(Op::Concat(nodes), Ty::STRING, span)
            }
            Kind::Equal(plain) => {
                let ty = self.plain(plain);
                let a = self.argument(given, 0, Goal::Must(ty, given.why(0))).node;
                let b = self.argument(given, 1, Goal::Must(ty, given.why(1))).node;
                self.emit(Op::Equal(true, a, b), Ty::BOOL, span)
            }
            Kind::Order(order) => self.order(order, given.operation(), args[0], args[1]),
            Kind::ToString => {
                let value = self.argument(given, 0, Goal::ANYTHING);
                self.shown(value, args[0].span, "`to-string` takes")
            }
            Kind::Identity => self.argument(given, 0, goal.hint()),
            Kind::OfList(function, gives) => {
                let ty = self.plain(gives);
                let nothing = self.types.list(Ty::ANY).unwrap_or(Ty::UNKNOWN);
                let hint = if is_flexible(args[0]) { nothing } else { Ty::UNKNOWN };
                let list = self.list_argument(given, 0, hint);
                match list {
                    Some((list, _)) => self.emit(Op::Std(function, vec![list.node]), ty, span),
                    None => Value { ty, ..self.unknown() },
                }
            }
            Kind::ItemOf(function) => {
                let hint = self.types.list(goal.ty()).unwrap_or(Ty::UNKNOWN);
                match self.list_argument(given, 0, hint) {
                    Some((list, item)) => self.emit(Op::Std(function, vec![list.node]), item, span),
                    None => self.unknown(),
                }
            }
            Kind::Sum => self.std_sum(given, goal),
            Kind::Reverse => match self.list_argument(given, 0, goal.ty()) {
                Some((list, _)) => self.emit(Op::Std(StdFn::ListReverse, vec![list.node]), list.ty, span),
                None => self.unknown(),
            },
            Kind::ListConcat => self.std_concat(given, goal),
            Kind::ListContains => self.std_contains(given),
            Kind::Each(kind) => self.each(given, kind, concurrency, goal),
        }
    }

    fn plain(&mut self, plain: Plain) -> Ty {
        match plain {
            Plain::String => Ty::STRING,
            Plain::Int => Ty::INT,
            Plain::Float => Ty::FLOAT,
            Plain::Bool => Ty::BOOL,
            Plain::Strings => self.types.list(Ty::STRING).unwrap_or(Ty::UNKNOWN),
        }
    }

    fn float_hint(&mut self, goal: Goal<'_>) -> Ty {
        if self.wants_float(goal.ty()) { Ty::FLOAT } else { Ty::UNKNOWN }
    }

    fn std_numbers(&mut self, given: &Given<'a>, function: StdFn, goal: Goal<'_>) -> Value {
        let hint = self.float_hint(goal);
        if given.args.len() == 2 {
            return match self.both(given, hint) {
                Some((a, b)) => self.emit(Op::Std(function, vec![a.node, b.node]), a.ty, given.span),
                None => self.unknown(),
            };
        }
        let value = self.argument(given, 0, Goal::May(hint));
        match value.ty {
            Ty::INT | Ty::FLOAT => self.emit(Op::Std(function, vec![value.node]), value.ty, given.span),
            Ty::UNKNOWN => self.unknown(),
            other => self.no_number(given, other, "a number"),
        }
    }

    fn no_number(&mut self, given: &Given<'a>, found: Ty, wanted: &str) -> Value {
        let shown = self.types.show(found);
        let message = format!("`{}` takes {wanted}, not {shown}", given.function.name);
        let diagnostic =
            Diagnostic::new(Code::BadArithmetic, given.args[0].span, message).label(format!("this is {shown}"));
        self.error(diagnostic);
        Value::UNKNOWN
    }

    /// A list and its item type, or it was told.
    fn list_argument(&mut self, given: &Given<'a>, at: usize, hint: Ty) -> Option<(Value, Ty)> {
        let arg = given.args[at];
        let value = self.argument(given, at, Goal::May(hint));
        if value.ty.is_unknown() {
            return None;
        }
        let item = self.types.item(value.ty);
        if item.is_none() {
            let shown = self.types.show(value.ty);
            let message = format!("{} must be a List, not {shown}", given.why(at).text());
            let mut diagnostic =
                Diagnostic::new(Code::TypeMismatch, arg.span, message).label(format!("this is {shown}"));
            if let Some(inside) = self.types.inside(value.ty)
                && self.types.item(inside).is_some()
            {
                diagnostic = diagnostic.help("give what stands in for None: `value ?? []`");
            } else if value.ty == Ty::STRING && given.function.name == "list-length" {
                diagnostic = diagnostic.help("the length of a String is `string-length`");
            }
            self.error(diagnostic);
        }
        item.map(|item| (value, item))
    }

    fn std_sum(&mut self, given: &Given<'a>, goal: Goal<'_>) -> Value {
        let number = if self.wants_float(goal.ty()) { Ty::FLOAT } else { Ty::INT };
        let hint = self.types.list(number).unwrap_or(Ty::UNKNOWN);
        match self.list_argument(given, 0, hint) {
            Some((list, item @ (Ty::INT | Ty::FLOAT))) => {
                self.emit(Op::Std(StdFn::ListSum, vec![list.node]), item, given.span)
            }
            Some((list, _)) => self.no_number(given, list.ty, "a list of Ints or of Floats"),
            None => self.unknown(),
        }
    }

    fn std_concat(&mut self, given: &Given<'a>, goal: Goal<'_>) -> Value {
        let flexible_first = is_flexible(given.args[0]) && !is_flexible(given.args[1]);
        let (first, second) = if flexible_first { (1, 0) } else { (0, 1) };
        let one = self.list_argument(given, first, goal.ty());
        let hint = one.map_or(goal.ty(), |(list, _)| list.ty);
        let other = self.list_argument(given, second, hint);
        let (Some((one, one_item)), Some((other, other_item))) = (one, other) else { return self.unknown() };
        let joined = self.types.join(one_item, other_item).and_then(|item| self.types.list(item));
        let ty = self.sized(joined, given.span);
        let one = self.widen(one, ty, given.args[first].span).node;
        let other = self.widen(other, ty, given.args[second].span).node;
        let nodes = if flexible_first { vec![other, one] } else { vec![one, other] };
        self.emit(Op::Std(StdFn::ListConcat, nodes), ty, given.span)
    }

    fn std_contains(&mut self, given: &Given<'a>) -> Value {
        let bool = Value { ty: Ty::BOOL, ..Value::UNKNOWN };
        let (list_arg, value_arg) = (given.args[0], given.args[1]);
        if is_flexible(list_arg) && !is_flexible(value_arg) {
            let value = self.argument(given, 1, Goal::ANYTHING);
            let hint = self.types.list(value.ty).unwrap_or(Ty::UNKNOWN);
            let Some((list, item)) = self.list_argument(given, 0, hint) else { return bool };
            let value = self.fit(value, item, value_arg.span, given.why(1));
            return self.emit(Op::Std(StdFn::ListContains, vec![list.node, value.node]), Ty::BOOL, given.span);
        }
        let Some((list, item)) = self.list_argument(given, 0, Ty::UNKNOWN) else {
            self.argument(given, 1, Goal::ANYTHING);
            return bool;
        };
        let value = self.argument(given, 1, Goal::Must(item, given.why(1)));
        self.emit(Op::Std(StdFn::ListContains, vec![list.node, value.node]), Ty::BOOL, given.span)
    }

    fn each(&mut self, given: &Given<'a>, kind: EachKind, concurrency: Option<u32>, goal: Goal<'_>) -> Value {
        let wanted_item = self.types.item(goal.ty());
        let list_hint = if kind == EachKind::Map { Ty::UNKNOWN } else { goal.ty() };
        let list = self.list_argument(given, 0, if wanted_item.is_some() { list_hint } else { Ty::UNKNOWN });
        let (list, item) = list.unwrap_or((Value::UNKNOWN, Ty::UNKNOWN));
        let at = given.args.len() - 1;
        let function = given.function.name;
        let (initial, takes, result) = match kind {
            EachKind::Fold => {
                let initial = self.fold_start(given, item, goal);
                let why = Why::Result(function);
                (Some(initial), vec![initial.ty, item], Goal::Must(initial.ty, why))
            }
            EachKind::Filter | EachKind::All | EachKind::Any => {
                (None, vec![item], Goal::Must(Ty::BOOL, Why::Result(function)))
            }
            EachKind::Map => (None, vec![item], Goal::May(wanted_item.unwrap_or(Ty::UNKNOWN))),
            EachKind::SortBy => (None, vec![item], Goal::ANYTHING),
        };
        let (body, result, least) = self.lambda(given.args[at], function, &takes, result);
        let ty = match kind {
            EachKind::Filter => list.ty,
            EachKind::SortBy => {
                if !matches!(result, Ty::INT | Ty::FLOAT | Ty::STRING | Ty::UNKNOWN) {
                    let shown = self.types.show(result);
                    let message =
                        format!("what the lambda of `sort-by` gives must be Int, Float or String, not {shown}");
                    let diagnostic = Diagnostic::new(Code::NotComparable, given.args[at].span, message);
                    self.error(diagnostic.label(format!("gives {shown}, which has no order")));
                }
                list.ty
            }
            EachKind::All | EachKind::Any => Ty::BOOL,
            EachKind::Fold => initial.map_or(Ty::UNKNOWN, |initial| initial.ty),
            EachKind::Map => {
                let made = self.types.list(result);
                self.sized(made, given.span)
            }
        };
        let Some(body) = body.filter(|_| !self.failed) else { return Value { ty, node: NO_NODE } };
        let concurrency = [concurrency, least].into_iter().flatten().min();
        let initial = initial.map(|initial| initial.node);
        self.emit(Op::Each(Box::new(Each { kind, list: list.node, initial, body, concurrency })), ty, given.span)
    }

    /// The start of a fold, of the type that its lambda says, else the context, else its own.
    fn fold_start(&mut self, given: &Given<'a>, item: Ty, goal: Goal<'_>) -> Value {
        let start = given.args[1];
        if let ExprKind::Lambda { params, .. } = &given.args[2].kind
            && let Some((_, Some(written))) = params.first()
        {
            let ty = self.resolve(written);
            return self.argument(given, 1, Goal::Must(ty, given.why(1)));
        }
        let numeric = is_flexible(start) && item == Ty::FLOAT && goal.ty().is_unknown();
        self.argument(given, 1, if numeric { Goal::May(Ty::FLOAT) } else { goal.hint() })
    }

    /// The body of a lambda, the type of what it gives, and the least concurrency of the calls in it.
    fn lambda(
        &mut self,
        arg: &'a Expr,
        function: &str,
        takes: &[Ty],
        goal: Goal<'_>,
    ) -> (Option<Body>, Ty, Option<u32>) {
        let ExprKind::Lambda { params, body } = &arg.kind else {
            self.no_lambda(arg, function, takes.len());
            return (None, Ty::UNKNOWN, None);
        };
        if params.len() != takes.len() {
            let wanted =
                if takes.len() == 1 { "one parameter" } else { "two parameters: what came so far, and the item" };
            let message = format!("the lambda of `{function}` has {wanted}");
            let span = match (params.first(), params.last()) {
                (Some((first, _)), Some((last, _))) => first.span.to(last.span),
                _ => arg.span,
            };
            self.error(Diagnostic::new(Code::BadArgument, span, message).label(format!("this has {}", params.len())));
        }
        let outside = self.locals.len();
        self.lambdas.push(None);
        if !self.failed {
            self.builder.open();
        }
        let mut first: HashMap<&str, Span> = HashMap::new();
        for (at, (name, written)) in params.iter().enumerate() {
            if let Some(&first) = first.get(name.text.as_str()) {
                self.duplicate("parameter", name, first);
            }
            first.insert(&name.text, name.span);
            let value = self.parameter(at, takes.get(at).copied(), name, written.as_ref());
            self.bind_local(&name.text, value, name.span);
            self.variable_fact(name.span, &name.text, name.span, value.ty);
        }
        let value = self.expr(body, goal);
        self.locals.truncate(outside);
        let least = self.lambdas.pop().flatten();
        let body = if self.failed { None } else { Some(self.builder.close(value.node)) };
        (body, value.ty, least)
    }

    fn parameter(&mut self, at: usize, taken: Option<Ty>, name: &'a Name, written: Option<&'a Type>) -> Value {
        let taken = taken.unwrap_or(Ty::UNKNOWN);
        let position = u32::try_from(at).expect("a lambda has at most two parameters");
        let value = self.emit(Op::Param(position), taken, name.span);
        let Some(written) = written else { return value };
        let ty = self.resolve(written);
        if self.types.fits(taken, ty) {
            return self.widen(value, ty, name.span);
        }
        let (shown, shown_taken) = (self.types.show(ty), self.types.show(taken));
        let message = format!("the parameter `{}` gets {shown_taken}, which is no {shown}", name.text);
        self.error(Diagnostic::new(Code::TypeMismatch, written.span, message).label(format!("gets {shown_taken}")));
        Value { ty, ..Value::UNKNOWN }
    }

    fn no_lambda(&mut self, arg: &'a Expr, function: &str, parameters: usize) {
        let shape = if parameters == 1 { "(item) => …" } else { "(total, item) => …" };
        let mut diagnostic = Diagnostic::new(Code::TypeMismatch, arg.span, format!("`{function}` takes a lambda here"))
            .label("no lambda");
        diagnostic = match &arg.kind {
            ExprKind::Var(name) if self.is_function(name) && self.definition(name).is_none() && parameters == 1 => {
                diagnostic.help(format!("write `(item) => {name}(item)`"))
            }
            _ => diagnostic.help(format!("write `{shape}`")),
        };
        self.error(diagnostic);
    }
}
