//! `modrack modules` against a real host with scripted providers.

use protocol::generated::provider::v1 as pb;
use protocol::{Category, Error, Origin};
use serde_json::json;
use testkit::{Session, frames, json as decoded, module, msgpack, registration, within};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::run::{Host, signal};

const TEXT: &str = "{text: String, times: Option<Int>}";

/// A provider of `text.Repeat` and `text.Count`, which answers until the test ends.
async fn text_provider(host: &Host) -> Session {
    let mut repeat = module("Repeat", TEXT, "String");
    repeat.description = "Repeat a text.".into();
    repeat.version = "1.2.0".into();
    repeat.capabilities = Some(pb::ModuleCapabilities { idempotent: true, ..pb::ModuleCapabilities::default() });
    repeat.examples.push(pb::ModuleExample {
        input_data: msgpack(TEXT, r#"{"text": "ab", "times": 2}"#).to_vec(),
        output_data: msgpack("String", r#""abab""#).to_vec(),
    });
    let count = module("Count", "List<String>", "Map<String, Int>");
    let mut request = registration("text", [repeat, count]);
    request.info = Some(pb::ProviderInfo { language: "rust".into(), sdk: "testkit 0".into(), pid: 4711 });
    let session = host.client().register(request).await.unwrap().keep_alive();
    let connection = session.attach().await;
    tokio::spawn(connection.serve(|request| async move {
        if request.module_name == "Repeat" {
            let input = decoded(TEXT, &request.input_data);
            let times = input["times"].as_u64().unwrap_or(1);
            let text = input["text"].as_str().unwrap().repeat(usize::try_from(times).unwrap());
            msgpack("String", &json!(text).to_string())
        } else {
            let mut counts = serde_json::Map::new();
            for item in decoded("List<String>", &request.input_data).as_array().unwrap() {
                let name = item.as_str().unwrap();
                counts
                    .insert(name.into(), json!(counts.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0) + 1));
            }
            msgpack("Map<String, Int>", &json!(counts).to_string())
        }
    }));
    host.client().watch("text.*").await.unwrap().ready(&["text.Count".into(), "text.Repeat".into()], 1).await;
    session
}

#[tokio::test]
async fn an_empty_host_says_how_to_fill_it() {
    let host = Host::start(&[]).await;
    insta::assert_snapshot!(host.run(&["modules", "list"]).await, @r"
    exit 0
    --- stderr
    no modules
    hint: start a provider with MODRACK_HOST=http://HOST
    ");
    insta::assert_snapshot!(host.run(&["modules", "list", "--json"]).await, @r"
    exit 0
    --- stdout
    []
    ");
}

#[tokio::test]
async fn modules_are_listed_and_shown() {
    let host = Host::start(&[]).await;
    let _provider = text_provider(&host).await;
    insta::assert_snapshot!(host.run(&["modules", "list"]).await, @r"
    exit 0
    --- stdout
    MODULE       TYPE                                          VERSION   LANGUAGE  PLANE   PROVIDERS  STATE
    text.Count   List<String> -> Map<String, Int>              0.0.0 r1  rust      attach  1          ready
    text.Repeat  {text: String, times: Option<Int>} -> String  1.2.0 r1  rust      attach  1          ready
    ");
    insta::assert_snapshot!(host.run(&["modules", "list", "text.C*"]).await, @r"
    exit 0
    --- stdout
    MODULE      TYPE                              VERSION   LANGUAGE  PLANE   PROVIDERS  STATE
    text.Count  List<String> -> Map<String, Int>  0.0.0 r1  rust      attach  1          ready
    ");
    insta::assert_snapshot!(host.run(&["modules", "list", "date.*"]).await, @r"
    exit 0
    --- stderr
    no module matches `date.*`
    hint: `modrack modules list` shows all
    ");
    insta::assert_snapshot!(host.run(&["modules", "show", "text.Repeat"]).await, @r#"
    exit 0
    --- stdout
    text.Repeat  1.2.0 r1
      description   Repeat a text.
      input         {text: String, times: Option<Int>}
      output        String
      capabilities  idempotent
      fingerprint   9f507924d4e45a6c66693186217addfe3822239b09369afcb8caf220c5f66bbb
      example       {"text":"ab","times":2} -> "abab"
      call          modrack modules call text.Repeat --arg text=…

    PROVIDER  GROUP  LANGUAGE  SDK        PID   PLANE   STATE  SESSION
    text      -      rust      testkit 0  4711  attach  ready  ses-xxxxxxxxxxxxxxxx
    "#);
    let text = host.run(&["modules", "show", "text.Repeat", "--json"]).await;
    let mut shown: serde_json::Value =
        serde_json::from_str(text.strip_prefix("exit 0\n--- stdout\n").unwrap()).unwrap();
    let registered = shown["endpoints"][0]["registered_at_ms"].take();
    assert!(registered.as_u64().unwrap() > 1_700_000_000_000, "{registered}");
    insta::assert_snapshot!(format!("{shown:#}"), @r#"
    {
      "capabilities": {
        "batch": false,
        "idempotent": true,
        "stream": false
      },
      "description": "Repeat a text.",
      "endpoints": [
        {
          "group_id": "",
          "language": "rust",
          "pid": 4711,
          "plane": "attach",
          "registered_at_ms": null,
          "sdk": "testkit 0",
          "service_id": "text",
          "session_id": "ses-xxxxxxxxxxxxxxxx",
          "state": "ready"
        }
      ],
      "examples": [
        {
          "input": {
            "text": "ab",
            "times": 2
          },
          "output": "abab"
        }
      ],
      "input": "{text: String, times: Option<Int>}",
      "name": "text.Repeat",
      "output": "String",
      "revision": 1,
      "schema_fingerprint": "9f507924d4e45a6c66693186217addfe3822239b09369afcb8caf220c5f66bbb",
      "version": "1.2.0"
    }
    "#);
}

#[tokio::test]
async fn the_socket_serves_the_same_surface() {
    let host = Host::start(&[]).await;
    let _provider = text_provider(&host).await;
    let socket = format!("unix:{}", host.dir.path().join("data/host.sock").display());
    let (by_socket, by_tcp) =
        (host.run(&["modules", "list", "--host", &socket]).await, host.run(&["modules", "list"]).await);
    assert_eq!(by_socket, by_tcp);
    assert!(by_tcp.contains("text.Repeat"), "{by_tcp}");
}

#[tokio::test]
async fn a_call_takes_its_input_in_every_way() {
    let host = Host::start(&[]).await;
    let _provider = text_provider(&host).await;
    let call = async |args: &[&str], stdin: &str| {
        host.run_with(&[&["modules", "call", "text.Repeat"], args].concat(), stdin).await
    };
    std::fs::write(host.dir.path().join("in.json"), r#"{"text": "file", "times": 2}"#).unwrap();
    std::fs::write(host.dir.path().join("text"), "words").unwrap();
    assert_eq!(call(&["-a", "text=5", "-a", "times=3"], "").await, "exit 0\n--- stdout\n555\n");
    assert_eq!(call(&["--arg", "text=@text"], "").await, "exit 0\n--- stdout\nwords\n");
    assert_eq!(call(&["--arg", "text=@-"], "from stdin").await, "exit 0\n--- stdout\nfrom stdin\n");
    assert_eq!(call(&["--input", "in.json"], "").await, "exit 0\n--- stdout\nfilefile\n");
    assert_eq!(call(&["--input", "-"], r#"{"text": "piped"}"#).await, "exit 0\n--- stdout\npiped\n");
    assert_eq!(call(&["--json-input", r#"{"text": "given"}"#], "").await, "exit 0\n--- stdout\ngiven\n");
}

#[tokio::test]
async fn an_output_is_text_for_people_and_json_for_machines() {
    let host = Host::start(&[]).await;
    let _provider = text_provider(&host).await;
    let escape = "text=\u{1b}[31mred";
    assert_eq!(
        host.run(&["modules", "call", "text.Repeat", "-a", escape]).await,
        "exit 0\n--- stdout\n\u{1b}[31mred\n"
    );
    let args = ["modules", "call", "text.Repeat", "-a", "text=a\nb", "--json"];
    assert_eq!(host.run(&args).await, "exit 0\n--- stdout\n\"a\\nb\"\n");
    let args = ["modules", "call", "text.Count", "-a", r#"input=["b", "a", "b"]"#];
    insta::assert_snapshot!(host.run(&args).await, @r#"
    exit 0
    --- stdout
    {
      "a": 1,
      "b": 2
    }
    "#);
    let args = [&args[..], &["--json", "-v"]].concat();
    let text = host.run(&args).await;
    let (output, info) = text.split_once("--- stderr\n").unwrap();
    assert_eq!(output, "exit 0\n--- stdout\n{\"a\":1,\"b\":2}\n");
    let info: serde_json::Value = serde_json::from_str(info).unwrap();
    assert_eq!((&info["info"]["plane"], &info["info"]["attempts"]), (&json!("attach"), &json!(1)));
}

#[tokio::test]
async fn a_wrong_argument_is_told_before_the_call() {
    let host = Host::start(&[]).await;
    let _provider = text_provider(&host).await;
    let call = async |args: &[&str]| host.run(&[&["modules", "call"], args].concat()).await;
    insta::assert_snapshot!(call(&["text.Repeat", "-a", "txt=a"]).await, @r"
    exit 2
    --- stderr
    error: there is no argument `txt` (cli.argument.unknown)
    hint: did you mean `text`?
    ");
    insta::assert_snapshot!(call(&["text.Repeat"]).await, @r"
    exit 2
    --- stderr
    error: the argument `text` is missing (cli.input.missing)
    hint: give it with --arg text=…, of type String
    ");
    insta::assert_snapshot!(call(&["text.Repeat", "-a", "text=a", "-a", "times=many"]).await, @r"
    exit 2
    --- stderr
    error: the argument `times` is not of type Option<Int>: expected value at line 1 column 1 (cli.argument.invalid)
    hint: the type is read as JSON: --arg times='1'
    ");
    insta::assert_snapshot!(call(&["text.Count", "-a", "items=[]"]).await, @r"
    exit 2
    --- stderr
    error: the input is no record, so there is no argument `items` (cli.argument.unknown)
    hint: give the whole as --arg input=…, of type List<String>
    ");
    insta::assert_snapshot!(call(&["text.Repeat", "--json-input", "{"]).await, @r"
    exit 2
    --- stderr
    error: the value of --json-input is no JSON: EOF while parsing an object at line 1 column 1 (cli.argument.invalid)
    hint: for a single field, --arg NAME=VALUE takes plain text
    ");
    insta::assert_snapshot!(call(&["text.Repeat", "--input", "nowhere.json"]).await, @r"
    exit 2
    --- stderr
    error: `nowhere.json` cannot be read: No such file or directory (os error 2) (cli.input.unreadable)
    hint: check the path; `-` reads stdin
    ");
}

#[tokio::test]
async fn what_the_host_refuses_has_its_code_its_hint_and_its_exit_code() {
    let host = Host::start(&[]).await;
    let _provider = text_provider(&host).await;
    let call = async |args: &[&str]| host.run(&[&["modules", "call"], args].concat()).await;
    insta::assert_snapshot!(call(&["text.Repeat", "--json-input", r#"{"times": 1}"#]).await, @r"
    exit 2
    --- stderr
    error: the input is refused: `.text`: a declared field is absent (executor.input.invalid)
    hint: `modrack modules show NAME` prints the input type
    ");
    insta::assert_snapshot!(call(&["text.repeat"]).await, @r"
    exit 3
    --- stderr
    error: module `text.repeat` is not registered (registry.module.unknown)
    hint: did you mean `text.Repeat`?
    ");
    insta::assert_snapshot!(call(&["Repeat"]).await, @r"
    exit 2
    --- stderr
    error: `Repeat` is not a qualified module name (registry.name.invalid)
    hint: did you mean `text.Repeat`?
    ");
    insta::assert_snapshot!(call(&["other.Name", "--json"]).await, @r#"
    exit 3
    --- stderr
    {"error":{"category":"NOT_FOUND","code":"registry.module.unknown","details":{"module":"other.Name"},"exit":3,"hint":"`modrack modules list` shows what is registered","message":"module `other.Name` is not registered","origin":"core","retryable":false}}
    "#);
}

#[tokio::test]
async fn a_module_that_fails_is_told_apart_from_the_host() {
    let host = Host::start(&[]).await;
    let session =
        host.client().register(registration("bad", [module("Fail", "{}", "Int")])).await.unwrap().keep_alive();
    let mut provider = session.attach().await;
    let error =
        Error::new(Category::InvalidArgument, "bad.luck", "no luck today", Origin::Module).detail("day", "friday");
    let answering = tokio::spawn(async move {
        for _ in 0..2 {
            let call = provider.call().await;
            provider.send([frames::failure(call.id, &error)]).await.unwrap();
        }
        // Held open until the host has told both callers.
        provider.closed().await;
    });
    insta::assert_snapshot!(host.run(&["modules", "call", "bad.Fail"]).await, @r"
    exit 1
    --- stderr
    error: no luck today (bad.luck)
    hint: the module answered this itself; the log of its provider may say more
    ");
    let text = host.run(&["modules", "call", "bad.Fail", "--json"]).await;
    let error: serde_json::Value = serde_json::from_str(text.strip_prefix("exit 1\n--- stderr\n").unwrap()).unwrap();
    assert_eq!(error["error"]["details"], json!({ "day": "friday" }));
    assert_eq!((&error["error"]["origin"], &error["error"]["exit"]), (&json!("module"), &json!(1)));
    answering.abort();
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let host = Host::start(&[]).await;
    let session =
        host.client().register(registration("slow", [module("Never", "{}", "Int")])).await.unwrap().keep_alive();
    let provider = session.attach().await;
    let serving = tokio::spawn(provider.serve(|_| std::future::pending()));
    let text = host.run(&["modules", "call", "slow.Never", "--timeout", "200ms"]).await;
    assert!(text.starts_with("exit 6\n--- stderr\nerror: "), "{text}");
    assert!(text.contains("(executor.deadline.exceeded)\nhint: give the call more time"), "{text}");
    serving.abort();
}

#[tokio::test]
async fn a_watch_tells_what_is_there_then_what_changes_and_ends_with_ctrl_c() {
    let host = Host::start(&[]).await;
    let provider = text_provider(&host).await;
    let mut watch = host.command(&["modules", "watch", "text.*"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut notes = BufReader::new(watch.stderr.take().unwrap()).lines();
    let note = within("the present state", notes.next_line()).await.unwrap();
    assert_eq!(note.as_deref(), Some("2 modules; waiting for changes, Ctrl-C ends"));
    provider.unregister().await.unwrap();
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(within("an event", lines.next_line()).await.unwrap().unwrap());
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    + text.Count  List<String> -> Map<String, Int>  0.0.0 r1  rust/attach x1  ready
    + text.Repeat  {text: String, times: Option<Int>} -> String  1.2.0 r1  rust/attach x1  ready
    - text.Count  unregistered
    - text.Repeat  unregistered
    ");
    signal(&watch, "INT").await;
    let status = within("the end of the watch", watch.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_watch_of_a_machine_is_one_object_a_line_and_ends_with_the_host() {
    let host = Host::start(&[]).await;
    let _provider = text_provider(&host).await;
    let mut watch = host.command(&["modules", "watch", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut events = Vec::new();
    while events.last() != Some(&json!({ "event": "synced", "modules": 2 })) {
        let line = within("an event", lines.next_line()).await.unwrap().unwrap();
        events.push(serde_json::from_str::<serde_json::Value>(&line).unwrap());
    }
    let names: Vec<_> = events.iter().map(|event| (&event["event"], &event["module"]["name"])).collect();
    assert_eq!(names[..2], [(&json!("added"), &json!("text.Count")), (&json!("added"), &json!("text.Repeat"))]);
    host.signal("TERM").await;
    let status = within("the end of the watch", watch.wait()).await.unwrap();
    assert_eq!(status.code(), Some(4));
}

#[tokio::test]
async fn a_stream_prints_a_line_for_each_item_and_a_batch_one_for_each_input() {
    use protocol::generated::provider::v1::host_frame::Frame;

    let host = Host::start(&[]).await;
    let capabilities = Some(pb::ModuleCapabilities { stream: true, ..pb::ModuleCapabilities::default() });
    let count = pb::ModuleSpec { capabilities, ..module("Count", "{n: Int}", "Int") };
    let request = registration("num", [count, module("Half", "{n: Int}", "Int")]);
    let session = host.client().register(request).await.unwrap().keep_alive();
    let mut connection = session.attach().await;
    tokio::spawn(async move {
        let int = |n: i64| msgpack("Int", &n.to_string()).to_vec();
        while let Ok(Some(frame)) = connection.next().await {
            match frame.frame {
                Some(Frame::ExecuteStream(start)) => {
                    connection.send_items(frame.call_id, start.credit, (0..3).map(int)).await;
                }
                Some(Frame::Execute(request)) => {
                    let n = decoded("{n: Int}", &request.input_data)["n"].as_i64().unwrap();
                    let answer = if n % 2 == 0 {
                        frames::output(frame.call_id, int(n / 2))
                    } else {
                        let odd = Error::new(Category::Conflict, "num.odd", "it is odd", Origin::Module);
                        frames::failure(frame.call_id, &odd)
                    };
                    connection.send([answer]).await.unwrap();
                }
                _ => {}
            }
        }
    });
    let names = ["num.Count".to_owned(), "num.Half".to_owned()];
    host.client().watch("num.*").await.unwrap().ready(&names, 1).await;
    insta::assert_snapshot!(host.run(&["modules", "call", "num.Count", "--arg", "n=3"]).await, @r"
    exit 0
    --- stdout
    0
    1
    2
    ");
    let inputs = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(inputs.path(), "{\"n\": 4}\n\n{\"n\": 6}\n").unwrap();
    let path = inputs.path().to_str().unwrap();
    insta::assert_snapshot!(host.run(&["modules", "call", "num.Half", "--batch", path]).await, @r#"
    exit 0
    --- stdout
    {"output":2}
    {"output":3}
    "#);
    std::fs::write(inputs.path(), "{\"n\": 4}\n{\"n\": 3}\n").unwrap();
    let failed = host.run(&["modules", "call", "num.Half", "--batch", path]).await;
    assert!(
        failed.starts_with(
            "exit 1\n--- stdout\n{\"output\":2}\n{\"error\":{\"category\":\"CONFLICT\",\"code\":\"num.odd\""
        ),
        "{failed}"
    );
    assert!(failed.contains("error: 1 of 2 inputs failed (cli.batch.failed)"), "{failed}");
}
