//! Lambdas over lists: how many elements run at once, in which order, and which are given up.

use pipeline::run::Options;
use serde_json::{Value, json};

use crate::support::World;

const NUMBER: &str = "{n: Int} -> Int";
const BOOL: &str = "{n: Int} -> Bool";

fn numbers(n: usize) -> Value {
    json!((0..n).collect::<Vec<_>>())
}

#[test]
fn ten_thousand_elements_run_at_most_concurrency_at_once() {
    let source = "in l: List<Int>\nx = map(l, (n) => Next(n) with concurrency: 8)\nout x";
    let mut run = World::new().holds("data.Next", NUMBER).start(source, json!({"l": numbers(10_000)}));
    let mut answered = 0;
    let outcome = loop {
        if let Some(ran) = run.settle() {
            break run.json(&ran);
        }
        // The last of those in flight, so that the first of the list waits while others come and go.
        let held = run.held();
        assert!(held.len() <= 8);
        let (module, input) = held.last().cloned().unwrap();
        run.answer_to(&module, &input, Ok(json!(input["n"].as_i64().unwrap() + 1)));
        answered += 1;
    };
    assert_eq!(outcome, Ok(json!({"x": (1..=10_000).collect::<Vec<_>>()})));
    assert_eq!((answered, run.in_flight()), (10_000, (0, 8)));
}

#[test]
fn the_option_of_the_run_bounds_what_no_concurrency_does() {
    let source = "in l: List<Int>\nx = map(l, (n) => Next(n))\nout x";
    let options = Options { each_concurrency: 3, ..Options::default() };
    let mut run = World::new().holds("data.Next", NUMBER).start_with(source, json!({"l": numbers(9)}), options);
    assert!(run.settle().is_none());
    assert_eq!(run.held().len(), 3);
    run.answer("data.Next", Ok(json!(0)));
    assert!(run.settle().is_none());
    assert_eq!((run.held().len(), run.called().len()), (3, 4));
}

#[test]
fn calls_of_a_map_are_among_many_and_others_are_not() {
    let source = "in l: List<Int>
        a = map(l, (n) => Next(n))
        b = Next(1)
        c = fold(l, 0, (so_far, n) => Next(so_far + n))
        out a\nout b\nout c";
    let among = |list: Value| {
        let world = World::new().answers("data.Next", NUMBER, |input| Ok(input["n"].clone()));
        let mut run = world.start(source, json!({"l": list}));
        run.finish().unwrap();
        run.seen().iter().filter(|seen| seen.among_many).count()
    };
    assert_eq!(among(json!([1, 2, 3])), 3);
    assert_eq!(among(json!([1])), 0, "one element is not many");
}

#[test]
fn fold_takes_one_element_after_the_other() {
    let source = "x = fold([1, 2, 3], 0, (so_far, n) => Next(so_far * 10 + n))\nout x";
    let mut run = World::new().holds("data.Next", NUMBER).start(source, json!({}));
    for expected in [1, 12, 123] {
        assert!(run.settle().is_none());
        assert_eq!(run.held(), [("data.Next".to_owned(), json!({"n": expected}))]);
        run.answer("data.Next", Ok(json!(expected)));
    }
    assert_eq!(run.finish(), Ok(json!({"x": 123})));
}

#[test]
fn any_and_all_end_with_the_element_that_decides_and_cancel_the_rest() {
    for (function, decides) in [("any", true), ("all", false)] {
        let source = format!("x = {function}([1, 2, 3], (n) => Yes(n))\ny = Next(5)\nout x\nout y");
        let world = World::new().holds("data.Yes", BOOL).holds("data.Next", NUMBER);
        let mut run = world.start(&source, json!({}));
        assert!(run.settle().is_none());
        run.answer_to("data.Yes", &json!({"n": 2}), Ok(json!(decides)));
        assert!(run.settle().is_none());
        assert_eq!(run.held(), [("data.Next".to_owned(), json!({"n": 5}))], "the others were given up");
        let cancelled = run.events().iter().filter(|event| event.ends_with("cancelled")).count();
        assert_eq!((cancelled, run.dropped().len()), (2, 2));
        run.answer("data.Next", Ok(json!(6)));
        let ran = run.end();
        assert_eq!(run.json(&ran), Ok(json!({"x": decides, "y": 6})));
        assert_eq!(ran.record.sites.iter().map(|site| site.calls).collect::<Vec<_>>(), [3, 1]);
    }
}

