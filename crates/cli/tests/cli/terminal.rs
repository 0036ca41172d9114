//! What stands on a terminal of some size when `modrack run` is over.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use testkit::within;

use crate::pipelines::provider;
use crate::run::Host;

/// One call is answered from the cache, a map makes three, one fails, and with that one is cut off and one never begins.
const PIPELINE: &str = "in text: String
again = text.Upper(text) with cache: 1h
sizes = map(split(text, \" \"), (word) => text.Length(word))
a_call_that_nobody_answers = text.Never(text)
sour = text.Fail(\"${again}${list-sum(sizes)}\")
late = text.Upper(sour)
out again
out sizes
out a_call_that_nobody_answers
out late
";

/// A terminal: the end of who writes on it, and that of who looks at it.
fn terminal(columns: u16, rows: u16) -> (File, File) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen, size).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    (OpenOptions::new().read(true).write(true).open(path).unwrap(), File::from(screen))
}

/// All that is written until nobody is left who could write.
fn drawn(mut screen: File) -> Vec<u8> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    // Linux ends a terminal with an error.
    while let Ok(count @ 1..) = screen.read(&mut part) {
        bytes.extend_from_slice(&part[..count]);
    }
    bytes
}

/// The lines that stand on the screen after a run, with `T` for each time; then where the cursor is.
async fn after(host: &Host, flags: &[&str], columns: u16, rows: u16) -> String {
    let (writer, screen) = terminal(columns, rows);
    let mut command = host.command(&[&["run", "all.cst", "--arg", "text=a bb ccc"], flags].concat());
    command.env("TERM", "xterm-256color").stderr(Stdio::from(writer));
    let mut child = command.spawn().unwrap();
    // The command would keep the terminal open.
    drop(command);
    let bytes = within("the end of the terminal", tokio::task::spawn_blocking(|| drawn(screen))).await.unwrap();
    assert_eq!(within("the end of the run", child.wait()).await.unwrap().code(), Some(1));
    let mut parser = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
    parser.process(&bytes);
    let screen = parser.screen();
    let wrapped = (0..rows).filter(|row| screen.row_wrapped(*row)).count();
    let (row, column) = screen.cursor_position();
    let lines: Vec<_> = screen.contents().lines().map(timeless).collect();
    let hidden = if screen.hide_cursor() { ", hidden" } else { "" };
    format!("{}\n\n{wrapped} lines wrapped; cursor at {row},{column}{hidden}", lines.join("\n"))
}

/// Times differ from run to run: each is a number and a unit behind the name.
fn timeless(line: &str) -> String {
    if !line.starts_with(['✓', '✗', '–', '!']) {
        return line.to_owned();
    }
    let mut words: Vec<_> = line.split_whitespace().collect();
    if let Some(unit) = words.iter().position(|word| matches!(*word, "µs" | "ms" | "s")) {
        words.splice(unit - 1..=unit, ["T"]);
    }
    words.join(" ")
}

#[tokio::test]
async fn a_terminal_keeps_a_line_for_each_node_that_ran_and_none_is_wider_than_it() {
    let host = Host::start(&[]).await;
    let _provider = provider(&host).await;
    std::fs::write(host.dir.path().join("all.cst"), PIPELINE).unwrap();
    // Fills the cache.
    let plain = host.run(&["run", "all.cst", "--arg", "text=a bb ccc"]).await;
    insta::assert_snapshot!(plain, @r#"
    exit 1
    --- stderr
    error[text.sour]: it is sour
     --> all.cst:5:8
      |
    5 | sour = text.Fail("${again}${list-sum(sizes)}")
      |        ^^^^^^^^^ `text.Fail` failed
    hint: the module answered this itself; the log of its provider may say more
    "#);
    insta::assert_snapshot!(after(&host, &[], 80, 24).await, @r#"
    ✓ again text.Upper T cached
    ✓ text.Length T 3 calls
    – a_call_that_nobody_answers text.Never T cancelled
    ✗ sour text.Fail T failed
    error[text.sour]: it is sour
     --> all.cst:5:8
      |
    5 | sour = text.Fail("${again}${list-sum(sizes)}")
      |        ^^^^^^^^^ `text.Fail` failed
    hint: the module answered this itself; the log of its provider may say more

    0 lines wrapped; cursor at 10,0
    "#);
    insta::assert_snapshot!(after(&host, &[], 40, 24).await, @r#"
    ✓ again T cached
    ✓ text.Leng… T 3 calls
    – a_call_th… T cancelled
    ✗ sour T failed
    error[text.sour]: it is sour
     --> all.cst:5:8
      |
    5 | sour = text.Fail("${again}${list-sum(sizes)}")
      |        ^^^^^^^^^ `text.Fail` failed
    hint: the module answered this itself; the log of its provider may say more

    2 lines wrapped; cursor at 12,0
    "#);
    insta::assert_snapshot!(after(&host, &[], 80, 5).await, @r#"
      |
    5 | sour = text.Fail("${again}${list-sum(sizes)}")
      |        ^^^^^^^^^ `text.Fail` failed
    hint: the module answered this itself; the log of its provider may say more

    0 lines wrapped; cursor at 4,0
    "#);
    let json = after(&host, &["--json"], 400, 24).await;
    assert!(json.starts_with("{\"error\":{") && json.ends_with("\n\n0 lines wrapped; cursor at 1,0"), "{json}");
}
