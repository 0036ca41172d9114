//! What each feature of a module becomes in the bindings of a language, one small snapshot each. The golden packages in
//! `tests/golden/bindings` compile and run all of it together.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may")]

use codegen::Files;
use codegen::bindings::{Language, MARK, generate};
use serde_json::json;
use type_schema::{CType, Lock, LockedCapabilities, LockedExample, LockedModule, Signature};

fn module(input: &str, output: &str) -> LockedModule {
    LockedModule {
        signature: Signature { input: CType::parse(input).unwrap(), output: CType::parse(output).unwrap() },
        version: "1.0.0".into(),
        description: String::new(),
        capabilities: LockedCapabilities::default(),
        examples: Vec::new(),
    }
}

fn files(language: Language, modules: &[(&str, LockedModule)]) -> Files {
    let modules = modules.iter().map(|(name, module)| ((*name).to_owned(), module.clone())).collect();
    generate(&Lock { patterns: Vec::new(), modules }, language).unwrap()
}

fn text(files: &Files, path: &str) -> String {
    String::from_utf8(files.get(path).unwrap().to_vec()).unwrap()
}

/// A part of the only namespace's file: from one mark to the next.
fn part(language: Language, module: &LockedModule, from: &str, to: &str) -> String {
    let extension = match language {
        Language::Python => "py",
        Language::TypeScript => "ts",
        Language::Rust => "rs",
    };
    let text = text(&files(language, &[("n.Do", module.clone())]), &format!("n.{extension}"));
    let start = text.find(from).unwrap_or_else(|| panic!("no `{from}` in {text}"));
    let end = text[start..].find(to).unwrap_or_else(|| panic!("no `{to}` in {text}"));
    text[start..start + end].trim().to_owned()
}

fn python(input: &str, output: &str) -> String {
    part(Language::Python, &module(input, output), "async def Do(", "\"\"\"")
}

fn python_types(input: &str, output: &str) -> String {
    part(Language::Python, &module(input, output), "from dataclasses", "\n\n\nclass N:")
}

fn typescript(input: &str, output: &str) -> String {
    part(Language::TypeScript, &module(input, output), "import {", "\n\n/** Modules of")
}

fn rust(input: &str, output: &str) -> String {
    part(Language::Rust, &module(input, output), "const DO", "/// Modules of")
}

const FIELDS: (&str, &str) = ("{text: String, count: Option<Int>, find: String}", "Bool");

