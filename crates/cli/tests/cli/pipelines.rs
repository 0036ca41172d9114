//! `modrack check`, `fmt`, `graph`, `run`, `pipelines` and `runs` against a real host with a scripted provider.

use protocol::generated::provider::v1 as pb;
use protocol::{Category, Error, Origin};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Session, frames, json as decoded, module, msgpack, registration, within};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;

use crate::run::{Host, modrack, run, shown, signal};

const TEXT: &str = "{text: String}";

const GOOD: &str = "# Says it loudly.
use text
@example(\"a b\")
in text: String
in times: Option<Int>
loud = Upper(text) with retry: 1, timeout: 2s
sizes = map(split(text, \" \"), (word) => Length(word))
total = list-sum(sizes) * (times ?? 1)
out loud
out total
";

const BAD: &str = "in text: String
loud = text.Uper(text)
count = text + 1
out loud
out count
";

/// A provider of `text.Upper`, `text.Length`, `text.Fail` and `text.Never`, which tells of each call that it gets.
pub(crate) async fn provider(host: &Host) -> (Session, mpsc::UnboundedReceiver<String>) {
    use pb::host_frame::Frame;

    let modules = [("Upper", "String"), ("Length", "Int"), ("Fail", "String"), ("Never", "String")];
    let mut request = registration("text", modules.map(|(name, output)| module(name, TEXT, output)));
    request.info = Some(pb::ProviderInfo { language: "python".into(), sdk: "testkit 0".into(), pid: 4711 });
    let session = host.client().register(request).await.unwrap().keep_alive();
    let mut connection = session.attach().await;
    let (told, calls) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(frame)) = connection.next().await {
            let Some(Frame::Execute(request)) = frame.frame else { continue };
            let text = decoded(TEXT, &request.input_data)["text"].as_str().unwrap().to_owned();
            let _nobody_listens = told.send(request.module_name.clone());
            let answer = match request.module_name.as_str() {
                "Upper" => {
                    frames::output(frame.call_id, msgpack("String", &json!(text.to_uppercase()).to_string()).to_vec())
                }
                "Length" => frames::output(frame.call_id, msgpack("Int", &text.len().to_string()).to_vec()),
                "Fail" => {
                    let error = Error::new(Category::Conflict, "text.sour", "it is sour", Origin::Module);
                    frames::failure(frame.call_id, &error)
                }
                _ => continue,
            };
            connection.send([answer]).await.unwrap();
        }
    });
    let names = modules.map(|(name, _)| format!("text.{name}"));
    host.client().watch("text.*").await.unwrap().ready(&names, 1).await;
    (session, calls)
}

fn write(host: &Host, name: &str, text: &str) {
    std::fs::write(host.dir.path().join(name), text).unwrap();
}

fn read(host: &Host, name: &str) -> String {
    std::fs::read_to_string(host.dir.path().join(name)).unwrap()
}

#[tokio::test]
async fn a_check_says_all_faults_with_their_places_by_host_and_by_lock() {
    let host = Host::start(&[]).await;
    let _provider = provider(&host).await;
    write(&host, "good.cst", GOOD);
    write(&host, "bad.cst", BAD);
    let by_host = host.run(&["check", "good.cst", "bad.cst"]).await;
    insta::assert_snapshot!(by_host, @r#"
    exit 2
    --- stdout
    good.cst checks against 2 modules: {text: String, times: Option<Int>} -> {loud: String, total: Int}
    error[E002]: the namespace `text` has no module `Uper`
     --> bad.cst:2:13
      |
    2 | loud = text.Uper(text)
      |             ^^^^ not found
      |
      = help: did you mean `Upper`?

    error[E014]: `+` takes two Ints or two Floats, not String and Int
     --> bad.cst:3:14
      |
    3 | count = text + 1
      |         ---- ^ - this is Int
      |         |    |
      |         |    not two numbers of one type
      |         this is String
      |
      = help: put Strings together by `"${a}${b}"` or `concat(a, b)`

    --- stderr
    error: 1 of 2 files: 2 errors (cli.pipeline.invalid)
    hint: each message has its place and what to do; `modrack modules list` shows what can be called
    "#);
    host.run(&["modules", "lock"]).await;
    let by_lock = host.run(&["check", "good.cst", "bad.cst", "--lock", "modules.lock.json"]).await;
    assert_eq!(by_lock, by_host);
    insta::assert_snapshot!(host.run_with(&["check", "-"], GOOD).await, @"
    exit 0
    --- stdout
    stdin checks against 2 modules: {text: String, times: Option<Int>} -> {loud: String, total: Int}
    ");
    let text = host.run(&["check", "--json", "good.cst", "bad.cst", "--lock", "modules.lock.json"]).await;
    let (stdout, stderr) = text.split_once("--- stderr\n").unwrap();
    let files: Value = serde_json::from_str(stdout.strip_prefix("exit 2\n--- stdout\n").unwrap()).unwrap();
    assert_eq!((&files[0]["file"], &files[0]["checks"]), (&json!("good.cst"), &json!(true)));
    assert_eq!(files[0]["plan"]["modules"], json!(["text.Length", "text.Upper"]));
    assert_eq!((&files[1]["checks"], &files[1]["plan"]), (&json!(false), &Value::Null));
    let codes: Vec<_> = files[1]["diagnostics"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, [&json!("E002"), &json!("E014")]);
    let error: Value = serde_json::from_str(stderr).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["exit"]), (&json!("cli.pipeline.invalid"), &json!(2)));
}

