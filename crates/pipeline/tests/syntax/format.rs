//! The canonical form.

use pipeline::{Code, format};

#[test]
fn a_source_gets_its_canonical_form() {
    let source = r##"
#Header stays as it is.   
in   text:String   # behind
@example( "a" )@example({a:1,b:[1,2,],}) in o : { a:Int,b:List<Int>, }
use   a.b   as   c


# about x
x=F(text,n:-1)with retry:3,timeout:5s,lazy
y = a . b [ c ,d ] { e } ?? - 1
z = if(a)1 else if (b) 2 else 3 w = branch{a->1,otherwise->2}
s = "a  ${  b+1  }  ${match a {_->1}}"
f = ( a,b : Int )=>a*( b+1 )
type U=A+{b:Int}|C<D>
m = match a { {b,c}->b,is A->not c,_->d when e }
out   x out y
"##;
    insta::assert_snapshot!(format(source).unwrap(), @r#"
    #Header stays as it is.
    in text: String # behind
    @example("a")
    @example({ a: 1, b: [1, 2] })
    in o: { a: Int, b: List<Int> }
    use a.b as c

    # about x
    x = F(text, n: -1) with retry: 3, timeout: 5s, lazy
    y = a.b[c, d]{e} ?? -1
    z = if (a) 1 else if (b) 2 else 3
    w = branch {
      a -> 1,
      otherwise -> 2,
    }
    s = "a  ${b + 1}  ${match a { _ -> 1 }}"
    f = (a, b: Int) => a * (b + 1)
    type U = A + { b: Int } | C<D>
    m = match a {
      { b, c } -> b,
      is A -> not c,
      _ -> d when e,
    }
    out x
    out y
    "#);
}

#[test]
fn what_does_not_fit_in_a_line_is_broken_item_by_item() {
    let long = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let source = format!(
        "a = F({long}, {long}, n: {long})
b = F({long}) with retry: 3, timeout: 500ms, fallback: [{long}], cache: 5min, priority: background
c = [{{ {long}: 1, b: 2 }}, {{ {long}: 1, b: [{long}, {long}, {long}] }}]
d = {long} + {long} * {long} - {long}
e = if ({long} and {long}) {long} else {long}
f = map({long}, (x) => match x {{ is A -> F(x), _ -> {long} }})
g = \"{long} ${{F({long}, {long}, {long})}}\"
h = {long}.{long}[{long}, {long}]
i = ({long} + {long} + {long}).b
j = {long} when {long} ?? {long} when {long}
type T = {{ {long}: Int, b: List<{long}>, c: {long} | {long} }}
type U = {long} | {long} | {long}
@example({{ {long}: \"{long}\", b: \"{long}\" }})
in k: Map<{long}, {{ {long}: Int, b: String }}>
"
    );
    insta::assert_snapshot!(format(&source).unwrap(), @r#"
    a = F(
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
      n: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
    )
    b = F(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa) with
      retry: 3,
      timeout: 500ms,
      fallback: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa],
      cache: 5min,
      priority: background
    c = [
      { aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1, b: 2 },
      {
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1,
        b: [
          aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
          aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
          aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
        ],
      },
    ]
    d = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      + aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa * aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      - aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    e = if (aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa and aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    else
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    f = map(
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
      (x) => match x {
        is A -> F(x),
        _ -> aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
      },
    )
    g = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ${F(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)}"
    h = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa[
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    ]
    i = (
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        + aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        + aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    ).b
    j = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa when aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      ?? aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa when aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    type T = {
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: Int,
      b: List<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa>,
      c: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
    }
    type U = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    @example({
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      b: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    })
    in k: Map<
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
      { aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: Int, b: String }
    >
    "#);
}

#[test]
fn comments_stay_where_they_are() {
    let source = r##"# first

   # second
x = [ # behind the bracket
  a # behind a
  , b
  # alone


  # last
] # behind x
y = # behind equals
  F(a, # one
    b) # two
  with retry: 1 # three
  , lazy # four

# before z
z = { # open
}
u = a + # plus
  b
v = if (a) # then
  b else # otherwise
  c
m = match a { # arms
  # before the arm
  _ -> 1 # behind the arm
}
out # the output
  x
# end
"##;
    insta::assert_snapshot!(format(source).unwrap(), @r#"
    # first

    # second
    x = [ # behind the bracket
      a, # behind a
      b,
      # alone
      # last
    ] # behind x
    y = # behind equals
      F(
        a, # one
        b,
      ) # two
      with
        retry: 1, # three
        lazy # four

    # before z
    z = { # open
    }
    u = a
      + # plus
      b
    v = if (a) # then
      b
    else # otherwise
      c
    m = match a { # arms
      # before the arm
      _ -> 1, # behind the arm
    }
    out # the output
      x
    # end
    "#);
}

#[test]
fn line_feeds_are_one_form_and_empty_lines_at_most_one() {
    assert_eq!(format("\u{feff}\r\n\r\nout x\r\n\r\n\r\n\r\nout y # c\r\n"), Ok("out x\n\nout y # c\n".to_owned()));
    assert_eq!(format(""), Ok(String::new()));
    assert_eq!(format("\n \n"), Ok(String::new()));
    assert_eq!(format("# a  "), Ok("# a\n".to_owned()));
    assert_eq!(format("# a\n\n\n# b\nout x"), Ok("# a\n\n# b\nout x\n".to_owned()));
}

#[test]
fn a_string_is_left_as_it_is() {
    let source = "x = \"a   \n    b\\u{e9}  \\n${\"c  \"}\"\n".replace("\\u{e9}", "\u{e9}");
    assert_eq!(format(&source).as_deref(), Ok(source.as_str()));
}

#[test]
fn what_does_not_parse_is_not_touched() {
    let faults = format("x = )").unwrap_err();
    assert_eq!(faults[0].code, Code::UnexpectedToken);
    let faults = format("@source(a) in x: Int").unwrap_err();
    assert_eq!(faults[0].code, Code::Streaming);
    // It has its form without an output, and while one is being written.
    assert_eq!(format("x=1").as_deref(), Ok("x = 1\n"));
}