#[test]
fn any_and_all_wait_for_all_where_none_decides() {
    for (function, goes_on) in [("any", false), ("all", true)] {
        let world = World::new().answers("data.Yes", BOOL, move |_| Ok(json!(goes_on)));
        let source = format!("x = {function}([1, 2, 3], (n) => Yes(n))\nout x");
        assert_eq!(world.outcome(&source, json!({})), Ok(json!({"x": goes_on})));
    }
}

#[test]
fn filter_and_sort_by_keep_the_order_whatever_answers_first() {
    let source = "in l: List<Int>
        kept = filter(l, (n) => Yes(n))
        sorted = sort-by(l, (n) => Next(n))
        out kept\nout sorted";
    let world = World::new().holds("data.Yes", BOOL).holds("data.Next", NUMBER);
    let mut run = world.start(source, json!({"l": [3, 1, 4, 1, 5]}));
    let outcome = loop {
        if let Some(ran) = run.settle() {
            break run.json(&ran);
        }
        let (module, input) = run.held().last().cloned().unwrap();
        let n = input["n"].as_i64().unwrap();
        run.answer_to(&module, &input, Ok(if module == "data.Yes" { json!(n != 1) } else { json!(n / 3) }));
    };
    assert_eq!(outcome, Ok(json!({"kept": [3, 4, 5], "sorted": [1, 1, 3, 4, 5]})));
}

#[test]
fn sort_by_is_stable_over_a_thousand_equal_keys() {
    let rows: Vec<Value> = (0..1000).map(|i| json!({"k": i % 3, "i": i})).collect();
    let source = "in rows: List<{k: Int, i: Int}>\nx = sort-by(rows, (r) => r.k).i\nout x";
    let mut expected: Vec<i64> = (0..1000).collect();
    expected.sort_by_key(|i| i % 3);
    assert_eq!(World::new().outcome(source, json!({"rows": rows})), Ok(json!({"x": expected})));
}

#[test]
fn lambdas_in_lambdas_capture_through_both() {
    let source = "in l: List<Int>
        k = Next(10)
        x = map(l, (a) => fold(map(l, (b) => Next(a * k + b)), a, (s, v) => s + v + k))
        out x";
    let world = World::new().answers("data.Next", NUMBER, |input| Ok(json!(input["n"].as_i64().unwrap() + 1)));
    let value = |a: i64| [1, 2].iter().fold(a, |s, b| s + (a * 11 + b + 1) + 11);
    assert_eq!(world.outcome(source, json!({"l": [1, 2]})), Ok(json!({"x": [value(1), value(2)]})));
}

#[test]
fn a_map_of_maps_is_bounded_at_each_level() {
    let source = "in l: List<Int>\nx = map(l, (a) => map(l, (b) => Next(a + b)))\nout x";
    let options = Options { each_concurrency: 2, ..Options::default() };
    let mut run = World::new().holds("data.Next", NUMBER).start_with(source, json!({"l": numbers(5)}), options);
    assert!(run.settle().is_none());
    assert_eq!(run.held().len(), 4);
}

#[test]
fn the_elements_of_lambdas_in_lambdas_do_not_multiply_without_bound() {
    let source = "in l: List<Int>
        x = map(l, (a) => map(l, (b) => map(l, (c) => list-sum(map(l, (d) => Next(a + b + c + d))))))
        out x";
    let mut run = World::new().holds("data.Next", NUMBER).start(source, json!({"l": numbers(20)}));
    assert!(run.settle().is_none());
    let held = run.held().len();
    assert!((1_000..10_000).contains(&held), "{held}");
    let world = World::new().answers("data.Next", NUMBER, |input| Ok(input["n"].clone()));
    let mut run = world.start(source, json!({"l": numbers(9)}));
    let sum = |a: i64, b: i64, c: i64| (0..9).map(|d| a + b + c + d).sum::<i64>();
    let expected: Vec<Vec<Vec<i64>>> =
        (0..9).map(|a| (0..9).map(|b| (0..9).map(|c| sum(a, b, c)).collect()).collect()).collect();
    assert_eq!(run.finish(), Ok(json!({"x": expected})));
    assert_eq!(run.seen().len(), 6561);
}

#[test]
fn what_a_guard_gives_up_is_cancelled() {
    // The failure of one element is the failure of the map, which the guard catches.
    let source = "x = map([1, 2, 3], (n) => Next(n)) with fallback: [0]\nout x";
    let mut run = World::new().holds("data.Next", NUMBER).start(source, json!({}));
    assert!(run.settle().is_none());
    run.answer_to("data.Next", &json!({"n": 2}), Err("data.broken"));
    assert_eq!(run.finish(), Ok(json!({"x": [0]})));
    assert_eq!(run.dropped().len(), 2);
}