#[tokio::test]
async fn a_source_that_is_too_large_is_refused_by_every_command_before_the_host_reads_it() {
    let host = Host::start(&[]).await;
    let _provider = provider(&host).await;
    // More than the host takes in one message, too.
    write(&host, "large.cst", &format!("out x\n{}", format!("# {:x<97}\n", "").repeat(120_000)));
    host.run(&["modules", "lock"]).await;
    let by_lock = host.run(&["check", "large.cst", "--lock", "modules.lock.json"]).await;
    insta::assert_snapshot!(by_lock, @"
    exit 2
    --- stdout
    error[E020]: the source has 12000006 bytes, more than 1048576
     --> large.cst:1:1
      |
    1 | out x
      | ^
      |
      = help: divide it into several pipelines

    --- stderr
    error: 1 error (cli.pipeline.invalid)
    hint: each message has its place and what to do; `modrack modules list` shows what can be called
    ");
    assert_eq!(host.run(&["check", "large.cst"]).await, by_lock);
    let run = host.run(&["run", "large.cst"]).await;
    insta::assert_snapshot!(run, @"
    exit 2
    --- stderr
    error[E020]: the source has 12000006 bytes, more than 1048576
     --> large.cst:1:1
      |
    1 | out x
      | ^
      |
      = help: divide it into several pipelines

    error: `large.cst` has 1 error (cli.pipeline.invalid)
    hint: each message has its place and what to do; `modrack modules list` shows what can be called
    ");
    assert_eq!(host.run(&["graph", "large.cst"]).await, run);
    assert_eq!(host.run(&["pipelines", "put", "large.cst"]).await, run);
}

#[tokio::test]
async fn a_check_of_what_is_not_there_is_told() {
    insta::assert_snapshot!(run(&["check", "nowhere.cst"]).await, @"
    exit 2
    --- stderr
    error: `nowhere.cst` cannot be read: No such file or directory (os error 2) (cli.input.unreadable)
    hint: check the path; `-` reads stdin
    ");
    insta::assert_snapshot!(run(&["check", "-", "--lock", "nowhere.json"]).await, @"
    exit 2
    --- stderr
    error: `nowhere.json` cannot be read: No such file or directory (os error 2) (cli.lock.unreadable)
    hint: `modrack modules lock` writes a lock of what the host has
    ");
    insta::assert_snapshot!(run(&["check", "-", "--host", "127.0.0.1:1"]).await, @"
    exit 4
    --- stderr
    error: cannot reach a host at `http://127.0.0.1:1`: Connection refused (os error 111) (cli.host.unreachable)
    hint: is `modrack serve` running there? --host or MODRACK_HOST says where it is
    ");
}

#[tokio::test]
async fn formatting_writes_files_and_check_shows_what_would_change() {
    let dir = TempDir::new().unwrap();
    let source = "# kept\nin   a:Int\nb=a+1 # too\nout b\n";
    std::fs::write(dir.path().join("a.cst"), source).unwrap();
    std::fs::write(dir.path().join("broken.cst"), "in a Int\n").unwrap();
    let fmt = async |args: &[&str], stdin: &str| shown(modrack(dir.path(), &[&["fmt"], args].concat()), stdin).await;
    insta::assert_snapshot!(fmt(&["--check", "a.cst"], "").await, @"
    exit 1
    --- stdout
    --- a/a.cst
    +++ b/a.cst
    @@ -1,4 +1,4 @@
     # kept
    -in   a:Int
    -b=a+1 # too
    +in a: Int
    +b = a + 1 # too
     out b
    --- stderr
    error: 1 file differs from the normal form (cli.format.differs)
    hint: `modrack fmt a.cst` writes it
    ");
    assert_eq!(std::fs::read_to_string(dir.path().join("a.cst")).unwrap(), source);
    insta::assert_snapshot!(fmt(&["a.cst", "broken.cst"], "").await, @"
    exit 2
    --- stdout
    formatted a.cst
    --- stderr
    error[E021]: expected `:`, found `Int`
     --> broken.cst:1:6
      |
    1 | in a Int
      |      ^^^ expected `:`

    error: 1 file cannot be read as a pipeline and stayed as it was (cli.pipeline.invalid)
    hint: mend what the messages above name
    ");
    insta::assert_snapshot!(std::fs::read_to_string(dir.path().join("a.cst")).unwrap(), @"
    # kept
    in a: Int
    b = a + 1 # too
    out b
    ");
    assert_eq!(std::fs::read_to_string(dir.path().join("broken.cst")).unwrap(), "in a Int\n");
    assert_eq!(fmt(&["--check", "a.cst"], "").await, "exit 0\n");
    insta::assert_snapshot!(fmt(&["-"], source).await, @"
    exit 0
    --- stdout
    # kept
    in a: Int
    b = a + 1 # too
    out b
    ");
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing is left beside the files: {names:?}");
}

#[tokio::test]
async fn a_graph_is_drawn_in_the_format_that_is_asked_for() {
    let host = Host::start(&[]).await;
    let _provider = provider(&host).await;
    write(&host, "good.cst", GOOD);
    write(&host, "bad.cst", BAD);
    insta::assert_snapshot!(host.run(&["graph", "good.cst", "--format", "mermaid"]).await, @r#"
    exit 0
    --- stdout
    flowchart TB
      n0(["text: String"])
      n1(["times: Option#60;Int#62;"])
      n2["text.Upper<br>loud<br>(python)<br>timeout: 2s<br>retry: 1"]
      n3("split(text, #34; #34;)")
      subgraph n4["map<br>sizes"]
        n5(["word: String"])
        n6["text.Length<br>(python)"]
      end
      n7("list-sum(sizes) #42; (times #63;#63; 1)<br>total")
      n8(["loud: String"])
      n9(["total: Int"])
      n0 -->|"text: String"| n2
      n0 -->|"String"| n3
      n3 -->|"List#60;String#62;"| n4
      n5 -->|"text: String"| n6
      n4 -->|"List#60;Int#62;"| n7
      n1 -->|"Option#60;Int#62;"| n7
      n2 -->|"String"| n8
      n7 -->|"Int"| n9
    "#);
    insta::assert_snapshot!(host.run(&["graph", "good.cst", "--out", "good.svg"]).await, @"
    exit 0
    --- stdout
    written   good.svg
    ");
    let svg = read(&host, "good.svg");
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>\n"), "{svg}");
    for text in [">text.Upper<", ">python<", ">retry: 1<", ">timeout: 2s<", ">text: String<"] {
        assert!(svg.contains(text), "{text}");
    }
    let json: Value = serde_json::from_str(
        host.run(&["graph", "good.cst", "--json"]).await.strip_prefix("exit 0\n--- stdout\n").unwrap(),
    )
    .unwrap();
    assert_eq!(
        json["nodes"][0],
        json!({ "id": 0, "kind": "input", "label": "text", "type": "String", "place": { "start": 46, "end": 50, "line": 4, "column": 4 } })
    );
    insta::assert_snapshot!(host.run(&["graph", "good.cst", "--out", "good.png"]).await, @"
    exit 2
    --- stderr
    error: the suffix of --out says no format (cli.usage)
    hint: give --format svg, dot, mermaid or json
    ");
    let failed = host.run(&["graph", "bad.cst"]).await;
    assert!(
        failed.starts_with("exit 2\n--- stderr\nerror[E002]") && failed.contains("(cli.pipeline.invalid)"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_run_prints_its_outputs() {
    let host = Host::start(&[]).await;
    let _provider = provider(&host).await;
    write(&host, "good.cst", GOOD);
    write(&host, "in.json", r#"{"text": "c d"}"#);
    insta::assert_snapshot!(host.run(&["run", "good.cst", "--arg", "text=a bc", "--arg", "times=2"]).await, @r#"
    exit 0
    --- stdout
    {
      "loud": "A BC",
      "total": 6
    }
    "#);
    let json = "exit 0\n--- stdout\n{\"loud\":\"C D\",\"total\":2}\n";
    assert_eq!(host.run(&["run", "good.cst", "--json", "--input", "in.json"]).await, json);
    assert_eq!(host.run_with(&["run", "-", "--json", "--json-input", r#"{"text": "c d"}"#], GOOD).await, json);
    insta::assert_snapshot!(host.run(&["run", "good.cst", "--examples"]).await, @r#"
    exit 0
    --- stdout
    {"inputs":{"text":"a b"},"outputs":{"loud":"A B","total":2}}
    "#);
    let trace = host.run(&["run", "good.cst", "--examples", "--trace"]).await;
    let rows: Vec<Vec<&str>> = trace
        .lines()
        .skip_while(|line| !line.starts_with("NODE"))
        .map(|line| line.split_whitespace().take(3).collect())
        .collect();
    assert_eq!(rows[0], ["NODE", "MODULE", "CALL"], "{trace}");
    assert_eq!(rows.len(), 4, "{trace}");
    assert!(rows.contains(&vec!["loud", "text.Upper", "0"]), "{trace}");
    let page = host.run(&["run", "good.cst", "--examples", "--report", "run.html"]).await;
    assert!(page.ends_with("--- stderr\nreport in run.html\n"), "{page}");
    assert!(read(&host, "run.html").starts_with("<!doctype html>"));
}

#[tokio::test]
async fn a_run_that_cannot_begin_says_why() {
    let host = Host::start(&[]).await;
    let _provider = provider(&host).await;
    write(&host, "good.cst", GOOD);
    write(&host, "bad.cst", BAD);
    insta::assert_snapshot!(host.run(&["run", "bad.cst", "--arg", "text=a"]).await, @r#"
    exit 2
    --- stderr
    error[E002]: the namespace `text` has no module `Uper`
     --> bad.cst:2:13
      |
    2 | loud = text.Uper(text)
      |             ^^^^ not found
      |
      = help: did you mean `Upper`?

    error[E014]: `+` takes two Ints or two Floats, not String and Int
     --> bad.cst:3:14
      |
    3 | count = text + 1
      |         ---- ^ - this is Int
      |         |    |
      |         |    not two numbers of one type
      |         this is String
      |
      = help: put Strings together by `"${a}${b}"` or `concat(a, b)`

    error: `bad.cst` has 2 errors (cli.pipeline.invalid)
    hint: each message has its place and what to do; `modrack modules list` shows what can be called
    "#);
    insta::assert_snapshot!(host.run(&["run", "good.cst"]).await, @"
    exit 2
    --- stderr
    error: the argument `text` is missing (cli.input.missing)
    hint: give it with --arg text=…, of type String
    ");
    insta::assert_snapshot!(host.run(&["run", "good.cst", "--arg", "txt=a"]).await, @"
    exit 2
    --- stderr
    error: there is no argument `txt` (cli.argument.unknown)
    hint: did you mean `text`?
    ");
    insta::assert_snapshot!(host.run(&["run", "good.cst", "--json-input", r#"{"times": "x"}"#]).await, @"
    exit 2
    --- stderr
    error: the inputs do not fit: /text: missing, expected `String`; /times: expected `Int`, found a string (pipeline.inputs.invalid)
    hint: mend what the message lists; the places are JSON pointers into the inputs
    ");
    insta::assert_snapshot!(host.run(&["run", "pipeline.nowhere"]).await, @"
    exit 3
    --- stderr
    error: no such pipeline is stored (pipeline.unknown)
    hint: `modrack pipelines list` shows what is stored
    ");
    insta::assert_snapshot!(host.run(&["run", "nowhere.cst"]).await, @"
    exit 2
    --- stderr
    error: `nowhere.cst` cannot be read: No such file or directory (os error 2) (cli.input.unreadable)
    hint: give a file, `-` for stdin, or a stored pipeline as `pipeline.NAME`; `modrack pipelines list` shows those
    ");
    insta::assert_snapshot!(run(&["run", "pipeline.a", "--host", "127.0.0.1:1"]).await, @"
    exit 4
    --- stderr
    error: cannot reach a host at `http://127.0.0.1:1`: Connection refused (os error 111) (cli.host.unreachable)
    hint: is `modrack serve` running there? --host or MODRACK_HOST says where it is
    ");
    insta::assert_snapshot!(host.run_with(&["run", "-", "--examples"], "in a: Int\nout a\n").await, @"
    exit 2
    --- stderr
    error: there is no `@example` for each input that is not optional (cli.examples.missing)
    hint: write `@example(…)` before each input that is not optional, or give the inputs with --arg
    ");
}

#[tokio::test]
async fn a_node_that_fails_is_shown_in_the_source() {
    let host = Host::start(&[]).await;
    let _provider = provider(&host).await;
    write(&host, "fails.cst", "in text: String\nloud = text.Upper(text)\nsour = text.Fail(loud)\nout loud\nout sour\n");
    insta::assert_snapshot!(host.run(&["run", "fails.cst", "--arg", "text=a"]).await, @"
    exit 1
    --- stderr
    error[text.sour]: it is sour
     --> fails.cst:3:8
      |
    3 | sour = text.Fail(loud)
      |        ^^^^^^^^^ `text.Fail` failed
    hint: the module answered this itself; the log of its provider may say more
    ");
    let text = host.run(&["run", "fails.cst", "--arg", "text=a", "--json"]).await;
    let error: Value = serde_json::from_str(text.strip_prefix("exit 1\n--- stderr\n").unwrap()).unwrap();
    let details = &error["error"]["details"];
    assert_eq!((&error["error"]["code"], &error["error"]["origin"]), (&json!("text.sour"), &json!("module")));
    assert_eq!((&details["module"], &details["line"]), (&json!("text.Fail"), &json!("3")));
    let run = details["run_id"].as_str().unwrap();
    let told = host.run(&["runs", "show", run, "--json"]).await;
    let record: Value = serde_json::from_str(told.strip_prefix("exit 0\n--- stdout\n").unwrap()).unwrap();
    assert_eq!((&record["outcome"], &record["partial_outputs"]), (&json!("failed"), &json!({ "loud": "A" })));
    let people = host.run(&["runs", "show", run, "--trace", "--report", "failed.html"]).await;
    assert!(
        people.contains("error         it is sour (text.sour)") && people.contains("output        loud = \"A\""),
        "{people}"
    );
    assert!(read(&host, "failed.html").contains("it is sour"));
    let list = host.run(&["runs", "list", "--limit", "1", "--json"]).await;
    let list: Value = serde_json::from_str(list.strip_prefix("exit 0\n--- stdout\n").unwrap()).unwrap();
    assert_eq!((&list[0]["run_id"], list.as_array().unwrap().len()), (&json!(run), 1));
    let missing = host.run(&["runs", "show", "no-such-run"]).await;
    assert!(
        missing.starts_with("exit 3\n--- stderr\nerror: ") && missing.contains("(pipeline.run.unknown)"),
        "{missing}"
    );
}

#[tokio::test]
async fn a_run_ends_with_its_time_and_with_ctrl_c() {
    let host = Host::start(&[]).await;
    let (_session, mut calls) = provider(&host).await;
    write(&host, "never.cst", "in text: String\nx = text.Never(text)\nout x\n");
    let args = ["run", "never.cst", "--arg", "text=a"];
    let late = host.run(&[&args[..], &["--timeout", "300ms"]].concat()).await;
    assert!(late.starts_with("exit 6\n--- stderr\nerror"), "{late}");
    within("the first call", calls.recv()).await.unwrap();
    let command = host.command(&args).spawn().unwrap();
    within("the call", calls.recv()).await.unwrap();
    signal(&command, "INT").await;
    let output = within("the end of the run", command.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(130));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    error: the run was cancelled (cli.run.interrupted)
    hint: what the modules did until then stays done
    ");
}

#[tokio::test]
async fn a_pipeline_is_stored_run_shown_and_deleted() {
    let host = Host::start(&[]).await;
    let (session, _calls) = provider(&host).await;
    write(&host, "loud.cst", "# Says it loudly.\nin text: String\nloud = text.Upper(text)\nout loud\n");
    write(&host, "bad.cst", BAD);
    insta::assert_snapshot!(host.run(&["pipelines", "list"]).await, @"
    exit 0
    --- stderr
    no pipelines
    hint: `modrack pipelines put FILE` stores one
    ");
    insta::assert_snapshot!(host.run(&["pipelines", "put", "loud.cst"]).await, @"
    exit 0
    --- stdout
    stored pipeline.loud: {text: String} -> {loud: String}, plan f924a66e6515
    ");
    let refused = host.run(&["pipelines", "put", "bad.cst"]).await;
    assert!(refused.starts_with("exit 2\n--- stderr\nerror[E002]"), "{refused}");
    insta::assert_snapshot!(host.run(&["pipelines", "put", "loud.cst", "--replaces", "new"]).await, @"
    exit 1
    --- stderr
    error: a pipeline of that name is stored already (pipeline.plan.changed)
    hint: look at the pipeline again, and run or replace it by the hash that it has now
    ");
    insta::assert_snapshot!(host.run(&["pipelines", "list"]).await, @"
    exit 0
    --- stdout
    PIPELINE       TYPE                              MODULES  PLAN          STATE
    pipeline.loud  {text: String} -> {loud: String}  1        f924a66e6515  checks
    ");
    insta::assert_snapshot!(host.run(&["pipelines", "show", "loud"]).await, @"
    exit 0
    --- stdout
    pipeline.loud
      description   Says it loudly.
      input         {text: String}
      output        {loud: String}
      modules       text.Upper
      plan          f924a66e65155ba284dc54622d0f9cc64973c3740e9190c29f65e62fa777a475
      fingerprint   f89c9f4305e2289c3c257d54cbbd98ea892304da2e186efeac26a5349d639a49
      state         checks

    # Says it loudly.
    in text: String
    loud = text.Upper(text)
    out loud
    ");
    assert_eq!(
        host.run(&["run", "pipeline.loud", "--arg", "text=a", "--json"]).await,
        "exit 0\n--- stdout\n{\"loud\":\"A\"}\n"
    );
    let called = host.run(&["modules", "call", "pipeline.loud", "--arg", "text=b", "--json"]).await;
    assert_eq!(called, "exit 0\n--- stdout\n{\"loud\":\"B\"}\n");
    let runs = host.run(&["runs", "list", "--pipeline", "pipeline.loud", "--json"]).await;
    assert!(runs.contains("\"pipeline\": \"loud\""), "{runs}");
    insta::assert_snapshot!(host.run(&["pipelines", "show", "lout"]).await, @"
    exit 3
    --- stderr
    error: no such pipeline is stored (pipeline.unknown)
    hint: did you mean `loud`?
    ");
    // The watch tells that it checks no longer, then that it is gone.
    let mut watch = host.command(&["modules", "watch", "pipeline.*"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    for step in 0..3 {
        loop {
            let line = within("an event", lines.next_line()).await.unwrap().unwrap();
            // The module comes and goes with its pipeline, in lines of their own.
            if line.starts_with('=') || line.ends_with("deleted") {
                told.push(line);
                break;
            }
        }
        match step {
            0 => {
                session.unregister().await.unwrap();
            }
            1 => insta::assert_snapshot!(host.run(&["pipelines", "delete", "loud"]).await, @"
            exit 0
            --- stdout
            deleted pipeline.loud
            "),
            _ => {}
        }
    }
    insta::assert_snapshot!(told.join("\n"), @"
    = pipeline.loud  {text: String} -> {loud: String}  checks
    = pipeline.loud  {text: String} -> {loud: String}  checks no longer: E004: no module is in the namespace `text`
    - pipeline.loud  deleted
    ");
    signal(&watch, "INT").await;
    assert_eq!(within("the end of the watch", watch.wait()).await.unwrap().code(), Some(0));
}
