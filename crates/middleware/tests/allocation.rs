//! Asking whether anybody wants a call allocates nothing. Alone in its process: it counts every allocation.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]
// Counting needs an allocator of one's own, and that trait is unsafe.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use middleware::{About, Chain, Hook, Link};
use serde_json::{Value, json};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system allocator as it came; the counter is a plain cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(work: impl FnOnce() -> bool) -> (bool, usize) {
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get() - before)
}

#[test]
fn asking_whether_anybody_wants_a_call_allocates_nothing() {
    let link = |id: &str, filter: Value| Link {
        id: id.into(),
        settings: serde_json::from_value(json!({ "hooks": ["pre_invoke"], "filter": filter })).unwrap(),
    };
    let refuses =
        |name: &str| json!({ "OR": [{ "module": "other.*", "/text": "hi" }, { "NOT": { "namespace": name } }] });
    let chain = Chain::new((0..10).map(|i| link(&i.to_string(), refuses("text"))).collect());
    let about = About { name: "text.Upper", namespace: "text", caller: "ada", skip: Some("5") };
    assert_eq!(counted(|| chain.wants(Hook::PreInvoke, &about)), (false, 0));
    assert_eq!(counted(|| chain.wants(Hook::PostInvoke, &about)), (false, 0));
    let asks = Chain::new(vec![link("a", refuses("text")), link("b", json!({ "/text": "hi" }))]);
    assert_eq!(counted(|| asks.wants(Hook::PreInvoke, &about)), (true, 0));
    assert_eq!(counted(|| vec![1_u8].is_empty()), (false, 1));
}
