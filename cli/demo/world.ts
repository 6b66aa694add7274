/**
 * Everything a demo runs on: the servers, both twins and the services as processes of their own, and the people who edit.
 * The end-to-end tests use the same world and disturb it.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TributaryError } from '../../core/errors.ts';
import type { LoggedCall } from '../../twins/intercom/calls.ts';
import type { Store as IntercomStore } from '../../twins/intercom/control.ts';
import type { LoggedCall as SalesforceCall } from '../../twins/salesforce/control.ts';
import { localFolder } from '../stack/jars.ts';
import { type Addresses, addressesFrom, freePort } from '../stack/parts.ts';
import { isAlive, type Leashed, lastLines, startLeashed } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import type { SalesforceStore } from './judge.ts';
import type { Row } from './population.ts';
import { waitUntil } from './waiting.ts';

const main = join(import.meta.dirname, '../main.ts');
/** As in the image: a small nursery, and a heap that is cleaned before it grows, keep resident memory down by a third. */
const nodeFlags = ['--max-semi-space-size=8', '--heap-growing-percent=25'];
/** Credentials of the twins only; they open nothing else. */
const twinSecrets = {
  SALESFORCE_CLIENT_ID: 'tributary',
  SALESFORCE_CLIENT_SECRET: 'tributary-secret',
  INTERCOM_TOKEN: 'intercom-twin-token',
};
/** Signs what Intercom's double posts. */
const clientSecret = 'intercom-twin-secret';
/** A call of a person at work. */
const personToken = 'person';
/** Salesforce's REST API takes about so long for a small call; a double that took none would never see two rows in one. */
const salesforceTakesMs = 150;

/** Changes of both platforms are read, and written to the other one; everything else as by default. */
const bothWays = `capture: { intercom: true }
flows:
  contact-sync: { salesforce: { create: true } }
  account-sync: { salesforce: { create: true } }
`;

/**
 * What a process of the demo inherits: everything but the settings of another deployment. A shell that is set up for a real
 * org would else lend the demo its pins, its secrets' files or its port.
 */
export function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const setting = /^((SALESFORCE|INTERCOM|TRIBUTARY|HTTP)_|(KAFKA_BROKERS|SCHEMA_REGISTRY_URL|REDIS_URL)(_FILE)?$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !setting.test(name)));
}

export interface WorldOptions {
  readonly seed: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
  /** More settings of the services. */
  readonly env?: NodeJS.ProcessEnv;
  /** More arguments of theirs. */
  readonly args?: readonly string[];
  /** More of their configuration file. */
  readonly settings?: string;
  /** Changes of both platforms are read and written; default: Salesforce is read and Intercom is written. */
  readonly bothWays?: boolean;
  /** Servers to use whatever the environment names, and not the world's to stop. */
  readonly servers?: Addresses;
}

/** What /metrics says of the state of the services. */
export interface Pulse {
  readonly dirty: number;
  readonly open: number;
  readonly gated: number;
  readonly lag: number;
  /** Source time up to which every platform that is read is current, seconds. */
  readonly currentTo: number;
}

/** A role as a process of its own. */
export interface RoleProcess {
  readonly role: string;
  /** Of /healthz, /readyz and /metrics. */
  readonly url: string;
  /** Exit status, whatever ended it. */
  readonly ended: Promise<number | null>;
  /** To it and the shell that holds it. */
  signal(signal: NodeJS.Signals): void;
  /** `kill -9`; nobody asks for its figures any more. */
  kill(): Promise<void>;
}

interface Service extends RoleProcess {
  readonly leashed: Leashed;
  readonly logName: string;
}

export class World {
  readonly #options: WorldOptions;
  readonly #folder: string;
  readonly #config: string;
  readonly #running: Leashed[] = [];
  #stack: Stack | undefined;
  readonly #services = new Set<Service>();
  #starts = 0;
  #token = '';
  readonly bothWays: boolean;
  env: NodeJS.ProcessEnv = {};
  salesforceUrl = '';
  intercomUrl = '';
  httpUrl = '';
  /** Most memory the services were seen to hold, MiB. */
  residentMiB = 0;

