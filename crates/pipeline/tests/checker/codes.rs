//! Each code with its whole text, as a person sees it.

use crate::told;

/// Names the code and the source, so that the snapshots read as pages do.
macro_rules! code {
    ($name:ident, $source:expr, @$snapshot:literal) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(told($source), @$snapshot);
        }
    };
}

code!(e001_names_the_nearest_variable, "in text: String\nlength = string-length(txet)\nout length\n", @"
error[E001]: nothing here is called `txet`
 --> a.cst:2:24
  |
2 | length = string-length(txet)
  |                        ^^^^ not found
  |
  = help: did you mean `text`?
");
code!(e001_says_how_a_function_becomes_a_value, "in texts: List<String>\nupper = map(texts, Uppercase)\nx = Uppercase\nout upper\nout x\n", @"
error[E010]: `map` takes a lambda here
 --> a.cst:2:20
  |
2 | upper = map(texts, Uppercase)
  |                    ^^^^^^^^^ no lambda
  |
  = help: write `(item) => Uppercase(item)`

error[E001]: nothing here is called `Uppercase`
 --> a.cst:3:5
  |
3 | x = Uppercase
  |     ^^^^^^^^^ not found
  |
  = help: `Uppercase` is a function: call it, or give `(x) => Uppercase(x)`
");
code!(e001_says_how_to_subtract, "in last-day: Int\nin n: Int\na = last-day-1\nb = n-last-day\nout a\nout b\n", @"
error[E001]: nothing here is called `last-day-1`
 --> a.cst:3:5
  |
3 | a = last-day-1
  |     ^^^^^^^^^^ not found
  |
  = help: a hyphen belongs to a name; to subtract, write `last-day - 1`

error[E001]: nothing here is called `n-last-day`
 --> a.cst:4:5
  |
4 | b = n-last-day
  |     ^^^^^^^^^^ not found
  |
  = help: a hyphen belongs to a name; to subtract, write `n - last-day`
");
code!(e002_names_the_nearest_module, "in text: String\nupper = Upercase(text)\nout upper\n", @"
error[E002]: no module is called `Upercase`
 --> a.cst:2:9
  |
2 | upper = Upercase(text)
  |         ^^^^^^^^ not found
  |
  = help: did you mean `Uppercase`?
");
code!(e002_names_the_nearest_module_of_the_namespace, "in text: String\nupper = text.Uppercas(text)\nother = ml.Replace(text, text, text)\nout upper\nout other\n", @"
error[E002]: the namespace `text` has no module `Uppercas`
 --> a.cst:2:14
  |
2 | upper = text.Uppercas(text)
  |              ^^^^^^^^ not found
  |
  = help: did you mean `Uppercase`?

error[E002]: the namespace `ml` has no module `Replace`
 --> a.cst:3:12
  |
3 | other = ml.Replace(text, text, text)
  |            ^^^^^^^ not found
  |
  = help: there is `text.Replace`
");
code!(e002_says_that_a_value_cannot_be_called, "in scale: Float\nx = scale(2)\nout x\n", @"
error[E002]: no module is called `scale`
 --> a.cst:2:5
  |
1 | in scale: Float
  |    ----- `scale` is a value, which cannot be called
2 | x = scale(2)
  |     ^^^^^ not found
");
code!(e003_names_the_nearest_type, "type Order = { id: Int }\nin order: Oder\nin name: Sting\nin thing: Whatever\nid = order.id\nout id\nout name\nout thing\n", @"
error[E003]: no type is called `Oder`
 --> a.cst:2:11
  |
2 | in order: Oder
  |           ^^^^ not found
  |
  = help: did you mean `Order`?

error[E003]: no type is called `Sting`
 --> a.cst:3:10
  |
3 | in name: Sting
  |          ^^^^^ not found
  |
  = help: did you mean `String`?

error[E003]: no type is called `Whatever`
 --> a.cst:4:11
  |
4 | in thing: Whatever
  |           ^^^^^^^^ not found
  |
  = help: declare it: `type Whatever = { field: String }`
");
code!(e004_names_the_nearest_namespace, "use txet\nin order: Int\nn = stdlib.lists.list-length([1])\nm = nlp.Score(\"a\")\nout n\nout m\n", @"
error[E004]: no module is in the namespace `txet`
 --> a.cst:1:5
  |
1 | use txet
  |     ^^^^ not found
  |
  = help: did you mean `text`?

error[E004]: no module is in the namespace `stdlib.lists`
 --> a.cst:3:5
  |
3 | n = stdlib.lists.list-length([1])
  |     ^^^^^^^^^^^^ not found
  |
  = help: did you mean `stdlib.list`?
");
code!(e004_says_that_a_value_has_no_functions, "in order: { id: Int }\nid = order.trim()\nout id\n", @"
error[E004]: no module is in the namespace `order`
 --> a.cst:2:6
  |
1 | in order: { id: Int }
  |    ----- `order` is a value, which has no functions
2 | id = order.trim()
  |      ^^^^^ not found
  |
  = help: give it as an argument: `trim(order)`
");
code!(e005_lists_the_candidates, "in text: String\nvector = Embed(text)\nout vector\n", @"
error[E005]: `Embed` may mean `legacy.Embed` or `ml.Embed`
 --> a.cst:2:10
  |
2 | vector = Embed(text)
  |          ^^^^^ 2 functions have this name
  |
  = help: write the one that is meant with its namespace, e.g. `legacy.Embed(…)`
");
code!(e006_names_the_field_that_is_not_there, "in order: { id: Int, title: String }\nin n: Int\na = order[id, titel]\nb = order{ id, id }\nc = n[id]\nout a\nout b\nout c\n", @"
error[E006]: {id: Int, title: String} has no field `titel`
 --> a.cst:3:15
  |
3 | a = order[id, titel]
  |               ^^^^^ no such field
  |
  = help: did you mean `title`?

error[E006]: the field `id` is projected twice
 --> a.cst:4:16
  |
4 | b = order{ id, id }
  |            --  ^^ named again
  |            |
  |            named first here

error[E006]: only records have fields, not Int
 --> a.cst:5:7
  |
5 | c = n[id]
  |       ^^ of Int
");
code!(e007_names_the_nearest_field, "in order: { id: Int, title: String }\nin found: Option<{ id: Int }>\na = order.titel\nb = order.x\nc = found.id\nout a\nout b\nout c\n", @"
error[E007]: {id: Int, title: String} has no field `titel`
 --> a.cst:3:11
  |
3 | a = order.titel
  |           ^^^^^ no such field
  |
  = help: did you mean `title`?

error[E007]: {id: Int, title: String} has no field `x`
 --> a.cst:4:11
  |
4 | b = order.x
  |           ^ no such field
  |
  = help: it has `id`, `title`

error[E007]: only records have fields, not Option<{id: Int}>
 --> a.cst:5:11
  |
5 | c = found.id
  |           ^^ of Option<{id: Int}>
  |
  = help: give what stands in for None first: `(value ?? default).field`
");
code!(e007_says_which_pattern_of_fields_never_matches, "shape = Shape(\"box\")\narea = match shape { { radus } -> radus, _ -> 0.0 }\nout area\n", @"
error[E007]: {radius: Float} | {width: Float, height: Float} | String has no case with the fields `radus`
 --> a.cst:2:22
  |
2 | area = match shape { { radus } -> radus, _ -> 0.0 }
  |                      ^^^^^^^^^ never matches
  |
  = help: did you mean `radius`?
");
code!(e010_says_what_is_wanted_and_what_is_there, "in text: String\na = Average(text)\nb = Price({ id: 1, tags: [1] })\nc = Price({ id: 1, tag: [] })\nout a\nout b\nout c\n", @r#"
error[E010]: argument `numbers` of `data.Average` must be List<Int>, not String
 --> a.cst:2:13
  |
2 | a = Average(text)
  |             ^^^^ this is String

error[E010]: each item of this list must be String, not Int
 --> a.cst:3:27
  |
3 | b = Price({ id: 1, tags: [1] })
  |                           ^ this is Int
  |
  = help: convert it: `to-string(…)` or `"${…}"`

error[E010]: argument `order` of `shop.Price` must be {id: Int, tags: List<String>}, and the field `tags` is missing
 --> a.cst:4:11
  |
4 | c = Price({ id: 1, tag: [] })
  |           ^^^^^^^^^^^^^^^^^^ without `tags`
  |
  = help: did you mean `tags` where `tag` stands?
"#);
code!(e010_says_how_to_convert, "in n: Int\nin f: Float\nin found: Option<String>\na = Scale(n, f)\nb = list-contains([1, 2], f)\nc = Uppercase(n)\nd = Uppercase(found)\nout a\nout b\nout c\nout d\n", @r#"
error[E010]: argument `value` of `data.Scale` must be Float, not Int
 --> a.cst:4:11
  |
4 | a = Scale(n, f)
  |           ^ this is Int
  |
  = help: convert it: `to-float(…)`

error[E010]: argument `text` of `text.Uppercase` must be String, not Int
 --> a.cst:6:15
  |
6 | c = Uppercase(n)
  |               ^ this is Int
  |
  = help: convert it: `to-string(…)` or `"${…}"`

error[E010]: argument `text` of `text.Uppercase` must be String, not Option<String>
 --> a.cst:7:15
  |
7 | d = Uppercase(found)
  |               ^^^^^ this is Option<String>
  |
  = help: give what stands in for None: `value ?? default`
"#);
code!(e010_asks_for_the_type_of_an_empty_list, "xs = []\nout xs\n", @"
error[E010]: nothing here says what this list is a list of
 --> a.cst:1:6
  |
1 | xs = []
  |      ^^ an empty list takes its type from the context
  |
  = help: annotate it: an argument, a field or a lambda parameter `(list: List<String>) => …` with a type says it
");
code!(e010_shows_the_place_inside_a_value, "in order: { id: Int, tags: List<Int> }\nprice = Price(order)\nout price\n", @"
error[E010]: argument `order` of `shop.Price` must be {id: Int, tags: List<String>}, not {id: Int, tags: List<Int>}
 --> a.cst:2:15
  |
2 | price = Price(order)
  |               ^^^^^ this is {id: Int, tags: List<Int>}
  |
  = help: they differ at `.tags[]`: expected String, found Int
");
code!(e011_says_what_the_operator_takes, "in n: Int\nin text: String\na = n and true\nb = not text\nc = n ?? 1\nd = n when text\nout a\nout b\nout c\nout d\n", @"
error[E011]: an operand of `and` must be Bool, not Int
 --> a.cst:3:5
  |
3 | a = n and true
  |     ^ this is Int

error[E011]: an operand of `not` must be Bool, not String
 --> a.cst:4:9
  |
4 | b = not text
  |         ^^^^ this is String

error[E011]: the left side of `??` must be an Option, not Int
 --> a.cst:5:5
  |
5 | c = n ?? 1
  |     ^ this is Int, which is never None
  |
  = help: remove `?? …`

error[E011]: an operand of `when` must be Bool, not String
 --> a.cst:6:12
  |
6 | d = n when text
  |            ^^^^ this is String
");
code!(e012_says_what_can_be_merged, "in order: { id: Int }\nin orders: List<{ id: Int }>\na = order + 1\nb = order + orders\nc = orders + orders\nout a\nout b\nout c\n", @"
error[E012]: `+` merges a record, or each of a list, with a record, not {id: Int} with Int
 --> a.cst:3:11
  |
3 | a = order + 1
  |           ^ {id: Int} + Int

error[E012]: `+` merges a record, or each of a list, with a record, not {id: Int} with List<{id: Int}>
 --> a.cst:4:11
  |
4 | b = order + orders
  |           ^ {id: Int} + List<{id: Int}>
  |
  = help: put the list on the left: its records get the fields of the one on the right

error[E012]: `+` merges a record, or each of a list, with a record, not List<{id: Int}> with List<{id: Int}>
 --> a.cst:5:12
  |
5 | c = orders + orders
  |            ^ List<{id: Int}> + List<{id: Int}>
  |
  = help: join lists by `list-concat(a, b)`
");
code!(e012_is_said_of_types_too, "type Both = { a: Int } + Int\nin both: Both\nout both\n", @"
error[E012]: `+` merges record types
 --> a.cst:1:26
  |
1 | type Both = { a: Int } + Int
  |                          ^^^ this is Int
");
code!(e013_says_what_can_be_compared, "in n: Int\nin f: Float\nin order: { id: Int }\na = n == f\nb = order < order\nc = n == \"1\"\nout a\nout b\nout c\n", @r#"
error[E013]: `==` compares two values of one type, not Int and Float
 --> a.cst:4:7
  |
4 | a = n == f
  |     - ^^ - this is Float
  |     | |
  |     | cannot be compared
  |     this is Int
  |
  = help: convert it: `to-float(…)`

error[E013]: `<` compares two Ints, two Floats or two Strings, not {id: Int} and {id: Int}
 --> a.cst:5:11
  |
5 | b = order < order
  |     ----- ^ ----- this is {id: Int}
  |     |     |
  |     |     cannot be compared
  |     this is {id: Int}

error[E013]: `==` compares two values of one type, not Int and String
 --> a.cst:6:7
  |
6 | c = n == "1"
  |     - ^^ --- this is String
  |     | |
  |     | cannot be compared
  |     this is Int
  |
  = help: convert it: `to-string(…)` or `"${…}"`
"#);
code!(e014_says_how_to_convert_numbers, "in n: Int\nin f: Float\nin text: String\na = n + f\nb = text + text\nc = -text\nd = list-sum([text])\nout a\nout b\nout c\nout d\n", @r#"
error[E014]: `+` takes two Ints or two Floats, not Int and Float
 --> a.cst:4:7
  |
4 | a = n + f
  |     - ^ - this is Float
  |     | |
  |     | not two numbers of one type
  |     this is Int
  |
  = help: convert the left side by `to-float(…)`, or the right side by `to-int(…)`

error[E014]: `+` takes two Ints or two Floats, not String and String
 --> a.cst:5:10
  |
5 | b = text + text
  |     ---- ^ ---- this is String
  |     |    |
  |     |    not two numbers of one type
  |     this is String
  |
  = help: put Strings together by `"${a}${b}"` or `concat(a, b)`

error[E014]: `-` takes a number, not String
 --> a.cst:6:6
  |
6 | c = -text
  |      ^^^^ this is String

error[E014]: `list-sum` takes a list of Ints or of Floats, not List<String>
 --> a.cst:7:14
  |
7 | d = list-sum([text])
  |              ^^^^^^ this is List<String>
"#);
code!(e016_says_what_the_option_takes, "in text: String\na = Uppercase(text) with retry: 1.5, timeout: 0s, backof: fixed, cache: 5min, cache_backend: \"dsk\", priority: hihg, on_error: ignore\nb = Uppercase(text) with throttle: 5, delay: 3, backoff: 2, concurrency: 0\nout a\nout b\n", @r#"
error[E016]: `retry` takes a whole number from 0 up
 --> a.cst:2:33
  |
2 | a = Uppercase(text) with retry: 1.5, timeout: 0s, backof: fixed, cache: 5min, cache_backend: "dsk", priority: hihg, on_error: ignore
  |                                 ^^^ not a whole number from 0 up
  |
  = help: e.g. `retry: 3`

error[E016]: `timeout` takes a duration above zero, a number with `ms`, `s`, `min`, `h` or `d`
 --> a.cst:2:47
  |
2 | a = Uppercase(text) with retry: 1.5, timeout: 0s, backof: fixed, cache: 5min, cache_backend: "dsk", priority: hihg, on_error: ignore
  |                                               ^^ not a duration above zero, a number with `ms`, `s`, `min`, `h` or `d`
  |
  = help: e.g. `timeout: 2s`

error[E016]: there is no option `backof`
 --> a.cst:2:51
  |
2 | a = Uppercase(text) with retry: 1.5, timeout: 0s, backof: fixed, cache: 5min, cache_backend: "dsk", priority: hihg, on_error: ignore
  |                                                   ^^^^^^ no such option
  |
  = help: did you mean `backoff`?

error[E016]: there is no cache `dsk`
 --> a.cst:2:94
  |
2 | a = Uppercase(text) with retry: 1.5, timeout: 0s, backof: fixed, cache: 5min, cache_backend: "dsk", priority: hihg, on_error: ignore
  |                                                                                              ^^^^^ not found
  |
  = help: did you mean `disk`?
  = help: the host has `disk` or `memory`

error[E016]: `priority` takes `critical`, `high`, `normal`, `low` or `background` or a whole number
 --> a.cst:2:111
  |
2 | a = Uppercase(text) with retry: 1.5, timeout: 0s, backof: fixed, cache: 5min, cache_backend: "dsk", priority: hihg, on_error: ignore
  |                                                                                                               ^^^^ none of these
  |
  = help: did you mean `high`?

error[E016]: `on_error` takes `propagate`, `skip`, `log` or `wrap`
 --> a.cst:2:127
  |
2 | a = Uppercase(text) with retry: 1.5, timeout: 0s, backof: fixed, cache: 5min, cache_backend: "dsk", priority: hihg, on_error: ignore
  |                                                                                                                               ^^^^^^ none of these

error[E016]: `throttle` takes a rate above zero, a number for each duration
 --> a.cst:3:36
  |
3 | b = Uppercase(text) with throttle: 5, delay: 3, backoff: 2, concurrency: 0
  |                                    ^ not a rate above zero, a number for each duration
  |
  = help: e.g. `throttle: 10/1s`

warning[W002]: `delay` does nothing without `retry`
 --> a.cst:3:39
  |
3 | b = Uppercase(text) with throttle: 5, delay: 3, backoff: 2, concurrency: 0
  |                                       ^^^^^^^^ no effect
  |
  = help: add `retry`, or remove it

error[E016]: `delay` takes a duration, a number with `ms`, `s`, `min`, `h` or `d`
 --> a.cst:3:46
  |
3 | b = Uppercase(text) with throttle: 5, delay: 3, backoff: 2, concurrency: 0
  |                                              ^ not a duration, a number with `ms`, `s`, `min`, `h` or `d`
  |
  = help: e.g. `delay: 2s`

warning[W002]: `backoff` does nothing without `retry`
 --> a.cst:3:49
  |
3 | b = Uppercase(text) with throttle: 5, delay: 3, backoff: 2, concurrency: 0
  |                                                 ^^^^^^^^^^ no effect
  |
  = help: add `retry`, or remove it

error[E016]: `backoff` takes `exponential`, `linear` or `fixed`
 --> a.cst:3:58
  |
3 | b = Uppercase(text) with throttle: 5, delay: 3, backoff: 2, concurrency: 0
  |                                                          ^ none of these

error[E016]: `concurrency` takes a whole number from 1 up
 --> a.cst:3:74
  |
3 | b = Uppercase(text) with throttle: 5, delay: 3, backoff: 2, concurrency: 0
  |                                                                          ^ not a whole number from 1 up
  |
  = help: e.g. `concurrency: 3`
"#);
code!(e017_says_what_type_the_fallback_has, "in text: String\nn = WordCount(text) with fallback: \"none\"\nout n\n", @r#"
error[E017]: the fallback must be Int, not String
 --> a.cst:2:36
  |
2 | n = WordCount(text) with fallback: "none"
  |                                    ^^^^^^ this is String
"#);
code!(e018_names_the_missing_variants, "type Circle = { radius: Float }\nshape = Shape(\"box\")\na = match shape { is Circle -> 1 }\nfound = Lookup(\"k\")\nb = match found { { id } -> id }\nloaded = Load(\"k\")\nc = match loaded { is Int -> 1 }\nout a\nout b\nout c\n", @"
error[E018]: the match of {radius: Float} | {width: Float, height: Float} | String leaves out `{width: Float, height: Float}`, `String`
 --> a.cst:3:11
  |
3 | a = match shape { is Circle -> 1 }
  |           ^^^^^ may be `{width: Float, height: Float}`, `String`
  |
  = help: add `is {width: Float, height: Float} -> …` or `is String -> …` or `_ -> …`

error[E018]: the match of Option<{id: Int, title: String}> leaves out `None`
 --> a.cst:5:11
  |
5 | b = match found { { id } -> id }
  |           ^^^^^ may be `None`
  |
  = help: add `_ -> …`

error[E018]: the match of Any leaves out any other value
 --> a.cst:7:11
  |
7 | c = match loaded { is Int -> 1 }
  |           ^^^^^^ may be any other value
  |
  = help: add `_ -> …`
");
code!(e019_says_which_argument_is_wrong, "in text: String\na = Replace(text, \"a\")\nb = Uppercase(text, text)\nc = Replace(text, fnd: \"a\", replace: \"b\")\nd = Uppercase(text, text: text)\ne = Replace(find: \"a\", \"b\", text)\nf = trim()\nout a\nout b\nout c\nout d\nout e\nout f\n", @r#"
error[E019]: the argument `replace` of `text.Replace` is missing
 --> a.cst:2:5
  |
2 | a = Replace(text, "a")
  |     ^^^^^^^ needs `replace`
  |
  = help: it is `text.Replace(text: String, find: String, replace: String) -> String`

error[E019]: `text.Uppercase` takes one argument
 --> a.cst:3:21
  |
3 | b = Uppercase(text, text)
  |                     ^^^^ one too many
  |
  = help: it is `text.Uppercase(text: String) -> String`

error[E019]: `text.Replace` has no parameter `fnd`
 --> a.cst:4:19
  |
4 | c = Replace(text, fnd: "a", replace: "b")
  |                   ^^^ no such parameter
  |
  = help: did you mean `find`?

error[E019]: the argument `text` is given twice
 --> a.cst:5:21
  |
5 | d = Uppercase(text, text: text)
  |               ----  ^^^^ given again
  |               |
  |               given first here

error[E019]: the argument `find` is given twice
 --> a.cst:6:13
  |
6 | e = Replace(find: "a", "b", text)
  |             ^^^^            ---- given first here
  |             |
  |             given again

error[E020]: a positional argument stands behind a named one
 --> a.cst:6:24
  |
6 | e = Replace(find: "a", "b", text)
  |             ---- named ^ positional
  |
  = help: put positional arguments first, or name this one too

error[E020]: a positional argument stands behind a named one
 --> a.cst:6:29
  |
6 | e = Replace(find: "a", "b", text)
  |             ---- named      ^^^^ positional
  |
  = help: put positional arguments first, or name this one too

error[E019]: the argument `value` of `trim` is missing
 --> a.cst:7:5
  |
7 | f = trim()
  |     ^^^^ needs `value`
  |
  = help: it is `stdlib.string.trim(value: String) -> String`
"#);
code!(e019_counts_the_parameters_of_a_lambda, "in xs: List<Int>\na = map(xs, (x, y) => x)\nb = fold(xs, 0, (x) => x)\nin m: Map<String>\nin l: Int<String>\nout a\nout b\nout m\nout l\n", @"
error[E019]: the lambda of `map` has one parameter
 --> a.cst:2:14
  |
2 | a = map(xs, (x, y) => x)
  |              ^^^^ this has 2

error[E019]: the lambda of `fold` has two parameters: what came so far, and the item
 --> a.cst:3:18
  |
3 | b = fold(xs, 0, (x) => x)
  |                  ^ this has 1

error[E019]: `Map` takes a key and a value in angle brackets, e.g. `Map<String, Int>`
 --> a.cst:4:7
  |
4 | in m: Map<String>
  |       ^^^^^^^^^^^ this has 1

error[E019]: `Int` takes no type in angle brackets
 --> a.cst:5:7
  |
5 | in l: Int<String>
  |       ^^^^^^^^^^^ this has 1
");
code!(e030_shows_both_places, "type T = Int\ntype T = String\ntype Int = String\nin a: { x: T, x: T }\na = 1\nuse text as t\nuse ml as t\nr = { k: 1, k: 2 }\nu = Uppercase(\"a\") with retry: 1, retry: 2\nin v: String | String\nout a\nout a\nout r\nout u\nout v\n", @r#"
error[E030]: the type `T` is declared twice
 --> a.cst:2:6
  |
1 | type T = Int
  |      - declared first here
2 | type T = String
  |      ^ declared again
  |
  = help: rename one of them

error[E030]: the type `Int` belongs to the language
 --> a.cst:3:6
  |
3 | type Int = String
  |      ^^^ declare it by another name

error[E030]: the field `x` is declared twice
 --> a.cst:4:15
  |
4 | in a: { x: T, x: T }
  |         -     ^ declared again
  |         |
  |         declared first here
  |
  = help: rename one of them

error[E030]: the name `a` is declared twice
 --> a.cst:5:1
  |
4 | in a: { x: T, x: T }
  |    - declared first here
5 | a = 1
  | ^ declared again
  |
  = help: rename one of them

error[E030]: the alias `t` is declared twice
 --> a.cst:7:11
  |
6 | use text as t
  |             - declared first here
7 | use ml as t
  |           ^ declared again
  |
  = help: rename one of them

error[E030]: the field `k` is declared twice
 --> a.cst:8:13
  |
8 | r = { k: 1, k: 2 }
  |       -     ^ declared again
  |       |
  |       declared first here
  |
  = help: rename one of them

error[E030]: the option `retry` is given twice
 --> a.cst:9:35
  |
9 | u = Uppercase("a") with retry: 1, retry: 2
  |                         --------  ^^^^^^^^ given again
  |                         |
  |                         given first here
  |
  = help: remove one of them

error[E030]: the union has this variant twice
  --> a.cst:10:16
   |
10 | in v: String | String
   |       ------   ^^^^^^ this is String
   |       |
   |       the same type stands here
   |
   = help: remove one of them; cases that hold the same type need records that tell them apart

error[E030]: the output `a` is declared twice
  --> a.cst:12:5
   |
11 | out a
   |     - declared first here
12 | out a
   |     ^ declared again
   |
   = help: rename one of them
"#);
code!(e031_shows_the_chain, "a = b + 1\nb = c + 1\nc = a + 1\nself = self\ntype Tree = { left: Branch, right: Branch }\ntype Branch = { tree: Tree }\nin tree: Tree\nout a\nout self\nout tree\n", @"
error[E031]: the value of `a` needs itself
 --> a.cst:1:1
  |
1 | a = b + 1
  | ^ the chain begins and ends here
2 | b = c + 1
  | - through `b`
3 | c = a + 1
  | - through `c`
  |
  = help: the chain is a → b → c → a

error[E031]: the value of `self` needs itself
 --> a.cst:4:1
  |
4 | self = self
  | ^^^^ needs itself
  |
  = help: the chain is self → self

error[E031]: the type `Tree` needs itself
 --> a.cst:5:6
  |
5 | type Tree = { left: Branch, right: Branch }
  |      ^^^^ the chain begins and ends here
6 | type Branch = { tree: Tree }
  |      ------ through `Branch`
  |
  = help: the chain is Tree → Branch → Tree
");
code!(e040_is_said_of_a_streaming_module, "ticks = Ticks(3)\nout ticks\n", @"
error[E040]: `live.Ticks` gives a stream of values, and a pipeline works on single ones
 --> a.cst:1:9
  |
1 | ticks = Ticks(3)
  |         ^^^^^ a streaming module
  |
  = help: call it by `modrack call`, or ask its author for a module that gives a list
");
code!(w001_tells_bindings_that_never_run, "in text: String\na = Uppercase(text)\nb = Uppercase(a)\nout text\n", @"
warning[W001]: no output needs `a`, so that it never runs
 --> a.cst:2:1
  |
2 | a = Uppercase(text)
  | ^ not needed
  |
  = help: remove it, or put it out: `out a`

warning[W001]: no output needs `b`, so that it never runs
 --> a.cst:3:1
  |
3 | b = Uppercase(a)
  | ^ not needed
  |
  = help: remove it, or put it out: `out b`
");
code!(w002_tells_options_that_do_nothing, "in text: String\na = Uppercase(text) with delay: 1s, backoff: linear, cache_backend: \"disk\", batch_timeout: 5ms, lazy: false\nb = Uppercase(text) with batch: 8\nc = trim(text) with timeout: 1s, retry: 2, fallback: \"\"\nout a\nout b\nout c\n", @r#"
warning[W002]: `delay` does nothing without `retry`
 --> a.cst:2:26
  |
2 | a = Uppercase(text) with delay: 1s, backoff: linear, cache_backend: "disk", batch_timeout: 5ms, lazy: false
  |                          ^^^^^^^^^ no effect
  |
  = help: add `retry`, or remove it

warning[W002]: `backoff` does nothing without `retry`
 --> a.cst:2:37
  |
2 | a = Uppercase(text) with delay: 1s, backoff: linear, cache_backend: "disk", batch_timeout: 5ms, lazy: false
  |                                     ^^^^^^^^^^^^^^^ no effect
  |
  = help: add `retry`, or remove it

warning[W002]: `cache_backend` does nothing without `cache`
 --> a.cst:2:54
  |
2 | a = Uppercase(text) with delay: 1s, backoff: linear, cache_backend: "disk", batch_timeout: 5ms, lazy: false
  |                                                      ^^^^^^^^^^^^^^^^^^^^^ no effect
  |
  = help: add `cache`, or remove it

warning[W002]: `batch_timeout` does nothing without `batch`
 --> a.cst:2:77
  |
2 | a = Uppercase(text) with delay: 1s, backoff: linear, cache_backend: "disk", batch_timeout: 5ms, lazy: false
  |                                                                             ^^^^^^^^^^^^^^^^^^ no effect
  |
  = help: add `batch`, or remove it

warning[W002]: `lazy: false` does nothing: a call runs when its value is needed
 --> a.cst:2:97
  |
2 | a = Uppercase(text) with delay: 1s, backoff: linear, cache_backend: "disk", batch_timeout: 5ms, lazy: false
  |                                                                                                 ^^^^^^^^^^^ no effect
  |
  = help: remove it

warning[W002]: `batch` does nothing here: `text.Uppercase` does not take several inputs at once
 --> a.cst:3:26
  |
3 | b = Uppercase(text) with batch: 8
  |                          ^^^^^^^^ no effect
  |
  = help: remove it, or ask the author for a batch handler

warning[W002]: `timeout` does nothing here: `trim` runs in the host
 --> a.cst:4:21
  |
4 | c = trim(text) with timeout: 1s, retry: 2, fallback: ""
  |                     ^^^^^^^^^^^ no effect
  |
  = help: remove it

warning[W002]: `retry` does nothing here: `trim` runs in the host
 --> a.cst:4:34
  |
4 | c = trim(text) with timeout: 1s, retry: 2, fallback: ""
  |                                  ^^^^^^^^ no effect
  |
  = help: remove it

warning[W002]: `fallback` does nothing here: `trim` never fails
 --> a.cst:4:44
  |
4 | c = trim(text) with timeout: 1s, retry: 2, fallback: ""
  |                                            ^^^^^^^^^^^^ no effect
  |
  = help: remove it
"#);
code!(w003_tells_arms_that_are_never_taken, "in shape: { radius: Float } | String\na = match shape { { radius } -> radius, is { radius: Float } -> 1.0, is String -> 2.0, _ -> 3.0 }\nout a\n", @"
warning[W003]: the arms before leave nothing for this one
 --> a.cst:2:41
  |
2 | a = match shape { { radius } -> radius, is { radius: Float } -> 1.0, is String -> 2.0, _ -> 3.0 }
  |                                         ^^^^^^^^^^^^^^^^^^^^ never taken
  |
  = help: remove it, or put it further up

warning[W003]: the arms before leave nothing for this one
 --> a.cst:2:88
  |
2 | a = match shape { { radius } -> radius, is { radius: Float } -> 1.0, is String -> 2.0, _ -> 3.0 }
  |                                                                                        ^ never taken
  |
  = help: remove it, or put it further up
");

#[test]
fn a_pipeline_without_output_is_refused_by_the_check_alone_too() {
    let file = pipeline::ast::File::default();
    let checked = pipeline::check(&file, &crate::catalog());
    assert_eq!(checked.plan, None);
    let told: Vec<String> = checked.diagnostics.iter().map(|said| format!("{} {}", said.code, said.message)).collect();
    assert_eq!(told, ["E020 a pipeline has at least one output"]);
}
