//! The codes of failures that happen on this side of the wire. Those of the host are in `protocol`.

use crate::exit::Exit;

/// A stable code with what is always true of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalCode {
    pub(crate) name: &'static str,
    pub(crate) exit: Exit,
    pub(crate) hint: &'static str,
}

macro_rules! codes {
    ($($ident:ident = $name:literal, $exit:ident, $hint:literal;)*) => {
        $(pub(crate) const $ident: LocalCode = LocalCode { name: $name, exit: Exit::$exit, hint: $hint };)*
        /// All of them.
        pub(crate) const ALL: &[LocalCode] = &[$($ident),*];
    };
}

codes! {
    USAGE = "cli.usage", Usage, "`modrack --help` shows the commands, `modrack <command> --help` their flags";
    HOST_ADDRESS = "cli.host.address", Usage, "a host is named `http://127.0.0.1:7420`, `https://example.org:7420` or `unix:/path/of/host.sock`";
    HOST_UNREACHABLE = "cli.host.unreachable", Unavailable, "is `modrack serve` running there? --host or MODRACK_HOST says where it is";
    HOST_SILENT = "cli.host.silent", Deadline, "the host hangs, or something else listens there; see its log";
    CREDENTIAL_UNREADABLE = "cli.credential.unreadable", Usage, "a token is one line of at least 16 characters; certificates and keys are PEM";
    INPUT_UNREADABLE = "cli.input.unreadable", Usage, "check the path; `-` reads stdin";
    INPUT_MISSING = "cli.input.missing", Usage, "give the input with --arg NAME=VALUE, --input FILE or --json-input JSON";
    BATCH_FAILED = "cli.batch.failed", Failed, "the lines of the output that hold `error` say why";
    ARGUMENT_UNKNOWN = "cli.argument.unknown", Usage, "`modrack modules show NAME` prints the input type";
    ARGUMENT_INVALID = "cli.argument.invalid", Usage, "`modrack modules show NAME` prints the input type";
    MODULE_UNMATCHED = "cli.module.unmatched", NotFound, "`modrack modules list` shows what is registered";
    LOCK_UNREADABLE = "cli.lock.unreadable", Usage, "`modrack modules lock` writes a lock of what the host has";
    LOCK_INVALID = "cli.lock.invalid", Usage, "write it anew with `modrack modules lock`; it is not made to be edited";
    LOCK_STALE = "cli.lock.stale", Failed, "`modrack modules lock` writes it anew; then generate the bindings anew";
    BINDINGS_STALE = "cli.bindings.stale", Failed, "run the same command without --check";
    BINDINGS_FOREIGN = "cli.bindings.foreign", Usage, "choose another directory with --out, or move the file away; only generated files are replaced";
    PIPELINE_INVALID = "cli.pipeline.invalid", Usage, "each message has its place and what to do; `modrack modules list` shows what can be called";
    EXAMPLES_MISSING = "cli.examples.missing", Usage, "write `@example(…)` before each input that is not optional, or give the inputs with --arg";
    FORMAT_DIFFERS = "cli.format.differs", Failed, "run the same command without --check";
    RUN_INTERRUPTED = "cli.run.interrupted", Interrupted, "what the modules did until then stays done";
    LSP_ENDED = "cli.lsp.ended", Failed, "an editor ends the server with `shutdown`, then `exit`";
    FILE_REFUSED = "cli.file.refused", Failed, "check the path, who may write there, and the room on the disk";
    CODE_UNKNOWN = "cli.code.unknown", NotFound, "`modrack errors` lists the codes of the host, the codec, the configuration and this command; an SDK and a module have their own";
    DEV_NOTHING = "cli.dev.nothing", Usage, "write a `provider.py` or `provider.js` there, or a component file; `docs/components.md` shows both";
    DEV_INVALID = "cli.dev.invalid", Usage, "a component file is one JSON object; `docs/components.md` shows its members";
    DEV_INTERPRETER = "cli.dev.interpreter", Usage, "install it, make an environment with `python3 -m venv .venv`, or name it in a component file";
    DEV_UNWATCHED = "cli.dev.unwatched", Failed, "leave out what need not be watched, or raise the system's limit: `sysctl fs.inotify.max_user_watches`";
    SERVE_FAILED = "cli.serve.failed", Failed, "`modrack config show` prints where it listens";
    OUTPUT_FAILED = "cli.output.failed", Failed, "check the terminal, pipe or disk that the output goes to";
}
