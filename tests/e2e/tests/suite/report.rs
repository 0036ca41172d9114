//! The page about a run, opened in a real browser without a screen.

use std::path::Path;
use std::time::Duration;

use e2e::{Host, Language, Plane, Provider};
use tokio::process::Command;

/// A browser that starts on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// What would take over the page if any of it were read as markup.
const NASTY: &str =
    "</pre></script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";

/// Runs the browser to its end: what it wrote to its output, and to its log.
async fn browse(directory: &Path, args: &[&str]) -> (String, String) {
    let page = format!("file://{}", directory.join("run.html").display());
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]);
    command.arg(format!("--user-data-dir={}", directory.join("browser").display()));
    command.args(args).arg(page).current_dir(directory).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await.expect("the browser ends");
    let output = ended.expect("`apt-get install chromium` brings the browser");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The colour of the first pixel of a picture, and how many colours there are.
fn colours(path: &Path) -> ([u8; 3], usize) {
    let file = std::io::BufReader::new(std::fs::File::open(path).expect("the browser wrote it"));
    let mut reader = png::Decoder::new(file).read_info().expect("it is a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("it has a size")];
    let info = reader.next_frame(&mut pixels).expect("it is whole");
    let step = info.color_type.samples();
    let mut seen: Vec<_> = pixels.chunks_exact(step).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let first = seen[0];
    seen.sort_unstable();
    seen.dedup();
    (first, seen.len())
}

#[tokio::test]
async fn the_report_of_a_run_opens_in_a_browser_and_nothing_on_it_takes_over() {
    let host = Host::start();
    let _provider = Provider::start(&host, Language::Rust, Plane::Link, "fixture").await;
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let source = "# Sleeps, fails, and goes on.\nin text: String\nin naps: List<Int>\n\
                  slept = map(naps, (ms) => fixture.Sleep(ms))\n\
                  failed = fixture.Fail(category: \"CONFLICT\", code: \"fixture.sour\", message: text, retryable: false) with fallback: text\n\
                  out slept\nout failed\n";
    std::fs::write(directory.path().join("nap.cst"), source).expect("the directory is ours");
    let mut run = Command::new(e2e::program());
    run.args(["run", "nap.cst", "--json", "--arg", "naps=[20, 40, 60]", "--report", "run.html", "--arg"]);
    run.arg(format!("text={NASTY}")).current_dir(directory.path()).env("MODRACK_HOST", host.url()).kill_on_drop(true);
    let output = testkit::within("the run", run.output()).await.expect("it can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let (dom, log) = browse(directory.path(), &["--dump-dom"]).await;
    assert!(dom.contains("<title>nap.cst – succeeded</title>"), "{dom}");
    assert!(!dom.contains("<script") && !dom.contains("<img"), "a value became an element: {dom}");
    assert!(!log.contains("CONSOLE"), "the browser complains: {log}");
    assert!(dom.contains("&lt;/script&gt;"), "the value is shown: {dom}");
    for part in ["graph", "timeline", "nodes", "inputs", "outputs", "source", "node-0", "node-1"] {
        assert!(dom.contains(&format!(" id=\"{part}\"")), "{part} is on the page");
    }
    // Whoever goes by keyboard gets to each part: every link leads somewhere.
    for link in dom.split("href=\"#").skip(1) {
        let target = link.split('"').next().expect("a link ends");
        assert!(dom.contains(&format!(" id=\"{target}\"")), "`#{target}` is no part");
    }

    let window = "--window-size=1280,1600";
    browse(directory.path(), &[window, "--screenshot=light.png"]).await;
    let (page, count) = colours(&directory.path().join("light.png"));
    assert_eq!(page, [255, 255, 255]);
    assert!(count > 50, "the page is drawn, in {count} colours");
    browse(directory.path(), &[window, "--blink-settings=preferredColorScheme=0", "--screenshot=dark.png"]).await;
    let (page, count) = colours(&directory.path().join("dark.png"));
    assert_eq!(page, [13, 17, 23]);
    assert!(count > 50, "the page is drawn, in {count} colours");
    browse(directory.path(), &["--no-pdf-header-footer", "--print-to-pdf=run.pdf"]).await;
    let paper = std::fs::read(directory.path().join("run.pdf")).expect("the browser wrote it");
    assert!(paper.starts_with(b"%PDF-"), "it can be printed");
}
