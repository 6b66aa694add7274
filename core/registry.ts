/**
 * The Confluent-compatible schema registry behind core/codec.ts. Its client registers and finds ids; what an id means is
 * read as text, for the client's compiled types drop the `doc` texts, in which alone Salesforce says what a field is.
 * Every call has a deadline, which the client lacks: a stuck registry would stall a handler past its session.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { Logger } from 'pino';
import { type TopicName, topics } from '../schemas/topics.ts';
import { createBook, idOf, ownSchema, ownSchemasOf, type SchemaBook, subjectOf } from './avro.ts';
import type { Codec } from './codec.ts';
import { TributaryError } from './errors.ts';
import { doing } from './faults.ts';
import { delay } from './patience.ts';

export interface RegistryAdmin {
  /**
   * Registers our schemas of a topic that are missing, at the compatibility of the topic; returns the names of those.
   * @throws TributaryError TOPICS_DIFFER when the registry holds a version that ours is not compatible with
   */
  registerTopic(topic: TopicName): Promise<readonly string[]>;
  /** Registers a platform's own schema under `<topic>-<name>`, compatibility NONE; the same schema again gets the same id. */
  registerForeign(topic: TopicName, schemaJson: string, name: string): Promise<number>;
}

export type RegistryCodec = Codec & RegistryAdmin;

export interface RegistryOptions {
  /** Base of the Confluent-compatible API, path included. */
  readonly url: string;
  /** Of the topics: a subject begins with the topic's name at the wire. */
  readonly prefix: string;
  readonly log: Logger;
  /** Ends the wait for a registry that is away. */
  readonly signal?: AbortSignal;
}

const deadlineMs = 5_000;
/** An unknown id asks again this often, whatever the number of records that carry it. */
const unknownForMs = 60_000;
const pauseMs = { first: 200, most: 5_000 };

/** Waits for the registry, then knows the ids of ours. Those not registered yet are known after `registerTopic`. */
export async function connectRegistry({ url, prefix, log, signal }: RegistryOptions): Promise<RegistryCodec> {
  const book = createBook();
  const client = createClient(url);
  const subject = (topic: TopicName, schema: string): string => subjectOf(prefix + topic, schema);

  async function look(topic: TopicName, name: string): Promise<boolean> {
    const id = await client.find(subject(topic, name), JSON.stringify(ownSchema(name)));
    if (id !== undefined) book.addOwn(topic, name, id);
    return id !== undefined;
  }

  await untilThere(log, signal, async () => {
    const names = Object.keys(topics) as TopicName[];
    await Promise.all(names.flatMap((topic) => ownSchemasOf(topic).map((name) => look(topic, name))));
  });

  return {
    ...book.codec,
    prepare: createLoader(book, client.definition),
    async registerTopic(topic) {
      const made: string[] = [];
      for (const name of ownSchemasOf(topic)) {
        if (await look(topic, name)) continue;
        const { compatibility } = topics[topic];
        const id = await client.register(subject(topic, name), JSON.stringify(ownSchema(name)), compatibility);
        book.addOwn(topic, name, id);
        made.push(name);
      }
      return made;
    },
    async registerForeign(topic, schemaJson, name) {
      const id = await doing(
        'schema',
        async () =>
          (await client.find(subject(topic, name), schemaJson)) ??
          client.register(subject(topic, name), schemaJson, 'NONE'),
      );
      book.addWriter(id, JSON.parse(schemaJson) as object);
      return id;
    },
  };
}

/** The same framing without a registry, its ids made up: for simulations and tests within one process. */
export function memoryCodec(): RegistryCodec {
  const book = createBook();
  const foreign = new Map<string, number>();
  let last = 0;
  const idOfName = new Map<string, number>();
  for (const topic of Object.keys(topics) as TopicName[]) {
    for (const name of ownSchemasOf(topic)) {
      const id = idOfName.get(name) ?? ++last;
      idOfName.set(name, id);
      book.addOwn(topic, name, id);
    }
  }
  return {
    ...book.codec,
    prepare: async () => undefined,
    registerTopic: async () => [],
    async registerForeign(_topic, schemaJson) {
      const id = foreign.get(schemaJson) ?? ++last;
      foreign.set(schemaJson, id);
      book.addWriter(id, JSON.parse(schemaJson) as object);
      return id;
    },
  };
}

