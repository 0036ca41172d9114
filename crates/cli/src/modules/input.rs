//! The input of a call out of what the command line gives, typed by the module's schema. Calls nothing.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use type_schema::CType;

use crate::client::nearest;
use crate::codes;
use crate::failure::Failure;

/// The name of the only argument of a module whose input is no record.
const WHOLE: &str = "input";

/// The input as JSON of the declared type, out of `NAME=VALUE` pairs. Checks names, types and that nothing is missing.
pub(crate) fn from_args(args: &[(String, String)], input: &CType) -> Result<Value, Failure> {
    let CType::Record(record) = input else {
        return match args {
            [(name, text)] if name == WHOLE => argument(WHOLE, text, input),
            [] if input.is_option() => Ok(Value::Null),
            [] => Err(missing(WHOLE, input)),
            [.., (name, _)] => {
                let message = format!("the input is no record, so there is no argument `{name}`");
                Err(Failure::local(codes::ARGUMENT_UNKNOWN, message)
                    .hint(format!("give the whole as --arg {WHOLE}=…, of type {input}")))
            }
        };
    };
    let mut object = Map::new();
    for (name, text) in args {
        let Some(ctype) = record.get(name) else {
            let names = record.fields.iter().map(|field| field.name.as_str());
            let hint = match nearest(name, names.clone()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!(
                    "the arguments are {}",
                    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            return Err(Failure::local(codes::ARGUMENT_UNKNOWN, format!("there is no argument `{name}`")).hint(hint));
        };
        if object.insert(name.clone(), argument(name, text, ctype)?).is_some() {
            let message = format!("the argument `{name}` is given twice");
            return Err(Failure::local(codes::ARGUMENT_INVALID, message)
                .hint("give each argument once; a list is JSON: --arg items='[1, 2]'"));
        }
    }
    match record.fields.iter().find(|field| !field.ctype.is_option() && !object.contains_key(&field.name)) {
        Some(field) => Err(missing(&field.name, &field.ctype)),
        None => Ok(Value::Object(object)),
    }
}

fn missing(name: &str, ctype: &CType) -> Failure {
    let message = format!("the argument `{name}` is missing");
    Failure::local(codes::INPUT_MISSING, message).hint(format!("give it with --arg {name}=…, of type {ctype}"))
}

/// One value: text, or the content of a file.
fn argument(name: &str, text: &str, ctype: &CType) -> Result<Value, Failure> {
    match text.strip_prefix('@') {
        None => typed(name, text, ctype),
        Some(escaped) if escaped.starts_with('@') => typed(name, escaped, ctype),
        Some(path) => {
            let bytes = read(Path::new(path))?;
            if takes_bytes(ctype) {
                return Ok(STANDARD.encode(bytes).into());
            }
            let text = utf8(bytes, path)?;
            typed(name, &text, ctype)
        }
    }
}

fn takes_bytes(ctype: &CType) -> bool {
    match ctype {
        CType::Bytes => true,
        CType::Option(inner) => takes_bytes(inner),
        _ => false,
    }
}

/// Text by the declared type: as it is for String and Bytes (base64), as JSON for the rest. Where both are possible, JSON
/// comes first.
fn typed(name: &str, text: &str, ctype: &CType) -> Result<Value, Failure> {
    let fits = |value: &Value| type_schema::from_json(value, ctype).map(drop);
    let as_text = Value::String(text.to_owned());
    let (value, fit) = match ctype {
        CType::String | CType::Bytes => (as_text.clone(), fits(&as_text)),
        CType::Option(inner) if matches!(**inner, CType::String | CType::Bytes) => (as_text.clone(), fits(&as_text)),
        _ => match type_schema::parse_json_text(text) {
            Ok(value) if fits(&value).is_ok() => return Ok(value),
            Ok(value) => {
                let fit = fits(&value);
                (value, fit)
            }
            Err(error) => (Value::Null, Err(error)),
        },
    };
    match fit {
        Ok(()) => Ok(value),
        // `Any`, and a union with a String in it, take what is no JSON of theirs as text.
        Err(_) if matches!(ctype, CType::Any | CType::Union(_)) && fits(&as_text).is_ok() => Ok(as_text),
        Err(error) => {
            let message = format!("the argument `{name}` is not of type {ctype}: {error}");
            let hint = match ctype {
                CType::Bytes => format!("give base64, or a file with --arg {name}=@FILE"),
                _ => format!("the type is read as JSON: --arg {name}='{}'", sample(ctype)),
            };
            Err(Failure::local(codes::ARGUMENT_INVALID, message).hint(hint))
        }
    }
}

/// Some JSON of the type, for a hint.
fn sample(ctype: &CType) -> String {
    match ctype {
        CType::String => "\"text\"".into(),
        CType::Int => "1".into(),
        CType::Float => "1.5".into(),
        CType::Bool => "true".into(),
        CType::Bytes => "\"AAEC\"".into(),
        CType::Any => "null".into(),
        CType::List(item) => format!("[{}]", sample(item)),
        CType::Map(_, value) if matches!(ctype, CType::Map(type_schema::KeyType::String, _)) => {
            format!("{{\"key\": {}}}", sample(value))
        }
        CType::Map(key, value) => format!("[[{}, {}]]", sample(&key.ctype()), sample(value)),
        CType::Record(record) => {
            let members = record.fields.iter().map(|field| format!("\"{}\": {}", field.name, sample(&field.ctype)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        CType::Union(variants) => variants.first().map_or_else(String::new, sample),
        CType::Option(inner) => sample(inner),
    }
}

/// A file of JSON, checked to be JSON.
pub(crate) fn from_file(path: &Path) -> Result<String, Failure> {
    let text = utf8(read(path)?, &path.display().to_string())?;
    from_text(text, &format!("`{}`", path.display()))
}

/// One JSON per line of a file, each checked to be JSON; lines of white space are none.
pub(super) fn from_lines(path: &Path) -> Result<Vec<String>, Failure> {
    let shown = path.display().to_string();
    let text = utf8(read(path)?, &shown)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| from_text(line.to_owned(), &format!("line {} of `{shown}`", at + 1))).collect()
}

/// JSON, checked to be JSON. `what` names it in the failure.
pub(crate) fn from_text(text: String, what: &str) -> Result<String, Failure> {
    match type_schema::parse_json_text(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::local(codes::ARGUMENT_INVALID, format!("{what} is no JSON: {error}"))
            .hint("for a single field, --arg NAME=VALUE takes plain text")),
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    // One byte more than any message can have is enough to be refused.
    let limit = host::config::MAX_MESSAGE_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    let what = if path == Path::new("-") { "stdin".into() } else { format!("`{}`", path.display()) };
    match result {
        Err(error) => Err(Failure::local(codes::INPUT_UNREADABLE, format!("{what} cannot be read: {error}"))),
        Ok(_) if bytes.len() as u64 == limit => {
            let message = format!("{what} is larger than any message may be, {} bytes", limit - 1);
            Err(Failure::local(codes::INPUT_UNREADABLE, message).hint("send less at once"))
        }
        Ok(_) => Ok(bytes),
    }
}

pub(crate) fn utf8(bytes: Vec<u8>, path: &str) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| {
        Failure::local(codes::INPUT_UNREADABLE, format!("`{path}` is not UTF-8"))
            .hint("raw bytes go to arguments of type Bytes")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON that the arguments become, or the failure with its code.
    fn check(ctype: &str, args: &[&str], expected: &str) {
        let args: Vec<_> =
            args.iter().map(|arg| arg.split_once('=').unwrap()).map(|(n, v)| (n.into(), v.into())).collect();
        let found = match from_args(&args, &CType::parse(ctype).unwrap()) {
            Ok(value) => value.to_string(),
            Err(failure) => failure.code().to_owned(),
        };
        assert_eq!(found, expected, "{ctype} {args:?}");
    }

    #[test]
    fn a_string_takes_the_text_as_it_is() {
        check("{text: String}", &["text=5"], r#"{"text":"5"}"#);
        check("{text: Option<String>}", &["text=null"], r#"{"text":"null"}"#);
        check("{text: String}", &["text="], r#"{"text":""}"#);
        check("{text: String}", &["text=a=b"], r#"{"text":"a=b"}"#);
        check("{text: String}", &["text=@@home"], r#"{"text":"@home"}"#);
    }

    #[test]
    fn other_types_are_read_as_json_of_that_type() {
        check("{n: Int, f: Float, b: Bool}", &["n=5", "f=2", "b=true"], r#"{"b":true,"f":2,"n":5}"#);
        check("{items: List<String>}", &[r#"items=["a"]"#], r#"{"items":["a"]}"#);
        check("{n: Option<Int>}", &["n=null"], r#"{"n":null}"#);
        check("{n: Int}", &["n=9223372036854775807"], r#"{"n":9223372036854775807}"#);
        check("{n: Int}", &["n=9223372036854775808"], "cli.argument.invalid");
        check("{n: Int}", &[r#"n="9223372036854775807""#], r#"{"n":"9223372036854775807"}"#);
        check("{n: Int}", &["n=five"], "cli.argument.invalid");
        check("{b: Bool}", &["b=1"], "cli.argument.invalid");
        check("{data: Bytes}", &["data=AAEC"], r#"{"data":"AAEC"}"#);
        check("{data: Bytes}", &["data=!"], "cli.argument.invalid");
    }

    #[test]
    fn a_union_and_any_take_json_first_and_text_where_it_is_none() {
        check("{x: Int | String}", &["x=5"], r#"{"x":5}"#);
        check("{x: Int | String}", &["x=five"], r#"{"x":"five"}"#);
        check("{x: Int | Bool}", &["x=five"], "cli.argument.invalid");
        check("{x: Any}", &["x=[1]"], r#"{"x":[1]}"#);
        check("{x: Any}", &["x=hello you"], r#"{"x":"hello you"}"#);
    }

    #[test]
    fn names_are_checked_before_anything_is_sent() {
        check("{text: String, n: Option<Int>}", &["txt=a"], "cli.argument.unknown");
        check("{text: String, n: Option<Int>}", &["n=1"], "cli.input.missing");
        check("{text: String}", &["text=a", "text=b"], "cli.argument.invalid");
        check("{}", &[], "{}");
    }

    #[test]
    fn an_input_that_is_no_record_has_one_argument_named_input() {
        check("List<Int>", &["input=[1, 2]"], "[1,2]");
        check("String", &["input=a"], r#""a""#);
        check("String", &["text=a"], "cli.argument.unknown");
        check("String", &["input=a", "input=b"], "cli.argument.unknown");
        check("String", &[], "cli.input.missing");
        check("Option<Int>", &[], "null");
    }

    #[test]
    fn a_file_gives_text_json_or_raw_bytes_by_the_declared_type() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "[1]\n").unwrap();
        let arg = format!("x=@{}", path.display());
        check("{x: String}", &[&arg], r#"{"x":"[1]\n"}"#);
        check("{x: List<Int>}", &[&arg], r#"{"x":[1]}"#);
        check("{x: Bytes}", &[&arg], r#"{"x":"WzFdCg=="}"#);
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        check("{x: Option<Bytes>}", &[&arg], r#"{"x":"//4="}"#);
        check("{x: String}", &[&arg], "cli.input.unreadable");
        check("{x: String}", &["x=@/nowhere/at/all"], "cli.input.unreadable");
    }
}
