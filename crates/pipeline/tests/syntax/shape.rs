//! Shows what was parsed, without places.

use pipeline::ast::{
    BinaryOp, Call, CallOption, Decl, Expr, ExprKind, File, Name, OptionValue, Pattern, PatternKind, StrPart, Type,
    TypeKind,
};

/// Each declaration on a line, everything that nests in parentheses.
pub(crate) fn shape(file: &File) -> String {
    file.decls.iter().map(|decl| format!("{}\n", show_decl(decl))).collect()
}

/// The whole of a file, but for the places.
pub(crate) fn without_places(file: &File) -> String {
    let text = format!("{file:?}");
    let mut pieces = text.split("Span { start: ");
    let mut kept = pieces.next().unwrap().to_owned();
    for piece in pieces {
        kept.push_str(piece.split_once('}').unwrap().1);
    }
    kept
}

fn show_decl(decl: &Decl) -> String {
    match decl {
        Decl::Type { name, ty } => format!("type {} = {}", name.text, show_type(ty)),
        Decl::In { examples, name, ty } => {
            let examples: String = examples.iter().map(|example| format!("@{} ", show(example))).collect();
            format!("{examples}in {}: {}", name.text, show_type(ty))
        }
        Decl::Out { name } => format!("out {}", name.text),
        Decl::Use { namespace, alias } => {
            let alias = alias.as_ref().map(|alias| format!(" as {}", alias.text)).unwrap_or_default();
            format!("use {}{alias}", namespace.text())
        }
        Decl::Bind { name, value } => format!("{} = {}", name.text, show(value)),
    }
}

fn show_type(ty: &Type) -> String {
    let join = |types: &[Type], between: &str| types.iter().map(show_type).collect::<Vec<_>>().join(between);
    match &ty.kind {
        TypeKind::Named { name, args } if args.is_empty() => name.text.clone(),
        TypeKind::Named { name, args } => format!("{}<{}>", name.text, join(args, ", ")),
        TypeKind::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, ty)| format!("{}: {}", name.text, show_type(ty))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        TypeKind::Merge(parts) => format!("({})", join(parts, " + ")),
        TypeKind::Union(variants) => format!("({})", join(variants, " | ")),
        TypeKind::Error => "?".to_owned(),
    }
}

fn show(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Var(name) => name.clone(),
        ExprKind::Str(parts) => {
            let parts = parts.iter().map(|part| match part {
                StrPart::Text(text) => format!("{text:?}"),
                StrPart::Expr(expr) => format!("${{{}}}", show(expr)),
            });
            format!("str({})", parts.collect::<Vec<_>>().join(" "))
        }
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Float(value) => format!("{value:?}"),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        ExprKind::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{}: {}", name.text, show(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        ExprKind::Call(call) => show_call(call),
        ExprKind::Lambda { params, body } => {
            let params = params.iter().map(|(name, ty)| match ty {
                Some(ty) => format!("{}: {}", name.text, show_type(ty)),
                None => name.text.clone(),
            });
            format!("(({}) => {})", params.collect::<Vec<_>>().join(", "), show(body))
        }
        ExprKind::Field { value, field } => format!("{}.{}", show(value), field.text),
        ExprKind::Project { value, fields } => format!("{}[{}]", show(value), names(fields)),
        ExprKind::Not(value) => format!("(not {})", show(value)),
        ExprKind::Negate(value) => format!("(neg {})", show(value)),
        ExprKind::Binary { op, left, right, .. } => format!("({} {} {})", show(left), operator(*op), show(right)),
        ExprKind::When { value, condition } => format!("({} when {})", show(value), show(condition)),
        ExprKind::If { condition, then, otherwise } => {
            format!("(if {} then {} else {})", show(condition), show(then), show(otherwise))
        }
        ExprKind::Branch { cases, otherwise } => {
            let cases: String = cases.iter().map(|(c, value)| format!("{} -> {}, ", show(c), show(value))).collect();
            format!("(branch {cases}otherwise -> {})", show(otherwise))
        }
        ExprKind::Match { subject, arms } => {
            let arms = arms.iter().map(|(pattern, value)| format!("{} -> {}", show_pattern(pattern), show(value)));
            format!("(match {}: {})", show(subject), arms.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Error => "?".to_owned(),
    }
}

fn show_pattern(pattern: &Pattern) -> String {
    match &pattern.kind {
        PatternKind::Record(fields) => format!("{{{}}}", names(fields)),
        PatternKind::Is(ty) => format!("is {}", show_type(ty)),
        PatternKind::Rest => "_".to_owned(),
        PatternKind::Error => "?".to_owned(),
    }
}

fn show_call(call: &Call) -> String {
    let args = call.args.iter().map(|arg| match &arg.name {
        Some(name) => format!("{}: {}", name.text, show(&arg.value)),
        None => show(&arg.value),
    });
    let call_text = format!("{}({})", call.function.text(), args.collect::<Vec<_>>().join(", "));
    if call.options.is_empty() {
        return call_text;
    }
    let options: Vec<_> = call.options.iter().map(show_option).collect();
    format!("<{call_text} with {}>", options.join(", "))
}

fn show_option(option: &CallOption) -> String {
    let name = &option.name.text;
    match &option.value {
        None => name.clone(),
        Some(OptionValue::Duration(value, _)) => format!("{name}: {value:?}"),
        Some(OptionValue::Rate { count, per, .. }) => format!("{name}: {count} per {per:?}"),
        Some(OptionValue::Word(word)) => format!("{name}: '{}", word.text),
        Some(OptionValue::Expr(value)) => format!("{name}: {}", show(value)),
    }
}

fn names(names: &[Name]) -> String {
    names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(", ")
}

fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
        BinaryOp::Coalesce => "??",
    }
}
