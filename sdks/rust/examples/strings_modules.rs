//! Modules that look into a text and take it apart, in the namespace `strings`. Does nothing that needs a locale.

use modrack::{Module, ModuleError, Provider, Record, Union};

#[derive(Record)]
struct ContainsInput {
    text: String,
    substring: String,
}

async fn contains(input: ContainsInput) -> Result<bool, ModuleError> {
    Ok(input.text.contains(&input.substring))
}

#[derive(Record)]
struct SplitLinesInput {
    text: String,
}

async fn split_lines(input: SplitLinesInput) -> Result<Vec<String>, ModuleError> {
    Ok(input.text.lines().map(str::to_owned).collect())
}

#[derive(Record)]
struct SplitInput {
    text: String,
    delimiter: String,
}

async fn split(input: SplitInput) -> Result<Vec<String>, ModuleError> {
    if input.delimiter.is_empty() {
        let category = modrack::Category::InvalidArgument;
        return Err(ModuleError::new(category, "strings.delimiter.empty", "a delimiter has at least one character"));
    }
    Ok(input.text.split(&input.delimiter).map(str::to_owned).collect())
}

#[derive(Record)]
struct ParseNumberInput {
    text: String,
}

#[derive(Union)]
enum Parsed {
    Int(i64),
    Float(f64),
    Text(String),
}

async fn parse_number(input: ParseNumberInput) -> Result<Parsed, ModuleError> {
    let text = input.text.trim();
    Ok(match (text.parse(), text.parse()) {
        (Ok(number), _) => Parsed::Int(number),
        (_, Ok(number)) => Parsed::Float(number),
        _ => Parsed::Text(input.text),
    })
}

fn provider() -> Provider {
    let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    Provider::new("strings")
        .with_module(
            Module::new("Contains", contains)
                .description("Whether a text contains another, case and all.")
                .version("1.0.0")
                .idempotent()
                .example(ContainsInput { text: "seashore".into(), substring: "ash".into() }, true),
        )
        .with_module(
            Module::new("SplitLines", split_lines)
                .description("The lines of a text, without their ends. A line end at the end begins no further line.")
                .version("1.0.0")
                .idempotent()
                .example(SplitLinesInput { text: "one\r\ntwo\n".into() }, owned(&["one", "two"])),
        )
        .with_module(
            Module::new("Split", split)
                .description("The parts of a text between the occurrences of a delimiter. Empty parts are kept, also at the end.")
                .version("1.0.0")
                .idempotent()
                .example(SplitInput { text: "a,b,,".into(), delimiter: ",".into() }, owned(&["a", "b", "", ""])),
        )
        .with_module(
            Module::new("ParseNumber", parse_number)
                .description("The number that a text shows: an Int if it is one, else a Float; a text that shows none as it is.")
                .version("1.0.0")
                .idempotent()
                .example(ParseNumberInput { text: " 42 ".into() }, Parsed::Int(42))
                .example(ParseNumberInput { text: "1.5".into() }, Parsed::Float(1.5))
                .example(ParseNumberInput { text: "many".into() }, Parsed::Text("many".into())),
        )
}

#[tokio::main]
async fn main() -> Result<(), modrack::Error> {
    provider().run().await
}

#[cfg(test)]
mod tests {
    use modrack::testing::TestClient;

    use super::*;

    #[tokio::test]
    async fn the_examples_are_true() {
        TestClient::new(provider()).unwrap().check_examples().await.unwrap();
    }

    #[tokio::test]
    async fn splitting_an_empty_text_gives_one_empty_part() {
        let client = TestClient::new(provider()).unwrap();
        let parts: Vec<String> =
            client.call("strings.Split", &SplitInput { text: String::new(), delimiter: ",".into() }).await.unwrap();
        assert_eq!(parts, [""]);
    }

    #[tokio::test]
    async fn an_empty_delimiter_is_refused() {
        let client = TestClient::new(provider()).unwrap();
        let input = SplitInput { text: "ab".into(), delimiter: String::new() };
        let error = client.call::<_, Vec<String>>("Split", &input).await.unwrap_err();
        assert_eq!(error.code(), "strings.delimiter.empty");
    }
}