  private constructor(options: WorldOptions) {
    this.#options = options;
    this.bothWays = options.bothWays ?? false;
    this.#folder = join(localFolder, `demo-${process.pid}-${options.seed}`);
    this.#config = join(this.#folder, 'defaults.yaml');
  }

  /** Starts the servers and the twins; the services are started by `startServices`. */
  static async start(options: WorldOptions): Promise<World> {
    const world = new World(options);
    try {
      await world.#start();
      return world;
    } catch (error) {
      // Its logs are what explains it.
      await world.stop(!options.signal.aborted);
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { log, signal, seed } = this.#options;
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
    // The judge knows the default mapping: an edited tributary.yaml in this folder is another pipeline's.
    writeFileSync(this.#config, (this.bothWays ? bothWays : '') + (this.#options.settings ?? '') || '{}\n');
    const given = { ...addressesFrom(process.env), ...this.#options.servers };
    if (given.kafka === undefined || given.registry === undefined || given.redis === undefined) {
      log('starting Kafka, the schema registry and Redis');
      this.#stack = await startStack({ dir: join(this.#folder, 'stack'), log, signal });
    }
    const [rest, pubsub, intercom, http, webhook] = await Promise.all([
      freePort(),
      freePort(),
      freePort(),
      freePort(),
      freePort(),
    ]);
    this.salesforceUrl = `http://127.0.0.1:${rest}`;
    this.intercomUrl = `http://127.0.0.1:${intercom}`;
    this.httpUrl = `http://127.0.0.1:${http}`;
    this.env = {
      ...withoutSettings(process.env),
      ...twinSecrets,
      // A prefix of its own: a demo on somebody's cluster touches nothing of theirs and never meets an older demo.
      TRIBUTARY_PREFIX: `demo-${Date.now().toString(36)}-${seed}.`,
      KAFKA_BROKERS: this.#stack?.brokers ?? given.kafka,
      SCHEMA_REGISTRY_URL: this.#stack?.registryUrl ?? given.registry,
      REDIS_URL: this.#stack?.redisUrl ?? given.redis,
      SALESFORCE_LOGIN_URL: this.salesforceUrl,
      SALESFORCE_PUBSUB_ENDPOINT: `127.0.0.1:${pubsub}`,
      SALESFORCE_PUBSUB_INSECURE: 'true',
      INTERCOM_BASE_URL: this.intercomUrl,
      ...(this.bothWays && { INTERCOM_CLIENT_SECRET: clientSecret, INTERCOM_WEBHOOK_PORT: String(webhook) }),
      ...this.#options.env,
    };
    if (this.#stack === undefined)
      log(`using the servers given, with the prefix ${this.env['TRIBUTARY_PREFIX'] ?? ''}`);
    log('starting the doubles of Salesforce and Intercom');
    const seeded = ['--seed', String(seed)];
    const salesforce = this.#spawn('salesforce', [
      'twin',
      'salesforce',
      '--rest-port',
      String(rest),
      '--pubsub-port',
      String(pubsub),
      ...seeded,
    ]);
    const double = this.#spawn('intercom', ['twin', 'intercom', '--port', String(intercom), ...seeded]);
    await this.#until('the doubles answer', async () => {
      this.#assertRuns('the Salesforce double', salesforce, 'salesforce');
      this.#assertRuns('the Intercom double', double, 'intercom');
      await Promise.all([this.get(`${this.salesforceUrl}/__twin/stats`), this.get(`${this.intercomUrl}/__twin/stats`)]);
      return undefined;
    });
    await this.#logIn();
    if (this.bothWays) await this.#slowSalesforce();
  }

