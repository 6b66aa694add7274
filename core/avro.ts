/**
 * Our schemas compiled once, writers' schemas compiled once per registry id, and the framing of both. Knows no registry:
 * ids come from whoever makes the book. The registry client's own decode compiles the reader's schema per message and is
 * a hundred times slower.
 */
import avsc from 'avsc';
import { loadSchemas } from '../schemas/load.ts';
import { type TopicName, topics } from '../schemas/topics.ts';
import './avro-strings.ts';
import type { Codec, Decoded } from './codec.ts';
import { TributaryError } from './errors.ts';
import { foreignType } from './foreign-avro.ts';

const magicBytes = 5;

/** Plain values in unions: the default wraps some of them and not others. The options are fresh, avsc keeps the types it compiled in them. */
const compile = (schema: object): avsc.Type => avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: 'never' });

const own = new Map(loadSchemas().map(({ name, schema }) => [name, { schema, type: compile(schema) }]));
const ownNamespace = 'tributary.';

/** Schema of ours by record name, as it is registered. */
export function ownSchema(name: string): object {
  return ownEntry(name).schema;
}

function ownEntry(name: string): OwnSchema {
  const entry = own.get(name);
  if (entry === undefined) throw new TributaryError('INTERNAL', `there is no schema ${name}`);
  return entry;
}

export function subjectOf(topic: string, schema: string): string {
  return `${topic}-${schema}`;
}

/** The record schemas of ours that a topic may carry; a platform's own are registered when they are first met. */
export function ownSchemasOf(topic: TopicName): readonly string[] {
  return topics[topic].schemas.filter((name) => own.has(name));
}

interface Writer {
  readonly schema: string;
  readonly definition: object | null;
  readonly read: (bytes: Buffer) => object;
}

/** What is known of registry ids. */
export interface SchemaBook {
  /** Both ways: encode by name in a topic, decode by id. */
  addOwn(topic: string, schema: string, id: number): void;
  /** Any schema by its id, as its author published it. */
  addWriter(id: number, definition: object): void;
  has(id: number): boolean;
  readonly codec: Pick<Codec, 'encode' | 'decode' | 'frame'>;
}

export function createBook(): SchemaBook {
  const ids = new Map<string, number>();
  const writers = new Map<number, Writer>();
  let scratch = Buffer.allocUnsafe(64 * 1024);

  function addWriter(id: number, definition: object): void {
    const { name, namespace } = definition as { name?: string; namespace?: string };
    const full = namespace === undefined || name?.includes('.') ? String(name) : `${namespace}.${name}`;
    const short = full.slice(full.lastIndexOf('.') + 1);
    const ours = full === ownNamespace + short ? own.get(short) : undefined;
    writers.set(id, ours === undefined ? foreignWriter(short, definition) : ownWriter(short, ours, definition));
  }

  function encode(topic: string, schema: string, value: object): Buffer {
    const id = ids.get(subjectOf(topic, schema));
    if (id === undefined) {
      throw new TributaryError('TOPICS_DIFFER', `schema ${schema} is not registered for topic ${topic}`);
    }
    const { type } = ownEntry(schema);
    try {
      let end = type.encode(value, scratch, magicBytes);
      if (end < 0) {
        scratch = Buffer.allocUnsafe(2 * (scratch.length - end));
        end = type.encode(value, scratch, magicBytes);
      }
      scratch[0] = 0;
      scratch.writeInt32BE(id, 1);
      return Buffer.from(scratch.subarray(0, end));
    } catch {
      throw new TributaryError('PAYLOAD_UNDECODABLE', `${schema} for ${topic}: ${misfitOf(type, value)}`);
    }
  }

  return {
    addOwn(topic, schema, id) {
      ids.set(subjectOf(topic, schema), id);
      if (!writers.has(id)) addWriter(id, ownSchema(schema));
    },
    addWriter,
    has: (id) => writers.has(id),
    codec: {
      encode,
      decode(bytes): Decoded {
        const id = idOf(bytes);
        if (id === undefined)
          throw new TributaryError('PAYLOAD_UNDECODABLE', 'the bytes do not begin with a schema id');
        const writer = writers.get(id);
        if (writer === undefined) throw new TributaryError('SCHEMA_UNKNOWN', `schema id ${id} is not in the registry`);
        const { schema, definition } = writer;
        return { schema, value: writer.read(bytes), foreign: definition !== null, definition };
      },
      frame(id, datum) {
        const head = Buffer.alloc(magicBytes);
        head.writeInt32BE(id, 1);
        return Buffer.concat([head, datum]);
      },
    },
  };
}

export function idOf(bytes: Buffer): number | undefined {
  return bytes.length < magicBytes || bytes[0] !== 0 ? undefined : bytes.readInt32BE(1);
}

/** The path only: avsc's own message quotes the value, which may be somebody's. */
function misfitOf(type: avsc.Type, value: object): string {
  let misfit = 'the value does not fit';
  type.isValid(value, {
    errorHook: (path, _value, wanted) => {
      misfit = `${path.join('.')} is no ${wanted.typeName}`;
    },
  });
  return misfit;
}

interface OwnSchema {
  readonly schema: object;
  readonly type: avsc.Type;
}

function ownWriter(name: string, { schema, type }: OwnSchema, definition: object): Writer {
  const resolver = definition === schema ? undefined : resolverOf(name, type, definition);
  return { schema: name, definition: null, read: (bytes) => readDatum(name, type, bytes, resolver) };
}

function resolverOf(name: string, reader: avsc.Type, definition: object): object {
  try {
    return reader.createResolver(compile(definition));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TributaryError('PAYLOAD_UNDECODABLE', `${name} of another version cannot be read by this one: ${reason}`);
  }
}

function foreignWriter(name: string, definition: object): Writer {
  const type = foreignType(definition);
  return { schema: name, definition, read: (bytes) => readDatum(name, type, bytes, undefined) };
}

function readDatum(name: string, type: avsc.Type, bytes: Buffer, resolver: object | undefined): object {
  let decoded: { value: object; offset: number };
  try {
    decoded = type.decode(bytes, magicBytes, resolver);
  } catch (error) {
    throw new TributaryError('PAYLOAD_UNDECODABLE', `the bytes are no ${name}`, { cause: error });
  }
  if (decoded.offset !== bytes.length) {
    const how = decoded.offset < 0 ? 'end too early' : `go on after ${decoded.offset} of ${bytes.length}`;
    throw new TributaryError('PAYLOAD_UNDECODABLE', `the bytes of a ${name} ${how}`);
  }
  return decoded.value;
}
