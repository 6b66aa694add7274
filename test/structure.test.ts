import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Import, importsOf, root, type Source, sourcesIn, withoutComments } from './support/sources.ts';

const layers = ['schemas', 'core', 'connectors', 'processors', 'sinks', 'twins', 'cli'] as const;
/** What measures them from outside: imported by nothing, and not in the image. */
const outside = ['bench'] as const;
type Layer = (typeof layers | typeof outside)[number];

/** Which layers a layer may import, itself included: schemas ← core ← { connectors, processors, sinks } ← cli ← bench. */
const mayImport: Readonly<Record<Layer, readonly Layer[]>> = {
  schemas: ['schemas'],
  core: ['schemas', 'core'],
  connectors: ['schemas', 'core', 'connectors'],
  processors: ['schemas', 'core', 'processors'],
  sinks: ['schemas', 'core', 'sinks'],
  twins: ['schemas', 'twins'],
  cli: [...layers],
  bench: [...layers, ...outside],
};

const layerOf = (path: string): Layer | undefined =>
  [...layers, ...outside].find((layer) => path.startsWith(`${layer}/`));
const isOurs = (target: string): boolean => layerOf(target) !== undefined;

/**
 * The two sideways edges, both within one platform: the spelling of its values is written once, where its events are
 * decoded; its client, its requests and the verdicts on its errors are written once, where we connect to it.
 */
function isSidewaysByName(from: string, target: string): boolean {
  const [, layer, platform] = /^(connectors|sinks)\/(\w+)\//.exec(from) ?? [];
  if (platform === undefined) return false;
  if (layer === 'sinks' && new RegExp(`^connectors/${platform}/(client|classify|requests|soql)\\.ts$`).test(target))
    return true;
  return new RegExp(`^processors/decode/${platform}[\\w-]*\\.ts$`).test(target);
}

function findings(sources: readonly Source[], judge: (source: Source, found: Import) => string | undefined): string[] {
  return sources.flatMap((source) =>
    source.imports.map((found) => judge(source, found)).filter((text) => text != null),
  );
}

describe('structure', () => {
  const sources = sourcesIn(...layers, ...outside);

  test('imports follow the arrow: schemas ← core ← { connectors, processors, sinks } ← cli ← bench; twins know schemas at most', () => {
    const wrong = findings(sources, ({ path }, { target }) => {
      const from = layerOf(path);
      const to = layerOf(target);
      if (from === undefined || to === undefined || mayImport[from].includes(to)) return undefined;
      if (isSidewaysByName(path, target)) return undefined;
      return `${path} imports ${target}: ${from}/ may import ${mayImport[from].join(', ')} only. Move what both need to ${from === 'twins' ? 'schemas' : 'core'}/, or hand it in from cli/.`;
    });
    expect(wrong).toEqual([]);
  });

  test('a platform does not know another platform', () => {
    const platformOf = (path: string): string | undefined => /(?:^|\/)(salesforce|intercom)(?:[/.]|$)/.exec(path)?.[1];
    const wrong = findings(sources, ({ path }, { target }) => {
      const from = platformOf(path);
      const to = platformOf(target);
      if (!/^(?:connectors|sinks|twins|processors\/decode)\//.test(path) || !isOurs(target)) return undefined;
      if (from === undefined || to === undefined || from === to) return undefined;
      return `${path} imports ${target}: they meet only in processors/unify. Move what both need to core/.`;
    });
    expect(wrong).toEqual([]);
  });

  test('only core/ knows the clients of Kafka, the registry and Redis, and what measures a client as it comes', () => {
    const clients = ['kafkajs', '@kafkajs/confluent-schema-registry', 'ioredis'];
    const wrong = findings(sources, ({ path }, { target, typeOnly }) => {
      if (!clients.includes(target) || path.startsWith('core/') || path === 'bench/pass-through-child.ts')
        return undefined;
      if (target === 'ioredis' && typeOnly) return undefined;
      return `${path} imports ${target}: use core/'s wrapper, where the client's known ways to lose data are closed.`;
    });
    expect(wrong).toEqual([]);
  });

  test('processors do no I/O and have no clock, so that a replay decides the same again', () => {
    const clocks =
      /\bDate\b|\bset(?:Timeout|Interval|Immediate)\b|\bperformance\.|\bprocess\.|\bMath\.random\b|\bfetch\(/g;
    const pure = sources.filter(({ path }) => path.startsWith('processors/'));
    const reached = findings(pure, ({ path }, { target, typeOnly }) => {
      const io = target.startsWith('node:') && target !== 'node:crypto';
      if (typeOnly || (!io && (isOurs(target) || target === 'node:crypto' || target === 'avsc'))) return undefined;
      return `${path} imports ${target}: take what it gives as an argument.`;
    });
    const used = pure.flatMap(({ path, text }) =>
      [...withoutComments(text).matchAll(clocks)].map(
        ([word]) => `${path} uses ${word}: take time from the record and randomness from a hash of its key.`,
      ),
    );
    expect([...reached, ...used]).toEqual([]);
  });

  test('no file imports itself in a circle through another', () => {
    const graph = new Map(sources.map(({ path, imports }) => [path, imports.filter(({ typeOnly }) => !typeOnly)]));
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        circles.push(
          `${[...trail.slice(trail.indexOf(path)), path].join(' → ')}: move what they share to a file of its own.`,
        );
        return;
      }
      if (done.has(path)) return;
      for (const { target } of graph.get(path) ?? []) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const path of graph.keys()) visit(path, []);
    expect(circles).toEqual([]);
  });

  test('the reader of imports sees every form that the sources use', () => {
    const text = `import a from 'one';\nimport type { B } from '../core/two.ts';\nimport {\n  c,\n  type D,\n} from 'three';\nexport * from './four.ts';\nimport 'five';\nconst e = await import('six');\n`;
    expect(importsOf('sinks/x.ts', text)).toEqual([
      { target: 'one', typeOnly: false },
      { target: 'core/two.ts', typeOnly: true },
      { target: 'three', typeOnly: false },
      { target: 'sinks/four.ts', typeOnly: false },
      { target: 'five', typeOnly: false },
      { target: 'six', typeOnly: false },
    ]);
  });
});

