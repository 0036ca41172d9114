//! Payloads near the largest message that a host may be configured for.

use e2e::{Host, Plane, Provider};

/// Of the field `bytes`, in bytes.
const LARGE: usize = 60 << 20;
const EVERYTHING: &str = "{text: String, int: Int, float: Float, flag: Bool, bytes: Bytes, list: List<String>, \
                          map: Map<String, Int>, option: Option<String>, union: String | Int, any: Any}";
const SMALL: &str = r#"{"text": "t", "int": 1, "float": 0.5, "flag": true, "bytes": "", "list": [], "map": {}, "union": 3, "any": null}"#;

/// As small as a value is whose length takes as many bytes as that of the large one.
const LITTLE: usize = 1 << 16;

/// A value of the fixture's `Echo` with so many bytes.
fn value(size: usize) -> Vec<u8> {
    let small = testkit::msgpack(EVERYTHING, SMALL);
    let empty = b"\xa5bytes\xc4\x00";
    let at = small.windows(empty.len()).position(|window| window == empty).expect("the value has the field");
    let length = u32::try_from(size).expect("it is below 4 GiB").to_be_bytes();
    let payload: Vec<u8> = (0_u8..=255).cycle().take(size).collect();
    [&small[..at], b"\xa5bytes\xc6", &length, &payload, &small[at + empty.len()..]].concat()
}

/// What a process has in memory, in bytes.
fn resident(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells it");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kib << 10
}

on_every_plane! {
    async fn sixty_mebibytes_go_there_and_back_and_leave_nothing_behind(language, plane) {
        let host = Host::start_with(&[("limits.message_bytes", "67108864")]);
        let provider = Provider::start(&host, language, plane, "fixture").await;
        let module = provider.module("Echo");
        let client = host.client();
        let small = value(LITTLE);
        assert_eq!(client.call_bytes(&module, small.clone()).await.expect("the value is right"), small);
        let before = resident(host.process().id());
        let large = value(LARGE);
        for _ in 0..2 {
            let output = client.call_bytes(&module, large.clone()).await.expect("the value is right");
            assert!(output == large, "{} bytes came back other than they went", output.len());
        }
        // The gRPC library keeps the buffers of an attach stream, three of a message's size, for as long as the stream lives.
        let kept = if plane == Plane::Attach { 3 * LARGE } else { 0 };
        testkit::eventually("the memory that the host gives back", || async {
            let _small = client.call_bytes(&module, small.clone()).await;
            (resident(host.process().id()) < before + kept + (24 << 20)).then_some(())
        })
        .await;
    }
}