#[test]
fn fields_are_parameters_in_python_and_options_are_keywords() {
    insta::assert_snapshot!(python(FIELDS.0, FIELDS.1), @r#"
    async def Do(
            self,
            text: str,
            find: str,
            *,
            count: int | None = None,
            timeout: float | None = None,
            idempotency_key: str = "",
        ) -> bool:
    "#);
}

#[test]
fn fields_are_an_object_in_typescript() {
    insta::assert_snapshot!(typescript(FIELDS.0, FIELDS.1), @r#"
    import { type Accepted, type CallOptions, type Client, TypedModule, t } from "@modrack/sdk";

    /** What `n.Do` takes. */
    export const DoInput = t.record({
      text: t.string,
      count: t.option(t.int),
      find: t.string,
    });
    export type DoInput = Accepted<typeof DoInput>;

    const modules = {
      Do: new TypedModule("n.Do", {
        input: DoInput,
        output: t.bool,
      }),
    } as const;
    "#);
}

#[test]
fn fields_are_a_struct_in_rust() {
    insta::assert_snapshot!(rust(FIELDS.0, FIELDS.1), @r#"
    const DO: ::modrack::TypedModule<DoInput, bool> = ::modrack::TypedModule::new(
        "n.Do",
        "7fc4b3f4f972d914c9cd1707cffd5df83ecbe7402823deba797e2c93366a533e",
    );

    /// What `n.Do` takes.
    #[derive(Debug, Clone, PartialEq, ::modrack::Record)]
    pub struct DoInput {
        pub text: String,
        pub count: Option<i64>,
        pub find: String,
    }
    "#);
}

const SHARED: (&str, &str) = ("{row: {id: Int}}", "{rows: List<{id: Int}>, last: Option<{id: Int}>}");

#[test]
fn equal_records_of_a_module_share_a_class_in_python() {
    insta::assert_snapshot!(python_types(SHARED.0, SHARED.1), @r#"
    from dataclasses import dataclass

    from modrack import AsyncClient, Client
    from modrack.bindings import TypedModule


    @dataclass(frozen=True, slots=True, kw_only=True)
    class DoInputRow:
        """A record of `n.Do`."""

        id: int


    @dataclass(frozen=True, slots=True, kw_only=True)
    class DoOutput:
        """A record of `n.Do`."""

        rows: list[DoInputRow]
        last: DoInputRow | None = None


    _DO = TypedModule[DoOutput](
        "n.Do",
        "{row: {id: Int}}",
        "{rows: List<{id: Int}>, last: Option<{id: Int}>}",
        {
            "{id: Int}": DoInputRow,
            "{rows: List<{id: Int}>, last: Option<{id: Int}>}": DoOutput,
        },
    )
    "#);
}

#[test]
fn equal_records_of_a_module_share_a_type_in_typescript() {
    insta::assert_snapshot!(typescript(SHARED.0, SHARED.1), @r#"
    import { type Accepted, type CallOptions, type Client, type Infer, TypedModule, t } from "@modrack/sdk";

    /** A part of what `n.Do` takes or gives. */
    export const DoInputRow = t.record({
      id: t.int,
    });
    export type DoInputRow = Infer<typeof DoInputRow>;

    /** What `n.Do` takes. */
    export const DoInput = t.record({
      row: DoInputRow,
    });
    export type DoInput = Accepted<typeof DoInput>;

    /** What `n.Do` gives. */
    export const DoOutput = t.record({
      rows: t.list(DoInputRow),
      last: t.option(DoInputRow),
    });
    export type DoOutput = Infer<typeof DoOutput>;

    const modules = {
      Do: new TypedModule("n.Do", {
        input: DoInput,
        output: DoOutput,
      }),
    } as const;
    "#);
}

#[test]
fn equal_records_of_a_module_share_a_struct_in_rust() {
    insta::assert_snapshot!(rust(SHARED.0, SHARED.1), @r#"
    const DO: ::modrack::TypedModule<DoInput, DoOutput> = ::modrack::TypedModule::new(
        "n.Do",
        "6a7da3ed7a2840b6ed5f3f6d5b88d0e7fce52ec16423c6109bf2c10a3f0ab9bb",
    );

    /// A part of what `n.Do` takes or gives.
    #[derive(Debug, Clone, PartialEq, ::modrack::Record)]
    pub struct DoInputRow {
        pub id: i64,
    }

    /// What `n.Do` takes.
    #[derive(Debug, Clone, PartialEq, ::modrack::Record)]
    pub struct DoInput {
        pub row: DoInputRow,
    }

    /// What `n.Do` gives.
    #[derive(Debug, Clone, PartialEq, ::modrack::Record)]
    pub struct DoOutput {
        pub rows: Vec<DoInputRow>,
        pub last: Option<DoInputRow>,
    }
    "#);
}

#[test]
fn a_union_is_bare_in_python_where_the_value_tells_and_else_may_be_a_variant() {
    let output = |output| part(Language::Python, &module("{}", output), "    ) -> ", ":\n");
    for (ctype, expected) in [
        ("String | Int | Float | Bool | Bytes", "str | int | float | bool | bytes"),
        ("{a: Int} | {b: Int}", "DoOutputVariant0 | DoOutputVariant1"),
        ("List<Int> | List<String>", "list[int] | list[str] | Variant"),
        ("{a: Int} | Map<String, Int>", "DoOutputVariant0 | dict[str, int] | Variant"),
        ("Int | Any", "int | Any | Variant"),
        ("Int | Option<String>", "int | str | None | Variant"),
    ] {
        assert_eq!(output(ctype), format!(") -> {expected}"), "{ctype}");
    }
}

#[test]
fn a_union_is_an_enum_in_rust() {
    insta::assert_snapshot!(rust("Int", "List<Int> | List<String> | {a: Int}"), @r#"
    const DO: ::modrack::TypedModule<i64, DoOutput> = ::modrack::TypedModule::new(
        "n.Do",
        "892512cb1c285d59e669c84313328448a66ba431416f3137e7e39c1ee3132a9b",
    );

    /// A part of what `n.Do` takes or gives.
    #[derive(Debug, Clone, PartialEq, ::modrack::Record)]
    pub struct DoOutputVariant2 {
        pub a: i64,
    }

    /// What `n.Do` gives.
    #[derive(Debug, Clone, PartialEq, ::modrack::Union)]
    pub enum DoOutput {
        List1(Vec<i64>),
        List2(Vec<String>),
        Record(DoOutputVariant2),
    }
    "#);
}

const NAMES: (&str, &str) =
    ("{class: Int, self: Int, content-type: Int, fooBar: Int, foo_bar: Int, timeout: Int, __proto__: Int}", "Int");

#[test]
fn reserved_and_colliding_names_in_python() {
    insta::assert_snapshot!(python(NAMES.0, NAMES.1), @r#"
    async def Do(
            self,
            class_: int,
            self_: int,
            content_type: int,
            fooBar: int,
            foo_bar: int,
            timeout_: int,
            proto_: int,
            *,
            timeout: float | None = None,
            idempotency_key: str = "",
        ) -> int:
    "#);
}

#[test]
fn reserved_and_colliding_names_in_typescript() {
    insta::assert_snapshot!(typescript(NAMES.0, NAMES.1), @r#"
    import { type Accepted, type CallOptions, type Client, TypedModule, t } from "@modrack/sdk";

    /** What `n.Do` takes. */
    export const DoInput = t.record({
      class: t.int,
      self: t.int,
      "content-type": t.int,
      fooBar: t.int,
      foo_bar: t.int,
      timeout: t.int,
      ["__proto__"]: t.int,
    });
    export type DoInput = Accepted<typeof DoInput>;

    const modules = {
      Do: new TypedModule("n.Do", {
        input: DoInput,
        output: t.int,
      }),
    } as const;
    "#);
}

#[test]
fn reserved_and_colliding_names_in_rust() {
    insta::assert_snapshot!(rust(NAMES.0, NAMES.1), @r#"
    const DO: ::modrack::TypedModule<DoInput, i64> = ::modrack::TypedModule::new(
        "n.Do",
        "1e5b058b1c6497b14398a87a5cd90c6403aa100d81ff40fc56482d9befb14fac",
    );

    /// What `n.Do` takes.
    #[derive(Debug, Clone, PartialEq, ::modrack::Record)]
    pub struct DoInput {
        pub class: i64,
        #[modrack(rename = "self")]
        pub self_: i64,
        #[modrack(rename = "content-type")]
        pub content_type: i64,
        #[modrack(rename = "fooBar")]
        pub foo_bar: i64,
        #[modrack(rename = "foo_bar")]
        pub foo_bar_2: i64,
        pub timeout: i64,
        #[modrack(rename = "__proto__")]
        pub proto: i64,
    }
    "#);
}

fn streaming() -> LockedModule {
    let mut module = module("Int", "{word: String}");
    module.capabilities.stream = true;
    module
}

#[test]
fn a_stream_in_python() {
    insta::assert_snapshot!(part(Language::Python, &streaming(), "    def Do(", "\n\n\nclass"), @r#"
    def Do(
            self,
            value: int,
            *,
            timeout: float | None = None,
            idempotency_key: str = "",
        ) -> AsyncGenerator[DoOutput, None]:
            """Module `n.Do`, a stream."""
            return self._client.stream_typed(
                _DO,
                value,
                timeout=timeout,
                idempotency_key=idempotency_key,
            )
    "#);
}

#[test]
fn a_stream_in_typescript() {
    insta::assert_snapshot!(part(Language::TypeScript, &streaming(), "const modules", "\n}\n"), @r#"
    const modules = {
      Do: new TypedStream("n.Do", {
        input: t.int,
        output: DoOutput,
      }),
    } as const;

    /** Modules of `n`. */
    export class N {
      readonly #client: Client;

      constructor(client: Client) {
        this.#client = client;
      }

      /** Module `n.Do`, a stream. */
      Do(
        value: number | bigint,
        options?: CallOptions,
      ): AsyncGenerator<DoOutput, void, undefined> {
        return this.#client.stream(modules.Do, value, options);
      }
    "#);
}

#[test]
fn a_stream_in_rust() {
    insta::assert_snapshot!(part(Language::Rust, &streaming(), "    pub async fn do_(", "\n    }"), @"
    pub async fn do_(
            &self,
            value: i64,
        ) -> ::std::result::Result<::modrack::CallStream<DoOutput>, ::modrack::Error> {
            self.client.stream_typed(&DO, &value, self.options.clone()).await
    ");
}

fn described() -> LockedModule {
    let mut module = module("Int", "String");
    module.description =
        "Ends \"\"\" and */ and \\.\n\n    let indented = code;\n```\nfenced\n```\nüñ\u{202e}í🦀".into();
    module.capabilities.idempotent = true;
    module.examples.push(LockedExample { input: json!(1), output: json!("*/") });
    module
}

#[test]
fn descriptions_in_python() {
    insta::assert_snapshot!(part(Language::Python, &described(), "        \"\"\"Ends", "        return"), @r#"
    """Ends \"\"\" and */ and \\.

                let indented = code;
            ```
            fenced
            ```
            üñí🦀

            Module `n.Do`, idempotent.
            For example, 1 gives "*/".
            """
    "#);
}

#[test]
fn descriptions_in_typescript() {
    insta::assert_snapshot!(part(Language::TypeScript, &described(), "  /**\n", "  Do("), @r#"
    /**
       * Ends """ and *\/ and \.
       *
       *     let indented = code;
       * ```
       * fenced
       * ```
       * üñí🦀
       *
       * Module `n.Do`, idempotent.
       * For example, 1 gives "*\/".
       */
    "#);
}

#[test]
fn descriptions_in_rust() {
    insta::assert_snapshot!(part(Language::Rust, &described(), "    /// Ends", "    pub async"), @r#"
    /// Ends """ and */ and \.
        ///
        /// let indented = code;
        /// \`\`\`
        /// fenced
        /// \`\`\`
        /// üñí🦀
        ///
        /// Module `n.Do`, idempotent.
        /// For example, 1 gives "*/".
    "#);
}

#[test]
fn each_namespace_has_a_file_and_a_class_of_its_own() {
    let names = ["a.b.M", "a-b.M", "a_b.M", "import.M", "index.M", "mod.M", "String.M"];
    let modules: Vec<_> = names.iter().map(|name| (*name, module("Int", "Int"))).collect();
    let paths =
        |language| files(language, &modules).iter().map(|(path, _)| path.to_owned()).collect::<Vec<_>>().join(" ");
    insta::assert_snapshot!(paths(Language::Python), @"__init__.py a_b.py a_b_2.py a_b_3.py import_.py index.py mod.py string.py");
    insta::assert_snapshot!(paths(Language::TypeScript), @"a_b.ts a_b_2.ts a_b_3.ts import.ts index.ts index_2.ts mod.ts string.ts");
    insta::assert_snapshot!(paths(Language::Rust), @"a_b.rs a_b_2.rs a_b_3.rs import.rs index.rs mod.rs mod_.rs string.rs");
    insta::assert_snapshot!(text(&files(Language::Rust, &modules), "mod.rs"), @"
    //! Typed bindings, a module a namespace. This file is named so that the directory is complete in itself: `mod bindings;` takes it in.
    //!
    //! Generated by `modrack codegen`; not to be edited.
    #![allow(dead_code, missing_docs, unreachable_pub, unused_imports, clippy::all, clippy::pedantic, rustdoc::all)]

    #[rustfmt::skip]
    pub mod string;
    pub use self::string::String_2;

    #[rustfmt::skip]
    pub mod a_b;
    pub use self::a_b::AB;

    #[rustfmt::skip]
    pub mod a_b_2;
    pub use self::a_b_2::AB as AB_2;

    #[rustfmt::skip]
    pub mod a_b_3;
    pub use self::a_b_3::AB as AB_3;

    #[rustfmt::skip]
    pub mod import;
    pub use self::import::Import;

    #[rustfmt::skip]
    pub mod index;
    pub use self::index::Index;

    #[rustfmt::skip]
    pub mod mod_;
    pub use self::mod_::Mod;
    ");
}

#[test]
fn every_file_carries_the_mark_in_its_head_and_is_the_same_each_time() {
    for language in [Language::Python, Language::TypeScript, Language::Rust] {
        let modules = [("n.Do", described()), ("m.Do", streaming())];
        let made = files(language, &modules);
        assert_eq!(made, files(language, &modules));
        for (path, content) in made.iter() {
            assert!(String::from_utf8_lossy(&content[..300.min(content.len())]).contains(MARK), "{path}");
        }
    }
}
