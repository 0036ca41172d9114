use super::*;

async fn filled(most_lines: usize, text: &[u8]) -> Ring {
    let ring = Ring::new(most_lines);
    ring.drain(text, false, 1).await;
    ring
}

fn told(lines: &[LogLine]) -> Vec<(u64, &str)> {
    lines.iter().map(|line| (line.number, &*line.text)).collect()
}

#[tokio::test]
async fn the_latest_lines_stay_and_keep_their_numbers() {
    let ring = filled(2, b"a\nb\nc\nd\n").await;
    let lines = ring.reader(0, false).next().await.unwrap();
    assert_eq!(told(&lines), [(3, "c"), (4, "d")]);
}

#[tokio::test]
async fn a_tail_is_the_end_of_what_is_kept() {
    let ring = filled(10, b"a\nb\nc\n").await;
    let mut reader = ring.reader(2, false);
    assert_eq!(told(&reader.next().await.unwrap()), [(2, "b"), (3, "c")]);
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn a_reader_of_an_empty_ring_that_does_not_follow_ends_at_once() {
    assert_eq!(Ring::new(3).reader(0, false).next().await, None);
}

#[tokio::test]
async fn a_reader_that_follows_gets_what_comes_and_ends_with_the_ring() {
    let ring = filled(10, b"a\nb\n").await;
    let mut reader = ring.reader(1, true);
    assert_eq!(told(&reader.next().await.unwrap()), [(2, "b")]);
    let writer = ring.clone();
    let task = tokio::spawn(async move {
        writer.drain(&b"c\nno end"[..], true, 2).await;
    });
    let mut lines = reader.next().await.unwrap();
    task.await.unwrap();
    drop(ring);
    while let Some(more) = reader.next().await {
        lines.extend(more);
    }
    assert_eq!(told(&lines), [(3, "c"), (4, "no end")]);
    assert!(lines.iter().all(|line| line.is_stderr && line.start == 2));
}

#[tokio::test]
async fn a_slow_reader_sees_a_gap() {
    let ring = filled(2, b"a\n").await;
    let mut reader = ring.reader(0, true);
    ring.drain(&b"b\nc\nd\n"[..], false, 1).await;
    assert_eq!(told(&reader.next().await.unwrap()), [(3, "c"), (4, "d")]);
}

#[tokio::test]
async fn what_is_no_utf8_is_replaced() {
    let ring = filled(2, b"a\xffb\n").await;
    assert_eq!(told(&ring.reader(0, false).next().await.unwrap()), [(1, "a\u{fffd}b")]);
}

#[tokio::test]
async fn the_bytes_are_bounded_whatever_the_lines_are() {
    let line = [&[b'x'; 8000][..], b"\n"].concat();
    let ring = filled(100_000, &line.repeat(2000)).await;
    let kept = ring.shared.kept();
    assert!(kept.bytes <= MOST_BYTES, "{}", kept.bytes);
    assert_eq!((kept.lines.len(), kept.latest), (MOST_BYTES / 8000, 2000));
}

#[tokio::test(start_paused = true)]
async fn a_writer_without_a_pause_gets_a_bounded_part_of_the_time() {
    let begun = Instant::now();
    filled(10, &vec![b'\n'; MOST_IN_A_TURN * 3 + 1]).await;
    // Time stands still but for the waits.
    assert_eq!(begun.elapsed(), TURN * 3);
}
