/** How commands speak: results on stdout, everything else on stderr. */
import { createLog, type Logger } from '../core/log.ts';

export const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** For commands that a person runs: only what goes wrong, unless they ask for more. */
export const commandLog = (debug: boolean): Logger =>
  createLog({ level: debug ? 'debug' : 'warn', stream: process.stderr });

/** Plain columns, so that awk and eyes both read them. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

/** JSON that keeps long integers exact and shows bytes as base64. */
export function json(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, inner: unknown) => plainJson(inner), indent);
}

function plainJson(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  // Buffer.toJSON has run before a replacer sees the value.
  const bytes = value as { type?: unknown; data?: unknown } | null;
  if (typeof value === 'object' && bytes?.type === 'Buffer' && Array.isArray(bytes.data))
    return Buffer.from(bytes.data as number[]).toString('base64');
  return value;
}
