/** Reads every .avsc of ours from disk. */
import { readdirSync, readFileSync } from 'node:fs';

export interface LoadedSchema {
  /** Record name, unique: Change, Command, RefState… */
  readonly name: string;
  readonly schema: Record<string, unknown>;
}

const folders = ['raw', 'changes', 'commands', 'canonical', 'ops', 'state'] as const;
let loaded: readonly LoadedSchema[] | undefined;

export function loadSchemas(): readonly LoadedSchema[] {
  loaded ??= folders.flatMap((folder) => {
    const base = new URL(`./${folder}/`, import.meta.url);
    return readdirSync(base)
      .filter((file) => file.endsWith('.avsc'))
      .sort()
      .map((file) => {
        const schema = JSON.parse(readFileSync(new URL(file, base), 'utf8')) as Record<string, unknown>;
        return { name: schema['name'] as string, schema };
      });
  });
  return loaded;
}
