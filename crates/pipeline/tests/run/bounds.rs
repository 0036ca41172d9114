//! What a run may take: time at a stretch, bytes of a value, calls in a record.

use std::sync::Arc;

use pipeline::run::{Options, Program};
use serde_json::{Value, json};

use crate::support::{World, failure};

#[test]
fn a_value_larger_than_its_bound_is_refused_wherever_it_is_made() {
    let makers = [
        "concat(t, t)",
        "join([t, t], \"\")",
        "replace(t, \"x\", \"yy\")",
        "split(t, \"\")",
        "{a: t, b: t}",
        "[t, t]",
        "list-concat([t], [t])",
        "{a: t} + {b: t}",
        "[{a: t}, {a: \"\"}] + {b: t}",
        "map([1, 2], (n) => t)",
        "fold([1, 2, 3], t, (s, n) => concat(s, t))",
        "\"${t}${t}\"",
    ];
    for maker in makers {
        let source = format!("in t: String\nx = {maker}\nout x");
        let code = |value_bytes| {
            let options = Options { value_bytes, ..Options::default() };
            let mut run = World::new().start_with(&source, json!({"t": "x".repeat(600)}), options);
            run.finish().err().map(|failed| failed.code)
        };
        assert_eq!(code(1000).as_deref(), Some("pipeline.value.too_large"), "{maker}");
        assert_eq!(code(10_000), None, "{maker}");
    }
}

#[test]
fn doubling_ends_at_the_bound_and_not_with_the_memory() {
    let doubled: String = (1..60).map(|i| format!("x{i} = concat(x{0}, x{0})\n", i - 1)).collect();
    let source = format!("in x0: String\n{doubled}out x59");
    let outcome = World::new().outcome(&source, json!({"x0": "x".repeat(1000)}));
    assert_eq!(outcome, Err("pipeline.value.too_large".to_owned()));
}

/// Sources that compute for seconds, with a list of a thousand.
const LONG: [&str; 4] = [
    "x = fold(l, 0, (s, a) => s + fold(l, 0, (t, b) => t + fold(l, 0, (u, c) => u + 1)))",
    "x = map(l, (a) => map(l, (b) => list-sum(map(l, (c) => a + b + c))))",
    "x = filter(l, (a) => any(l, (b) => all(l, (c) => a + b + c > 0 - 1) and b < 0))",
    "x = sort-by(l, (a) => list-length(sort-by(l, (b) => list-last(map(l, (c) => b * c)))))",
];

#[test]
fn a_huge_pure_computation_gives_way_and_can_be_stopped() {
    let list: Vec<i64> = (0..1000).collect();
    for computation in LONG {
        let source = format!("in l: List<Int>\n{computation}\nout x");
        let mut run = World::new().start(&source, json!({"l": list}));
        for _ in 0..20 {
            assert!(run.poll().is_none(), "{computation}");
        }
        run.stop(failure("pipeline.deadline.exceeded"));
        assert!(run.poll().is_some(), "it ends at the next poll: {computation}");
    }
}

#[test]
fn calls_go_on_beside_a_huge_pure_computation() {
    let list: Vec<i64> = (0..1000).collect();
    for order in ["out x\nout y", "out y\nout x"] {
        let source = format!("in l: List<Int>\n{}\ny = Up(Up(\"a\"))\n{order}", LONG[0]);
        let mut run = World::new().holds("text.Up", "{text: String} -> String").start(&source, json!({"l": list}));
        for answer in ["b", "c"] {
            for _ in 0..4 {
                assert!(run.poll().is_none());
            }
            run.answer("text.Up", Ok(json!(answer)));
        }
        for _ in 0..4 {
            assert!(run.poll().is_none());
        }
        assert_eq!(run.in_flight(), (0, 1), "both calls were made and answered");
    }
}

#[test]
fn long_built_ins_are_linear() {
    // A quadratic one would take minutes with a million items.
    let text = "x,".repeat(1_000_000);
    let source = "in t: String
        parts = split(t, \",\")
        n = list-length(parts)
        back = string-length(join(parts, \";\"))
        found = list-contains(parts, \"y\")
        last = list-last(list-reverse(parts))
        out n\nout back\nout found\nout last";
    let expected = json!({"n": 1_000_001, "back": 2_000_000, "found": false, "last": "x"});
    assert_eq!(World::new().outcome(source, json!({"t": text})), Ok(expected));
}

#[test]
fn the_record_tells_of_the_first_calls_and_sums_up_all() {
    let source = "in l: List<Int>\nx = map(l, (n) => Next(n))\nout x";
    let options = Options { recorded_calls: 5, ..Options::default() };
    let world = World::new().answers("data.Next", "{n: Int} -> Int", |input| Ok(input["n"].clone()));
    let mut run = world.start_with(source, json!({"l": (0..100).collect::<Vec<_>>()}), options);
    let ran = run.end();
    let site = &ran.record.sites[0];
    assert_eq!((site.calls, site.failed, site.recorded.len()), (100, 0, 5));
    assert_eq!(site.recorded.iter().map(|call| call.number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!((site.bytes_in, site.bytes_out), (400, 100));
    assert_eq!(ran.record.plan, run.plan.hash);
    assert_eq!(run.events().len(), 200, "events tell of all");
}

#[test]
fn a_site_that_was_not_needed_is_in_the_record_with_no_calls() {
    let world = World::new().answers("data.Next", "{n: Int} -> Int", |input| Ok(input["n"].clone()));
    let mut run = world.start("in b: Bool\nx = if (b) Next(1) else Next(2)\nout x", json!({"b": false}));
    let ran = run.end();
    assert_eq!(ran.record.sites.iter().map(|site| site.calls).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn one_program_runs_several_times_at_once() {
    let world = World::new();
    let plan = Arc::new(world.plan("in n: Int\nx = n * 2\nout x"));
    let program = Program::new(Arc::clone(&plan)).unwrap();
    assert_eq!(program.plan().hash, plan.hash);
    let runs: Vec<Value> = (0..3)
        .map(|n| World::new().start_plan((*plan).clone(), json!({"n": n}), Options::default()).finish().unwrap())
        .collect();
    assert_eq!(runs, [json!({"x": 0}), json!({"x": 2}), json!({"x": 4})]);
}
