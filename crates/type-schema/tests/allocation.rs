//! The validator allocates nothing for canonical bytes, and little for hostile ones. Alone in its process: it counts every allocation.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]
// Counting needs an allocator of one's own, and that trait is unsafe.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout as Memory, System},
    cell::Cell,
};

use type_schema::{CType, CValue, Code, Layout, Schema, Transcoder, encode};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn note(bytes: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    BYTES.set(BYTES.get() + bytes);
}

// SAFETY: everything is passed on to the system allocator as it came; the counters are plain cells without destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Memory) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Memory) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Memory, new_size: usize) -> *mut u8 {
        note(new_size);
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, how often it allocated and how many bytes in all.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = (ALLOCATIONS.get(), BYTES.get());
    let result = work();
    (result, ALLOCATIONS.get() - before.0, BYTES.get() - before.1)
}

fn big() -> (Schema, Vec<u8>) {
    let text = "{title: String, tags: List<String>, scores: Map<String, Float>, rows: List<{id: Int, name: Option<String>, kind: Int | String}>, rest: Any, raw: Bytes}";
    let ctype = CType::parse(text).unwrap();
    let row = |i: i64| {
        let kind = if i % 2 == 0 {
            CValue::variant(0, CValue::Int(i))
        } else {
            CValue::variant(1, CValue::String("odd".into()))
        };
        CValue::record([
            ("id", CValue::Int(i * 1000)),
            ("name", CValue::some(CValue::String(format!("row {i}")))),
            ("kind", kind),
        ])
    };
    let value = CValue::record([
        ("title", CValue::String("a title, long enough to matter".repeat(20))),
        ("tags", CValue::List((0..40).map(|i| CValue::String(format!("tag {i}"))).collect())),
        (
            "scores",
            CValue::Map(
                (0..100).map(|i| (type_schema::Key::String(format!("score {i}")), CValue::Float(0.5))).collect(),
            ),
        ),
        ("rows", CValue::List((0..120).map(row).collect())),
        ("rest", CValue::List((0..200).map(CValue::Int).collect())),
        ("raw", CValue::Bytes(vec![7; 4000])),
    ]);
    let bytes = encode(&value, &ctype).unwrap();
    assert!(bytes.len() > 10 * 1024, "{}", bytes.len());
    (Schema::new(ctype).unwrap(), bytes)
}

#[test]
fn a_canonical_record_is_validated_without_an_allocation() {
    let (schema, bytes) = big();
    assert_eq!(counted(|| schema.validate(&bytes)), (Ok(Layout::Canonical), 0, 0));
}

#[test]
fn canonical_bytes_of_the_same_layout_are_forwarded_without_an_allocation() {
    let (schema, bytes) = big();
    let transcoder = Transcoder::new(&schema, &schema).unwrap();
    let (moved, allocations, _) = counted(|| transcoder.transcode(&bytes));
    assert!(std::ptr::eq(moved.unwrap().as_ptr(), bytes.as_ptr()));
    assert_eq!(allocations, 0);
}

#[test]
fn undeclared_fields_in_order_cost_no_allocation() {
    let (schema, bytes) = big();
    let narrow = Schema::new(CType::parse("{title: String, tags: List<String>}").unwrap()).unwrap();
    assert_eq!(counted(|| narrow.validate(&bytes)), (Ok(Layout::Equivalent), 0, 0));
    assert_eq!(schema.validate(&bytes), Ok(Layout::Canonical));
}

#[test]
fn a_promised_length_allocates_nothing() {
    for (text, bytes) in [
        ("List<Int>", &[0xdd, 0xff, 0xff, 0xff, 0xff, 0][..]),
        ("Any", &[0xdf, 0xff, 0xff, 0xff, 0xff, 0]),
        ("String", &[0xdb, 0xff, 0xff, 0xff, 0xff, 0]),
    ] {
        let schema = Schema::new(CType::parse(text).unwrap()).unwrap();
        let (result, _, bytes) = counted(|| schema.decode(bytes).map_err(|error| error.code));
        assert_eq!(result, Err(Code::Truncated));
        assert!(bytes < 500, "{text}: {bytes} bytes");
    }
}

#[test]
fn keys_out_of_order_cost_memory_in_proportion() {
    // {n: nil, n-1: nil, …, 0: nil, n: nil}: every key out of order, the last a duplicate.
    let n = 60_000_u32;
    let mut bytes = vec![0xdf];
    bytes.extend_from_slice(&(n + 1).to_be_bytes());
    for i in (0..n).rev().chain([n - 1]) {
        bytes.push(0xce);
        bytes.extend_from_slice(&(i + 0x10000).to_be_bytes());
        bytes.push(0xc0);
    }
    let schema = Schema::new(CType::Any).unwrap();
    let (result, _, used) = counted(|| schema.validate(&bytes));
    assert_eq!(result.map_err(|error| (error.code, error.path)), Err((Code::DuplicateKey, "{125535}".to_owned())));
    assert!(used < 20 * bytes.len(), "{used} bytes for {}", bytes.len());
}
