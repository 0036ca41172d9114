// The log of providers and handlers. Writes lines to stderr unless the program gives its own; keeps nothing.

/** Where a provider and its handlers log to. `console` is one. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Whether `MODRACK_DEBUG=1` asks for details: debug lines, and stacks in the details of errors. */
export function isDebug(): boolean {
  return process.env["MODRACK_DEBUG"] === "1";
}

/** Lines on stderr, each begun with `modrack: `; debug lines only where {@link isDebug}. */
export const stderrLogger: Logger = {
  debug(message) {
    if (isDebug()) write(message);
  },
  info: write,
  warn: write,
  error: write,
};

/** A logger that begins each message with a prefix. */
export function prefixed(logger: Logger, prefix: string): Logger {
  return {
    debug: (message) => logger.debug(prefix + message),
    info: (message) => logger.info(prefix + message),
    warn: (message) => logger.warn(prefix + message),
    error: (message) => logger.error(prefix + message),
  };
}

function write(message: string): void {
  process.stderr.write(`modrack: ${message}\n`);
}
