//! Commands that need no host.

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::run::{modrack, run, shown};

#[tokio::test]
async fn help_shows_the_commands_and_the_exit_codes() {
    insta::assert_snapshot!(run(&["--help"]).await, @"
    exit 0
    --- stdout
    Modrack runs typed modules written in any language

    Usage: modrack [OPTIONS] <COMMAND>

    Commands:
      serve        Run a host until SIGINT or SIGTERM
      dev          Run the components of a directory, and restart each when its files change
      modules      See, call and watch the modules of a host
      check        Check pipelines against the modules of a host, or of a lock
      fmt          Format pipelines
      graph        Draw a pipeline: its inputs, calls and outputs with what passes between them
      run          Run a pipeline and print its outputs
      pipelines    Store pipelines in a host, as modules that anybody can call
      runs         See the latest runs of pipelines
      components   See and control the processes that a host supervises, and read what they write
      lsp          Serve an editor: errors while typing, completion, hover and more for pipelines, over
                   stdin and stdout
      codegen      Write typed bindings of modules, so that an editor knows what each takes and gives
      config       See and check the configuration
      errors       Explain an error code, or list all of them
      completions  Print the completion script of a shell

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Global options:
          --json
              Print JSON, also for errors

          --color <WHEN>
              When to use colour; `auto` also honours NO_COLOR
              
              [default: auto]
              [possible values: auto, always, never]

          --config <FILE>
              The configuration file [env: MODRACK_CONFIG] [default: ./modrack.toml, if it is there]

      -v, --verbose
              Say more on stderr

    Exit codes:
      0         done
      1         the module, the run, the component or the host failed, or `--check` found a difference
      2         the command line, the input, the pipeline or the configuration is wrong
      3         there is no such module, pipeline, run, component or code
      4         the host or the provider cannot be reached, or is too busy; may pass
      5         not allowed
      6         the deadline passed first
      130, 143  ended by Ctrl-C while a pipeline ran; a host, by a second SIGINT, SIGTERM
    ");
}

#[tokio::test]
async fn help_of_a_call_says_how_input_is_given() {
    insta::assert_snapshot!(run(&["modules", "call", "--help"]).await, @r#"
    exit 0
    --- stdout
    Call a module and print its output

    Each --arg gives one field of the input and is read by the field's declared type: text for String,
    base64 for Bytes, JSON for all others. A module whose input is no record takes one --arg named
    `input`.

    A string is printed as it is, every other output as JSON; with --json, every output is JSON on one
    line. The items of a stream are printed as they come, one line of JSON each.

    With --batch, each line of the file is one input, and each line of the output what became of it, in
    the same order: `{"output": …}` or `{"error": …}`.

    Usage: modrack modules call [OPTIONS] <NAME>

    Arguments:
      <NAME>
              Qualified name, e.g. `text.Uppercase`

    Options:
      -a, --arg <NAME=VALUE>
              One field of the input; `NAME=@FILE` reads the value from a file, `@-` from stdin, `@@…`
              is a text with one @

          --host <URL>
              Where the host is: `http://127.0.0.1:7420`, `https://example.org:7420` or
              `unix:/run/host.sock` [env: MODRACK_HOST] [default: as configured]

      -i, --input <FILE>
              A file with the whole input as JSON; `-` reads stdin

          --token-file <FILE>
              A file with the token that the host asks clients for [env: MODRACK_TOKEN_FILE]

          --ca-file <FILE>
              PEM of the CA that vouches for an `https` host [env: MODRACK_CA_FILE] [default: the
              system's]

          --json-input <JSON>
              The whole input as JSON

          --batch <FILE>
              A file with one input as JSON per line, for one call each; `-` reads stdin

          --cert-file <FILE>
              PEM of the certificate to show to an `https` host [env: MODRACK_CERT_FILE]

          --key-file <FILE>
              PEM of that certificate's private key [env: MODRACK_KEY_FILE]

      -t, --timeout <TIME>
              How long the call may take, e.g. `500ms`, `2s`, `5m`; for a stream or a batch, the whole
              of it
              
              [default: 30s]

      -h, --help
              Print help (see a summary with '-h')

    Global options:
          --json
              Print JSON, also for errors

          --color <WHEN>
              When to use colour; `auto` also honours NO_COLOR
              
              [default: auto]
              [possible values: auto, always, never]

          --config <FILE>
              The configuration file [env: MODRACK_CONFIG] [default: ./modrack.toml, if it is there]

      -v, --verbose
              Say more on stderr
    "#);
}

#[tokio::test]
async fn help_of_serve_names_its_flags() {
    insta::assert_snapshot!(run(&["serve", "-h"]).await, @"
    exit 0
    --- stdout
    Run a host until SIGINT or SIGTERM

    Usage: modrack serve [OPTIONS]

    Options:
          --listen <ADDR>        TCP address of the gRPC surfaces; port 0 lets the system choose; '' for
                                 none
          --socket <PATH>        Unix socket of the gRPC surfaces; '' for none
          --data-dir <DIR>       Where state and sockets live
          --insecure-listen      Allow `--listen` to be an address that other machines can reach,
                                 without TLS and credentials
          --components <DIR>     A directory of components to start: each `*.json` is one [default:
                                 `components.d` in the data directory]
          --bundled              Start the bundled modules too
          --log-format <FORMAT>  How a line of the log looks [possible values: auto, text, json]
          --log-filter <FILTER>  What is logged, e.g. `info` or `info,host=debug`
      -h, --help                 Print help (see more with '--help')

    Global options:
          --json           Print JSON, also for errors
          --color <WHEN>   When to use colour; `auto` also honours NO_COLOR [default: auto] [possible
                           values: auto, always, never]
          --config <FILE>  The configuration file [env: MODRACK_CONFIG] [default: ./modrack.toml, if it
                           is there]
      -v, --verbose        Say more on stderr
    ");
}

#[tokio::test]
async fn a_wrong_command_line_is_one_error_and_one_hint() {
    insta::assert_snapshot!(run(&["modules", "lst"]).await, @r"
    exit 2
    --- stderr
    error: unrecognized subcommand 'lst' (cli.usage)
    hint: a similar subcommand exists: 'list'
    ");
    insta::assert_snapshot!(run(&["modules", "call", "text.A", "--timeout", "5"]).await, @r"
    exit 2
    --- stderr
    error: invalid value '5' for '--timeout <TIME>': write a number with `ms`, `s`, `m` or `h` (cli.usage)
    hint: `modrack --help` shows the commands, `modrack <command> --help` their flags
    ");
    insta::assert_snapshot!(run(&["modules", "show", "--json"]).await, @r#"
    exit 2
    --- stderr
    {"error":{"code":"cli.usage","exit":2,"hint":"`modrack --help` shows the commands, `modrack <command> --help` their flags","message":"the following required arguments were not provided: <NAME>","retryable":false}}
    "#);
    insta::assert_snapshot!(run(&["modules", "call", "text.A", "-a", "x=1", "--input", "f"]).await, @r"
    exit 2
    --- stderr
    error: the argument '--arg <NAME=VALUE>' cannot be used with '--input <FILE>' (cli.usage)
    hint: `modrack --help` shows the commands, `modrack <command> --help` their flags
    ");
}

#[tokio::test]
async fn no_command_at_all_gets_the_help_and_fails() {
    let text = run(&[]).await;
    assert!(text.starts_with("exit 2\n--- stderr\nModrack runs typed modules"), "{text}");
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told_with_what_to_do() {
    // Port 1 is privileged and not in use on a machine that runs tests.
    insta::assert_snapshot!(run(&["modules", "list", "--host", "127.0.0.1:1"]).await, @r"
    exit 4
    --- stderr
    error: cannot reach a host at `http://127.0.0.1:1`: Connection refused (os error 111) (cli.host.unreachable)
    hint: is `modrack serve` running there? --host or MODRACK_HOST says where it is
    ");
    insta::assert_snapshot!(run(&["modules", "list", "--host", "unix:/nowhere/host.sock"]).await, @r"
    exit 4
    --- stderr
    error: cannot reach a host at `unix:/nowhere/host.sock`: No such file or directory (os error 2) (cli.host.unreachable)
    hint: is `modrack serve` running there? --host or MODRACK_HOST says where it is
    ");
    insta::assert_snapshot!(run(&["modules", "list", "--host", "example.org"]).await, @"
    exit 2
    --- stderr
    error: `example.org` is no address of a host (cli.host.address)
    hint: a host is named `http://127.0.0.1:7420`, `https://example.org:7420` or `unix:/path/of/host.sock`
    ");
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_no_host() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let text = run(&["modules", "list", "--host", &address]).await.replace(&address, "HOST");
    server.abort();
    assert!(text.starts_with("exit 4\n--- stderr\nerror: cannot reach a host at `http://HOST`: "), "{text}");
    assert!(text.contains("(cli.host.unreachable)\nhint: "), "{text}");
}

#[tokio::test]
async fn a_host_that_says_nothing_does_not_hold_a_call_beyond_its_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let args = ["modules", "call", "text.A", "--json-input", "1", "--timeout", "200ms", "--host", &address];
    insta::assert_snapshot!(run(&args).await, @r"
    exit 6
    --- stderr
    error: no answer came before the deadline (executor.deadline.exceeded)
    hint: give the call more time, or look at why the module is slow
    ");
    server.abort();
}

#[tokio::test]
async fn config_show_says_where_each_value_came_from() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("modrack.toml"), "socket = \"\"\n\n[limits]\nsessions = 7\n").unwrap();
    let mut command = modrack(dir.path(), &["config", "show"]);
    // By default it is where this binary was built.
    command.env("MODRACK_BUNDLE_DIR", "/opt/bundle").env("MODRACK_LOG__FILTER", "debug").env("HOME", "/home/ada");
    let text = shown(command, "").await;
    insta::assert_snapshot!(text, @r#"
    exit 0
    --- stdout
    KEY                            VALUE                                          FROM
    data_dir                       "/home/ada/.local/share/modrack"               default
    listen                         "127.0.0.1:7420"                               default
    insecure_listen                false                                          default
    socket                         ""                                             modrack.toml:1
    tls.cert_file                  ""                                             default
    tls.key_file                   ""                                             default
    tls.client_ca_file             ""                                             default
    link.enabled                   true                                           default
    link.socket                    "/home/ada/.local/share/modrack/link.sock"     default
    limits.message_bytes           4194304                                        default
    limits.modules_per_provider    10000                                          default
    limits.sessions                7                                              modrack.toml:4
    limits.sessions_per_subject    256                                            default
    limits.connections             4096                                           default
    limits.in_flight_per_provider  1024                                           default
    limits.queued_per_provider     1024                                           default
    timeouts.lease_ms              15000                                          default
    timeouts.heartbeat_ms          5000                                           default
    timeouts.attach_ms             10000                                          default
    timeouts.hello_ms              5000                                           default
    timeouts.call_ms               30000                                          default
    timeouts.max_call_ms           3600000                                        default
    timeouts.drain_ms              10000                                          default
    timeouts.ping_ms               10000                                          default
    runtime.threads                0                                              default
    log.format                     "auto"                                         default
    log.filter                     "debug"                                        env MODRACK_LOG__FILTER
    telemetry.otlp_endpoint        ""                                             default
    telemetry.sample_ratio         1.0                                            default
    telemetry.service_name         "modrack-host"                                 default
    pipelines.run_timeout_ms       300000                                         default
    pipelines.max_run_timeout_ms   3600000                                        default
    pipelines.call_timeout_ms      30000                                          default
    pipelines.each_concurrency     64                                             default
    pipelines.max_runs             1024                                           default
    pipelines.kept_runs            256                                            default
    pipelines.max_stored           1000                                           default
    pipelines.cache_bytes          67108864                                       default
    unary.allow                    ["127.0.0.0/8","::1/128"]                      default
    unary.ca_file                  ""                                             default
    components_dir                 "/home/ada/.local/share/modrack/components.d"  default
    bundled                        false                                          default
    bundle_dir                     "/opt/bundle"                                  env MODRACK_BUNDLE_DIR
    middleware.chain               []                                             default
    middleware.audit_queue         1024                                           default
    staging.max_entries            1024                                           default
    staging.max_bytes              16777216                                       default
    staging.ttl_ms                 3600000                                        default
    "#);

    let mut command = modrack(dir.path(), &["config", "show", "--json"]);
    command.env("MODRACK_LOG__FILTER", "debug");
    let text = shown(command, "").await;
    let rows: serde_json::Value = serde_json::from_str(text.strip_prefix("exit 0\n--- stdout\n").unwrap()).unwrap();
    let row = |key: &str| rows.as_array().unwrap().iter().find(|row| row["key"] == key).unwrap().to_string();
    assert_eq!(
        row("limits.sessions"),
        r#"{"key":"limits.sessions","origin":"file","place":"modrack.toml:4","value":7}"#
    );
    assert_eq!(
        row("log.filter"),
        r#"{"key":"log.filter","origin":"env","place":"MODRACK_LOG__FILTER","value":"debug"}"#
    );
    assert_eq!(row("listen"), r#"{"key":"listen","origin":"default","place":null,"value":"127.0.0.1:7420"}"#);
}

#[tokio::test]
async fn config_show_names_credential_files_and_no_credential() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("ada.key"), "correct horse battery staple").unwrap();
    let file = "[[providers]]\nsubject = \"ada\"\ncredential_file = \"ada.key\"\nnamespaces = [\"text.*\"]\n";
    std::fs::write(dir.path().join("modrack.toml"), file).unwrap();
    for args in [&["config", "show"][..], &["config", "show", "--json"]] {
        let text = shown(modrack(dir.path(), args), "").await;
        assert!(text.contains("providers[0].credential_file") && text.contains("ada.key"), "{text}");
        assert!(!text.contains("horse"), "{text}");
    }
}

#[tokio::test]
async fn config_check_tells_every_fault_and_fails() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("host.toml"), "listn = 1\nlisten = \"0.0.0.0:7420\"\n[limits]\nsessions = 0\n")
        .unwrap();
    insta::assert_snapshot!(shown(modrack(dir.path(), &["config", "check", "host.toml"]), "").await, @"
    exit 2
    --- stderr
    error: host.toml:1: `listn` is no key of the configuration (config.key.unknown)
    hint: did you mean `listen`?
    error: host.toml:2: `listen` is `0.0.0.0:7420`, which other machines can reach, without TLS (`tls.cert_file`, `tls.key_file`), credentials of providers (`[[providers]]`), tokens of clients (`[[clients]]`) (config.listen.insecure)
    hint: set what is missing (`tls.client_ca_file` stands for both kinds of secrets), or listen on 127.0.0.1 or `socket`; where the network itself is trusted, say so with `insecure_listen = true` or `--insecure-listen`
    error: host.toml:4: `limits.sessions` cannot be 0 (config.value.range)
    hint: give a number from 1 to 1000000
    ");
    insta::assert_snapshot!(shown(modrack(dir.path(), &["config", "check", "host.toml", "--json"]), "").await, @r#"
    exit 2
    --- stderr
    {"error":{"code":"config.key.unknown","exit":2,"hint":"did you mean `listen`?","key":"listn","message":"host.toml:1: `listn` is no key of the configuration","retryable":false,"source":"host.toml:1"}}
    {"error":{"code":"config.listen.insecure","exit":2,"hint":"set what is missing (`tls.client_ca_file` stands for both kinds of secrets), or listen on 127.0.0.1 or `socket`; where the network itself is trusted, say so with `insecure_listen = true` or `--insecure-listen`","key":"listen","message":"host.toml:2: `listen` is `0.0.0.0:7420`, which other machines can reach, without TLS (`tls.cert_file`, `tls.key_file`), credentials of providers (`[[providers]]`), tokens of clients (`[[clients]]`)","retryable":false,"source":"host.toml:2"}}
    {"error":{"code":"config.value.range","exit":2,"hint":"give a number from 1 to 1000000","key":"limits.sessions","message":"host.toml:4: `limits.sessions` cannot be 0","retryable":false,"source":"host.toml:4"}}
    "#);
    std::fs::write(dir.path().join("host.toml"), "socket = \"\"\n").unwrap();
    insta::assert_snapshot!(shown(modrack(dir.path(), &["config", "check", "host.toml"]), "").await, @"
    exit 0
    --- stdout
    the configuration holds: `host.toml`, 1 of 48 keys set
    ");
    insta::assert_snapshot!(shown(modrack(dir.path(), &["config", "check", "no.toml"]), "").await, @r"
    exit 2
    --- stderr
    error: no.toml: the file cannot be read: No such file or directory (os error 2) (config.file.unreadable)
    hint: check the path after `--config` or in MODRACK_CONFIG; without either, the defaults need no file
    ");
}

#[tokio::test]
async fn an_error_code_is_explained() {
    insta::assert_snapshot!(run(&["errors", "registry.module.unknown"]).await, @r"
    exit 0
    --- stdout
    registry.module.unknown
      category  NOT_FOUND
      retry     the same request fails again
      hint      `modrack modules list` shows what is registered
    ");
    insta::assert_snapshot!(run(&["errors", "registry.modul.unknown"]).await, @r"
    exit 3
    --- stderr
    error: `registry.modul.unknown` is no code that this command knows (cli.code.unknown)
    hint: did you mean `registry.module.unknown`?
    ");
    insta::assert_snapshot!(run(&["errors", "cli.host.unreachable", "--json"]).await, @r#"
    exit 0
    --- stdout
    {
      "category": "COMMAND_LINE",
      "code": "cli.host.unreachable",
      "hint": "is `modrack serve` running there? --host or MODRACK_HOST says where it is",
      "retryable": true
    }
    "#);
    let all = run(&["errors"]).await;
    for code in protocol::codes::ALL {
        assert!(all.contains(&format!("\n{} ", code.name)), "{} is listed", code.name);
    }
    insta::assert_snapshot!(run(&["errors", "codec.float_inexact"]).await, @r"
    exit 0
    --- stdout
    codec.float_inexact
      category  INVALID_ARGUMENT
      retry     the same request fails again
      hint      an integer that a 64-bit float cannot hold
    ");
    insta::assert_snapshot!(run(&["errors", "type.union.nested"]).await, @r"
    exit 0
    --- stdout
    type.union.nested
      category  INVALID_ARGUMENT
      retry     the same request fails again
      hint      a union stands directly in a union
    ");
}

#[tokio::test]
async fn every_shell_gets_a_script_that_names_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let text = run(&["completions", shell]).await;
        assert!(text.starts_with("exit 0\n--- stdout\n") && text.contains("completions"), "{shell}: {text}");
    }
}

#[tokio::test]
async fn colour_is_a_choice() {
    let coloured = |args: &'static [&'static str]| async move { run(args).await.contains('\u{1b}') };
    assert!(!coloured(&["modules", "lst"]).await, "no terminal, no colour");
    assert!(coloured(&["modules", "lst", "--color", "always"]).await);
    assert!(coloured(&["--color=always", "config", "show"]).await);
    assert!(!coloured(&["--color=never", "config", "show"]).await);
}