describe('dependencies', () => {
  interface Manifest {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly devDependencies: Readonly<Record<string, string>>;
  }
  interface Locked {
    readonly resolved?: string;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  }
  const read = (name: string): string => readFileSync(join(root, name), 'utf8');
  const manifest = JSON.parse(read('package.json')) as Manifest;
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  const lock = (JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, Locked>> }).packages;

  test('each has its line in docs/dependencies.md, and each line its dependency', () => {
    const lines = [...read('docs/dependencies.md').matchAll(/^- `([^`]+)`: \S/gm)].map(([, name]) => name);
    expect(new Set(lines)).toEqual(new Set(Object.keys(all)));
    expect(lines).toHaveLength(Object.keys(all).length);
  });

  test('each has an exact version', () => {
    const loose = Object.entries(all).filter(([, version]) => !/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+$/.test(version));
    expect(loose).toEqual([]);
  });

  test('each that runs in production is imported by the sources', () => {
    const imported = new Set(sourcesIn(...layers).flatMap(({ imports }) => imports.map(({ target }) => target)));
    const idle = Object.keys(manifest.dependencies).filter(
      (name) => ![...imported].some((target) => target === name || target.startsWith(`${name}/`)),
    );
    expect(idle.map((name) => `${name} is imported nowhere: remove it, or move it to devDependencies`)).toEqual([]);
  });

  test('the image has what its code imports: only the demo, which runs from a checkout, uses development packages', () => {
    const packageOf = (target: string): string => target.split('/', target.startsWith('@') ? 2 : 1).join('/');
    const wrong = findings(sourcesIn(...layers), ({ path }, { target, typeOnly }) => {
      if (typeOnly || path.startsWith('cli/demo/') || !(packageOf(target) in manifest.devDependencies))
        return undefined;
      return `${path} imports ${target}, a development dependency: move it to dependencies.`;
    });
    expect(wrong).toEqual([]);
  });

  test('the lock file names no registry host', () => {
    expect(Object.entries(lock).filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });

  test('the lock file holds the optional packages of every platform, without which npm ci refuses a fresh clone', () => {
    const missing = Object.values(lock).flatMap(({ optionalDependencies }) =>
      Object.keys(optionalDependencies ?? {}).filter(
        (name) => !Object.keys(lock).some((path) => path.endsWith(`node_modules/${name}`)),
      ),
    );
    expect(missing.map((name) => `${name} is missing: npm install ran where its registry does not carry it`)).toEqual(
      [],
    );
  });
});
