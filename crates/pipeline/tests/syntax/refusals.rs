//! What is refused, and all that a person reads then.

use pipeline::diagnostic::render;
use pipeline::{Code, parse};

/// The whole text about the faults of a source, which are all of one code.
fn check(code: Code, source: &str) -> String {
    let faults = parse(source).diagnostics;
    assert!(!faults.is_empty(), "{source}");
    assert!(faults.iter().all(|fault| fault.code == code), "{faults:?}");
    render("a.cst", source, &faults, false)
}

/// The codes and places of all faults, with the text at the place.
fn places(source: &str) -> Vec<(&'static str, &str)> {
    parse(source).diagnostics.iter().map(|fault| (fault.code.as_str(), &source[fault.span.range()])).collect()
}

#[test]
fn a_parse_error_says_what_cannot_be() {
    let source = r#"a = "open
b = "\q ${c"
d = 1_000 + 9223372036854775808
e = branch { a -> 1 }
f = F(n: 1, 2) with timeout: 99999999999999999999s
"#;
    insta::assert_snapshot!(check(Code::ParseError, source), @r#"
    error[E020]: the string has no end
     --> a.cst:1:5
      |
    1 | a = "open
      |     ^^^^^ expected `"` behind it

    error[E020]: `\q` is no escape
     --> a.cst:2:6
      |
    2 | b = "\q ${c"
      |      ^^ unknown escape
      |
      = help: there are `\n`, `\t`, `\r`, `\\`, `\"` and `\$`

    error[E020]: the interpolation has no end
     --> a.cst:2:9
      |
    2 | b = "\q ${c"
      |         ^^ expected `}` behind it

    error[E020]: `1_000` is no number
     --> a.cst:3:5
      |
    3 | d = 1_000 + 9223372036854775808
      |     ^^^^^ no number
      |
      = help: digits have no `_` between them

    error[E020]: `9223372036854775808` is out of the range of an Int
     --> a.cst:3:13
      |
    3 | d = 1_000 + 9223372036854775808
      |             ^^^^^^^^^^^^^^^^^^^ out of range
      |
      = help: an Int is at least -9223372036854775808 and at most 9223372036854775807

    error[E020]: the branch has no `otherwise`
     --> a.cst:4:5
      |
    4 | e = branch { a -> 1 }
      |     ^^^^^^ without a value where no condition is true
      |
      = help: end it with `otherwise -> value`

    error[E020]: a positional argument stands behind a named one
     --> a.cst:5:13
      |
    5 | f = F(n: 1, 2) with timeout: 99999999999999999999s
      |       -     ^ positional
      |       |
      |       named
      |
      = help: put positional arguments first, or name this one too

    error[E020]: `99999999999999999999s` is out of the range of a duration
     --> a.cst:5:30
      |
    5 | f = F(n: 1, 2) with timeout: 99999999999999999999s
      |                              ^^^^^^^^^^^^^^^^^^^^^ out of range
      |
      = help: a duration has at most 18446744073709551615 seconds

    error[E020]: the pipeline has no output
     --> a.cst:5:51
      |
    5 | f = F(n: 1, 2) with timeout: 99999999999999999999s
      |                                                   ^ expected `out name`
      |
      = help: name at least one binding or input that the pipeline puts out: `out name`
    "#);
}

#[test]
fn an_unexpected_token_says_what_is_expected() {
    let source = "let a = 1;
b = F(x y, z
c = a < b < 2
d = match r.f { is A => 1 }
e = { type: 1, f = 2 }
g = 5s
h = if (a = 1) 2 else 3
i = xs[0]
j = a && not b
k = v with retry: 1
l =
out m = 3
in n Int
";
    insta::assert_snapshot!(check(Code::UnexpectedToken, source), @r#"
    error[E021]: expected `=`, found `a`
     --> a.cst:1:5
      |
    1 | let a = 1;
      |     ^ expected `=`
      |
      = help: a binding begins with its name: `name = value`

    error[E021]: expected an operator or the next declaration, found `;`
     --> a.cst:1:10
      |
    1 | let a = 1;
      |          ^ expected an operator or the next declaration
      |
      = help: declarations and fields have no `;`: leave it out

    error[E021]: expected `,` or `)`, found `y`
     --> a.cst:2:9
      |
    2 | b = F(x y, z
      |         ^ expected `,` or `)`

    error[E021]: expected `)`, found `c`
     --> a.cst:2:13
      |
    2 | b = F(x y, z
      |      -      ^ expected `)`
      |      |
      |      opened here

    error[E021]: comparisons do not chain
     --> a.cst:3:11
      |
    3 | c = a < b < 2
      |           ^ a second one
      |
      = help: compare twice: `a < b and b < c`

    error[E021]: only a name or a call can be matched as it is
     --> a.cst:4:12
      |
    4 | d = match r.f { is A => 1 }
      |            ^ goes on here
      |
      = help: put what is matched in parentheses: `match (a.b) { … }`

    error[E021]: expected `->`, found `=>`
     --> a.cst:4:22
      |
    4 | d = match r.f { is A => 1 }
      |                      ^^ expected `->`

    error[E021]: `type` is a reserved word and cannot be the name of a field
     --> a.cst:5:7
      |
    5 | e = { type: 1, f = 2 }
      |       ^^^^ a reserved word

    error[E021]: expected `:`, found `=`
     --> a.cst:5:18
      |
    5 | e = { type: 1, f = 2 }
      |                  ^ expected `:`
      |
      = help: a name and its value have `:` between them

    error[E021]: the duration `5s` stands outside an option
     --> a.cst:6:5
      |
    6 | g = 5s
      |     ^^ no expression
      |
      = help: durations are values of options: `with timeout: 5s`

    error[E021]: expected an operator, found `=`
     --> a.cst:7:11
      |
    7 | h = if (a = 1) 2 else 3
      |           ^ expected an operator
      |
      = help: `=` binds a name; equality is `==`

    error[E021]: expected the name of a field, found `0`
     --> a.cst:8:8
      |
    8 | i = xs[0]
      |        ^ expected the name of a field

    error[E021]: expected an operator or the next declaration, found `&&`
     --> a.cst:9:7
      |
    9 | j = a && not b
      |       ^^ expected an operator or the next declaration
      |
      = help: write `and`

    error[E021]: options stand behind something that is no call
      --> a.cst:10:7
       |
    10 | k = v with retry: 1
       |       ^^^^ no call in front of it
       |
       = help: options belong to a call: `F(x) with retry: 3`

    error[E021]: expected an expression, found `out`
      --> a.cst:11:4
       |
    11 | l =
       |    ^ expected an expression

    error[E021]: expected the next declaration, found `=`
      --> a.cst:12:7
       |
    12 | out m = 3
       |       ^ expected the next declaration
       |
       = help: bind the value first: `name = value`, then `out name`

    error[E021]: expected `:`, found `Int`
      --> a.cst:13:6
       |
    13 | in n Int
       |      ^^^ expected `:`
    "#);
}

#[test]
fn a_streaming_construct_is_told_in_its_own_words() {
    let source = "@source(\"kafka://orders\") in order: String
@sink(\"x\") out total
total = F(order) with window: tumbling(5min, 1min), retry: 2
joined = [F(order) with join: a by b, G(order) with checkpoint: 30s]
";
    insta::assert_snapshot!(check(Code::Streaming, source), @r#"
    error[E040]: `@source` belongs to streaming pipelines, which Modrack does not run
     --> a.cst:1:1
      |
    1 | @source("kafka://orders") in order: String
      | ^^^^^^^ a streaming construct
      |
      = help: leave it out: a pipeline takes its inputs once and puts its outputs out once

    error[E040]: `@sink` belongs to streaming pipelines, which Modrack does not run
     --> a.cst:2:1
      |
    2 | @sink("x") out total
      | ^^^^^ a streaming construct
      |
      = help: leave it out: a pipeline takes its inputs once and puts its outputs out once

    error[E040]: the option `window` belongs to streaming pipelines, which Modrack does not run
     --> a.cst:3:23
      |
    3 | total = F(order) with window: tumbling(5min, 1min), retry: 2
      |                       ^^^^^^ a streaming construct
      |
      = help: leave it out: a pipeline takes its inputs once and puts its outputs out once

    error[E040]: the option `join` belongs to streaming pipelines, which Modrack does not run
     --> a.cst:4:25
      |
    4 | joined = [F(order) with join: a by b, G(order) with checkpoint: 30s]
      |                         ^^^^ a streaming construct
      |
      = help: leave it out: a pipeline takes its inputs once and puts its outputs out once

    error[E040]: the option `checkpoint` belongs to streaming pipelines, which Modrack does not run
     --> a.cst:4:53
      |
    4 | joined = [F(order) with join: a by b, G(order) with checkpoint: 30s]
      |                                                     ^^^^^^^^^^ a streaming construct
      |
      = help: leave it out: a pipeline takes its inputs once and puts its outputs out once
    "#);
    // What stands beside the construct is read.
    let read = crate::shape::shape(&parse(source).file);
    insta::assert_snapshot!(read, @r#"
    in order: String
    out total
    total = <F(order) with retry: 2>
    joined = [F(order), G(order)]
    "#);
}

#[test]
fn all_faults_of_a_file_are_told_in_one_go_at_their_places() {
    let source = "in a: List<
b = (1 +
c = [1, 2
d = F(,)
e = \"x
f = 1 2
g = r.
out
out g
";
    assert_eq!(
        places(source),
        [
            ("E021", ""),
            ("E021", ""),
            ("E021", ""),
            ("E021", ","),
            ("E020", "\"x"),
            ("E021", "2"),
            ("E021", ""),
            ("E021", "")
        ]
    );
    // Each of them declares its name all the same.
    assert_eq!(
        crate::shape::shape(&parse(source).file),
        "in a: List<?>\nb = (1 + ?)\nc = [1, 2]\nd = F()\ne = str(\"x\")\nf = 1\ng = ?\nout g\n"
    );
}

#[test]
fn a_source_without_output_is_refused_at_its_end() {
    assert_eq!(places(""), [("E020", "")]);
    assert_eq!(places("a = 1"), [("E020", "")]);
    assert_eq!(places("out"), [("E021", "")]);
}
