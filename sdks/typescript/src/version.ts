// The version of this package, for the host's listings. A test compares it with `package.json`.

/** The version of this package. */
export const VERSION = "0.0.0";