/** One request per missing id at a time, and none for a minute after the registry said that it does not know it. */
export function createLoader(
  book: Pick<SchemaBook, 'has' | 'addWriter'>,
  definition: (id: number) => Promise<object | undefined>,
  now: () => number = () => performance.now(),
): Codec['prepare'] {
  const loading = new Map<number, Promise<void>>();
  const unknownUntil = new Map<number, number>();

  async function load(id: number): Promise<void> {
    const found = await definition(id);
    if (found === undefined) unknownUntil.set(id, now() + unknownForMs);
    else book.addWriter(id, found);
  }

  return async (batch) => {
    const missing = new Set<number>();
    for (const bytes of batch) {
      const id = bytes === null ? undefined : idOf(bytes);
      if (id !== undefined && !book.has(id) && (unknownUntil.get(id) ?? 0) <= now()) missing.add(id);
    }
    const loads = [...missing].map((id) => {
      const started = loading.get(id) ?? load(id).finally(() => loading.delete(id));
      loading.set(id, started);
      return started;
    });
    await Promise.all(loads);
  };
}

interface Client {
  find(subject: string, schemaJson: string): Promise<number | undefined>;
  register(subject: string, schemaJson: string, compatibility: 'NONE' | 'FULL_TRANSITIVE'): Promise<number>;
  /** The schema as its author published it; undefined: the registry does not know the id. */
  readonly definition: (id: number) => Promise<object | undefined>;
}

function createClient(url: string): Client {
  const host = url.replace(/\/+$/, '');
  const agentClass = host.startsWith('https:') ? HttpsAgent : HttpAgent;
  const newAgent = (): HttpAgent => new agentClass({ keepAlive: true, timeout: deadlineMs });
  // `retry` as an object would change the client's module-wide default; it is given once, with the same values each time.
  const open = (agent: HttpAgent): SchemaRegistry => new SchemaRegistry({ host, agent, retry: { retries: 1 } });
  let agent = newAgent();
  let registry = open(agent);

  /** The client cannot cancel: cutting its sockets is what ends a call for certain. */
  async function within<T>(doing: string, call: (client: SchemaRegistry) => Promise<T>): Promise<T> {
    const timer = new AbortController();
    const late = sleep(deadlineMs, undefined, { signal: timer.signal }).then(() => {
      agent.destroy();
      agent = newAgent();
      registry = open(agent);
      throw new TributaryError('REGISTRY_UNAVAILABLE', `${doing}: no answer in ${deadlineMs / 1_000} s`);
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([call(registry), late]);
    } finally {
      timer.abort();
    }
  }

  return {
    async find(subject, schemaJson) {
      const doing = `looking up ${subject}`;
      try {
        return await within(doing, (client) =>
          client.getRegistryIdBySchema(subject, { type: SchemaType.AVRO, schema: schemaJson }),
        );
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw registryError(error, doing);
      }
    },
    async register(subject, schemaJson, compatibility) {
      const doing = `registering ${subject}`;
      try {
        const schema = { type: SchemaType.AVRO, schema: schemaJson } as const;
        const { id } = await within(doing, (client) =>
          client.register(schema, { subject, compatibility: COMPATIBILITY[compatibility] }),
        );
        return id;
      } catch (error) {
        throw registryError(error, doing);
      }
    },
    async definition(id) {
      const doing = `reading schema ${id}`;
      let answer: Response;
      let text: string;
      try {
        answer = await fetch(`${host}/schemas/ids/${id}`, { signal: AbortSignal.timeout(deadlineMs) });
        text = await answer.text();
      } catch (error) {
        throw registryError(error, doing);
      }
      if (answer.status === 404) return undefined;
      if (!answer.ok) throw new TributaryError('REGISTRY_UNAVAILABLE', `${doing}: status ${answer.status}`);
      return JSON.parse((JSON.parse(text) as { schema: string }).schema) as object;
    },
  };
}

/** getRegistryIdBySchema turns the 404 into an error without its status. */
function isNotFound(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'ConfluentSchemaRegistryError' || (error as { status?: number }).status === 404;
}

/** A refused connection comes as status 400 (libraries' own doing), so only 409 and 422 are the registry's verdict. */
function registryError(error: unknown, doing: string): TributaryError {
  if (error instanceof TributaryError) return error;
  const { status, name, message } = error as { status?: number; name?: string; message?: string };
  if (status === 409 || status === 422 || name === 'ConfluentSchemaRegistryCompatibilityError') {
    return new TributaryError('TOPICS_DIFFER', `${doing}: ${message ?? 'refused'}`, { cause: error });
  }
  return new TributaryError('REGISTRY_UNAVAILABLE', `${doing}: ${message ?? String(error)}`, { cause: error });
}

async function untilThere(log: Logger, signal: AbortSignal | undefined, attempt: () => Promise<void>): Promise<void> {
  let away = false;
  for (let tries = 0; ; tries += 1) {
    try {
      await attempt();
      if (away) log.info('the schema registry is back');
      return;
    } catch (error) {
      const ours = TributaryError.from(error);
      if (ours.verdict !== 'retry' || signal?.aborted) throw ours;
      if (!away) log.warn({ code: ours.code, why: ours.message }, 'the schema registry is away, waiting for it');
      away = true;
      const ms = Math.min(pauseMs.first * 2 ** tries, pauseMs.most);
      await delay(ms, signal);
    }
  }
}
