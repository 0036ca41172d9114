import { defineConfig } from "vitest/config";

// Tests wait for events, never for a time; the limit is for machines that do much else meanwhile.
export default defineConfig({ test: { include: ["tests/**/*.test.ts"], testTimeout: 30_000 } });