  async #slowSalesforce(): Promise<void> {
    const slow = { kind: 'delay', match: 'PATCH /composite', ms: salesforceTakesMs, times: 1_000_000 };
    await this.#call('POST', `${this.salesforceUrl}/__twin/faults`, { json: slow });
  }

  /** Intercom is told where to post, as an administrator does; again after each start, in case it gave up meanwhile. */
  async subscribe(port = Number(this.env['INTERCOM_WEBHOOK_PORT'])): Promise<void> {
    const url = `http://127.0.0.1:${port}/intercom`;
    await this.#until('webhooks are received', async () => {
      await this.#call('POST', `${this.intercomUrl}/__twin/webhooks`, { json: { url } });
      return undefined;
    });
  }

  /** Somebody at work; tried until it succeeds, for tests make the token endpoint fail. */
  async #logIn(): Promise<void> {
    await this.#until('somebody is logged in', async () => {
      const answer = await this.#call('POST', `${this.salesforceUrl}/services/oauth2/token`, {
        form: 'grant_type=client_credentials&client_id=person&client_secret=person-secret',
      });
      this.#token = String((answer as { access_token?: unknown }).access_token);
      return undefined;
    });
  }

  #spawn(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Leashed {
    const command = { file: process.execPath, args: [...nodeFlags, main, ...args], env: { ...this.env, ...env } };
    const started = startLeashed(command, this.logFile(name));
    this.#running.push(started);
    return started;
  }

  /** What a failed run is explained with: the edits, and every call that the doubles received. */
  async keepEvidence(edits: readonly unknown[]): Promise<void> {
    const evidence = { edits, intercom: await this.intercomCalls(), salesforce: await this.salesforceCalls() };
    for (const [name, value] of Object.entries(evidence)) {
      writeFileSync(join(this.#folder, `${name}.json`), `${JSON.stringify(value, null, 1)}\n`);
    }
  }

  logFile(name: string): string {
    return join(this.#folder, `${name}.log`);
  }

  /** Every role in one process. */
  startServices(): void {
    this.#startService('all', 'services', this.httpUrl, {});
  }

  /**
   * Roles as processes of their own, as in production; `startServices` runs all of them in one. Their topics are there.
   * Settles when all listen.
   */
  async startRoles(names: readonly string[]): Promise<readonly RoleProcess[]> {
    const started = await Promise.all(names.map((name) => this.startRole(name)));
    await this.#until('the roles listen', async () => {
      await Promise.all(started.map(({ url }) => this.get(`${url}/healthz`)));
      return undefined;
    });
    return started;
  }

  /** One of them, with more settings. */
  async startRole(role: string, env: NodeJS.ProcessEnv = {}): Promise<RoleProcess> {
    return this.#startService(role, role, `http://127.0.0.1:${await freePort()}`, env);
  }

  /** Started again, it writes a log of its own: what came before a crash is what explains it. */
  #startService(role: string, name: string, url: string, env: NodeJS.ProcessEnv): RoleProcess {
    this.#starts += 1;
    const logName = this.#starts === 1 ? name : `${name}-${this.#starts}`;
    const args = ['run', role, '--http-port', new URL(url).port, '--config', this.#config];
    const leashed = this.#spawn(logName, [...args, ...(this.#options.args ?? [])], env);
    const started: Service = {
      role,
      url,
      leashed,
      logName,
      ended: leashed.ended,
      signal: (signal) => void process.kill(-leashed.id.pid, signal),
      kill: async () => {
        this.#services.delete(started);
        await leashed.kill();
      },
    };
    this.#services.add(started);
    return started;
  }

  /** Settles with the exit status of the one that ended worst. */
  async stopServices(): Promise<number | null> {
    const running = [...this.#services];
    this.#services.clear();
    const ends = await Promise.all(running.map(({ leashed }) => leashed.stop()));
    return ends.find((status) => status !== 0) ?? ends[0] ?? null;
  }

  async killServices(): Promise<void> {
    await Promise.all([...this.#services].map((service) => service.kill()));
  }

  /** Ends everything that was started, in the reverse order. `keepLogs` leaves the folder. */
  async stop(keepLogs = false): Promise<void> {
    for (const process of this.#running.reverse()) await process.stop();
    await this.#stack?.stop();
    if (!keepLogs) rmSync(this.#folder, { recursive: true, force: true });
  }

  async get(url: string): Promise<unknown> {
    return this.#call('GET', url, {});
  }

  async #call(method: string, url: string, send: { json?: unknown; form?: string; token?: string }): Promise<unknown> {
    const response = await fetch(url, {
      method,
      headers: {
        'content-type': send.form === undefined ? 'application/json' : 'application/x-www-form-urlencoded',
        ...(send.token === undefined
          ? {}
          : { authorization: `Bearer ${send.token}`, 'Sforce-Call-Options': 'client=person' }),
      },
      ...(send.form === undefined && send.json === undefined ? {} : { body: send.form ?? JSON.stringify(send.json) }),
      signal: AbortSignal.any([this.#options.signal, AbortSignal.timeout(20_000)]),
    });
    const text = await response.text();
    if (!response.ok)
      throw new TributaryError('PLATFORM_REFUSED', `${method} ${url}: ${response.status} ${text.slice(0, 300)}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** A call of the person logged in, who logs in again when the session has expired. */
  async #atWork(method: string, url: string, json: Row): Promise<unknown> {
    try {
      return await this.#call(method, url, { json, token: this.#token });
    } catch (error) {
      if (!(error instanceof TributaryError) || !error.message.includes(': 401 ')) throw error;
      await this.#logIn();
      return this.#call(method, url, { json, token: this.#token });
    }
  }

  #until(what: string, lacks: () => Promise<string | undefined>, limitMs = 60_000): Promise<void> {
    return waitUntil({ what, lacks, limitMs, signal: this.#options.signal });
  }

  // ---- people at work

  async loadSalesforce(objects: Readonly<Record<string, readonly Row[]>>): Promise<Record<string, readonly string[]>> {
    return (await this.#call('POST', `${this.salesforceUrl}/__twin/load`, { json: objects })) as Record<
      string,
      readonly string[]
    >;
  }

  async loadIntercom(load: unknown): Promise<void> {
    await this.#call('POST', `${this.intercomUrl}/__twin/load`, { json: load });
  }

  /** A person saves a record in Salesforce. */
  async edit(object: string, id: string, fields: Row): Promise<void> {
    const url = `${this.salesforceUrl}/services/data/v67.0/sobjects/${object}/${id}`;
    await this.#atWork('PATCH', url, fields);
  }

  async create(object: string, fields: Row): Promise<string> {
    const url = `${this.salesforceUrl}/services/data/v67.0/sobjects/${object}`;
    return String(((await this.#atWork('POST', url, fields)) as { id?: unknown }).id);
  }

  /** The same in Intercom. */
  async editIntercom(kind: 'contacts' | 'companies', id: string, body: unknown): Promise<void> {
    await this.#call('PUT', `${this.intercomUrl}/${kind}/${id}`, { json: body, token: personToken });
  }

  async createInIntercom(body: unknown): Promise<string> {
    const made = await this.#call('POST', `${this.intercomUrl}/contacts`, { json: body, token: personToken });
    return String((made as { id?: unknown }).id);
  }

  /** A record of Intercom as a person's client shows it. */
  async showIntercom(kind: 'contacts' | 'companies', id: string): Promise<object> {
    return (await this.#call('GET', `${this.intercomUrl}/${kind}/${id}`, { token: personToken })) as object;
  }

  /** Calls a minute that Intercom allows an app. */
  async limitIntercom(perMinute: number): Promise<void> {
    await this.#call('POST', `${this.intercomUrl}/__twin/switches`, { json: { ratePerMinute: perMinute } });
  }

  async salesforceStore(): Promise<SalesforceStore> {
    return (await this.get(`${this.salesforceUrl}/__twin/store`)) as SalesforceStore;
  }

  async intercomStore(): Promise<IntercomStore> {
    return (await this.get(`${this.intercomUrl}/__twin/store`)) as IntercomStore;
  }

  async intercomCalls(since = 0): Promise<readonly LoggedCall[]> {
    return (await this.get(`${this.intercomUrl}/__twin/calls?since=${since}`)) as readonly LoggedCall[];
  }

  async salesforceCalls(): Promise<readonly SalesforceCall[]> {
    return (await this.get(`${this.salesforceUrl}/__twin/calls`)) as readonly SalesforceCall[];
  }

  // ---- the services

  /** The services' own figures; undefined while one of them does not answer. */
  async pulse(): Promise<Pulse | undefined> {
    let text: string;
    try {
      text = (await Promise.all([...this.#services].map(metricsOf))).join('\n');
    } catch {
      // Not up, or killed by a test: that is what undefined says.
      return undefined;
    }
    const values = (name: string, has = ''): readonly number[] =>
      text
        .split('\n')
        .filter((line) => line.startsWith(name) && /[{ ]/.test(line[name.length] ?? '') && line.includes(has))
        .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
    const sum = (name: string): number => values(name).reduce((total, value) => total + value, 0);
    this.residentMiB = Math.max(this.residentMiB, Math.round(sum('process_resident_memory_bytes') / 1_048_576));
    const sources = this.bothWays ? ['salesforce', 'intercom'] : ['salesforce'];
    const marks = sources.flatMap((name) => values('tributary_mark_timestamp_seconds', name).slice(0, 1));
    if (marks.length < sources.length) return undefined;
    return {
      dirty: sum('tributary_dirty_records'),
      open: sum('tributary_open_asks'),
      gated: sum('tributary_waiting_creates'),
      lag: sum('tributary_lag_records'),
      currentTo: Math.min(...marks),
    };
  }

  /** @throws TributaryError INTERNAL with the end of the log: nothing of the demo ends by itself. */
  #assertRuns(who: string, { id }: Leashed, logName: string): void {
    if (isAlive(id)) return;
    const file = this.logFile(logName);
    const said = lastLines(readFileSync(file, 'utf8'), 20);
    throw new TributaryError('INTERNAL', `${who} ended; the end of the log ${file}:\n${said}\n`);
  }

  /**
   * Settled: everything committed in Salesforce before now was seen, and nothing is dirty, asked, gated or behind. Held
   * twice in a row, since the figures of one moment are not taken at one instant.
   */
  async settled(progress: (pulse: Pulse | undefined) => void, limitMs = 120_000): Promise<void> {
    const from = Date.now() / 1000;
    let quiet = 0;
    await this.#until(
      'nothing is under way',
      async () => {
        for (const { role, leashed, logName } of this.#services) this.#assertRuns(role, leashed, logName);
        const pulse = await this.pulse();
        progress(pulse);
        const moving = underWay(pulse, from);
        quiet = moving === undefined ? quiet + 1 : 0;
        return quiet >= 4 ? undefined : (moving ?? 'it has just come to rest');
      },
      limitMs,
    );
  }
}

async function metricsOf({ url }: Service): Promise<string> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(2_000) });
  return response.text();
}

/** In words; undefined: nothing. */
function underWay(pulse: Pulse | undefined, from: number): string | undefined {
  if (pulse === undefined) return 'the services do not tell their figures';
  const { dirty, open, gated, lag, currentTo } = pulse;
  if (dirty + open + gated > 0 || lag >= 50)
    return `${dirty} records wait to be asked, ${open} asks are open, ${gated} creates wait, ${lag} records are unread`;
  return currentTo >= from ? undefined : `a platform was heard up to ${Math.ceil(from - currentTo)} s before the wait`;
}
