/**
 * Both platforms read whole, as their connectors read them at the first start, into changes in memory. Calls are counted in
 * the deployment's own budget, in its bulk part: a dry run spends quota as everything else does. Nothing but the budget's
 * count is written anywhere.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type IntercomAccess, openIntercom, timed, workspaceOf } from '../../connectors/intercom/client.ts';
import { answered, next } from '../../connectors/intercom/decide-reconcile.ts';
import { type Part, type ReconcileState, unborn } from '../../connectors/intercom/reconcile-state.ts';
import type { IntercomRequest } from '../../connectors/intercom/requests.ts';
import { callSalesforce, openSalesforce, orgIdOf, type SalesforceOpening } from '../../connectors/salesforce/client.ts';
import { checkOrg, shapesOf } from '../../connectors/salesforce/preflight.ts';
import { byId, pages } from '../../connectors/salesforce/reads.ts';
import type { SalesforceRequest } from '../../connectors/salesforce/requests.ts';
import { TributaryError } from '../../core/errors.ts';
import { patiently } from '../../core/patience.ts';
import { checkPin } from '../../core/pin.ts';
import { PlatformClock } from '../../core/platform-clock.ts';
import type { CallContext } from '../../core/role.ts';
import type { Execution } from '../../core/sink-loop.ts';
import type { Answer } from '../../core/sink-state.ts';
import { decodeIntercom } from '../../processors/decode/intercom.ts';
import { observeSalesforceRow } from '../../processors/decode/salesforce.ts';
import { compileRules, directoryObjects, type Rules, sideOf } from '../../processors/unify/rules.ts';
import { changeOf } from '../../schemas/change.ts';
import type { Change, Command, Observation } from '../../schemas/types.ts';
import { drive } from '../../sinks/drive.ts';
import { executeEach } from '../../sinks/intercom/execute.ts';
import { missingAttributes } from '../../sinks/intercom/preflight.ts';
import { executeBatch } from '../../sinks/salesforce/execute.ts';
import type { SalesforceObjects } from '../../sinks/salesforce/plan.ts';
import { writtenObjects } from '../../sinks/salesforce/preflight.ts';

/** How far the reading is, for whoever watches it. */
export interface Progress {
  /** Records so far, by platform and object. */
  readonly read: Record<string, number>;
  readonly calls: Record<'salesforce' | 'intercom', number>;
  /** What each platform's reading waits for; empty: nothing. */
  readonly waiting: Record<'salesforce' | 'intercom', string>;
  readonly unreadable: { readonly record: string; readonly why: string }[];
}

export const noProgress = (): Progress => ({
  read: {},
  calls: { salesforce: 0, intercom: 0 },
  waiting: { salesforce: '', intercom: '' },
  unreadable: [],
});

export interface ReadOptions {
  readonly context: CallContext;
  readonly signal: AbortSignal;
  /** Most records of each object; null: all. */
  readonly limit: number | null;
  readonly progress: Progress;
}

const parts: readonly Part[] = ['admin', 'company', 'contact'];
/** Nobody's: whoever reads writes nothing, and holds no partition of commands. */
const nobody: Execution['holder'] = { partition: 0, fence: 0 };

/** Both platforms, opened for reading. */
export class Reading {
  readonly #options: ReadOptions;
  readonly #rules: Rules;
  readonly #salesforce: SalesforceOpening;
  readonly #intercom: IntercomAccess;
  readonly #clock = new PlatformClock();
  readonly #answers = new Map<string, Answer>();
  #objects: SalesforceObjects = {};
  /** As whom we call Salesforce. */
  user = { id: '' };
  /** Data attributes that Intercom lacks, as `contact.name`. */
  attributes: readonly string[] = [];

  constructor(options: ReadOptions) {
    const { context, signal, progress } = options;
    this.#options = options;
    this.#rules = compileRules(context.config);
    this.#salesforce = openSalesforce(context, { ends: signal, onAnswer: () => void progress.calls.salesforce++ });
    const { access } = openIntercom(context);
    const counted: IntercomAccess = {
      call: async (caller, request) => {
        const verdict = await access.call(caller, request);
        progress.calls.intercom++;
        return verdict;
      },
      close: () => access.close(),
    };
    this.#intercom = timed(counted, this.#clock, () => performance.now());
  }

  async close(): Promise<void> {
    await Promise.all([this.#salesforce.rest.close(), this.#intercom.close()]);
  }

  /**
   * Is it the org and the workspace that the deployment has, and do both have what the mapping names?
   * @throws TributaryError CREDENTIALS_REFUSED, PLATFORM_OTHER_ORG, MAPPING_UNKNOWN_FIELD, or one that passes
   */
  async check(): Promise<void> {
    const { config, redis, kafka } = this.#options.context;
    const { signal } = this.#options;
    const { org, user } = await orgIdOf(this.#salesforce.rest);
    checkOrg(org, [config.salesforce.orgId]);
    await checkPin({
      redis,
      prefix: kafka.prefix,
      platform: 'salesforce',
      id: org,
      configured: config.salesforce.orgId,
    });
    const workspace = await workspaceOf(this.#intercom, signal);
    const configured = config.intercom.workspaceId;
    await checkPin({ redis, prefix: kafka.prefix, platform: 'intercom', id: workspace, configured });
    this.user = { id: user };
    this.#objects = await writtenObjects(this.#salesforce, config);
    const caller = { lane: 'live', holder: null, signal } as const;
    const missing = await missingAttributes(config, this.#intercom, caller);
    this.attributes = missing.map(({ need, name }) => `${need.model}.${name}`);
  }

  /** The later of the platforms' clocks, and no earlier than ours: later than all that was told. */
  now(): number {
    return Math.max(Date.now(), this.#clock.at(performance.now()) ?? 0) + 1_000;
  }

  /** Passing trouble is waited for, and said. */
  #patiently<T>(platform: 'salesforce' | 'intercom', work: () => Promise<T>): Promise<T> {
    const { signal, progress } = this.#options;
    const ready = (_: boolean, why: string): void => {
      progress.waiting[platform] = why;
    };
    const told = async (): Promise<T> => {
      const done = await work();
      progress.waiting[platform] = '';
      return done;
    };
    return patiently({ signal, ready }, told);
  }

  // ---- Salesforce

  async salesforce(): Promise<readonly Change[]> {
    const { config } = this.#options.context;
    const { limit, signal } = this.#options;
    const { rest } = this.#salesforce;
    const { objects } = config.snapshot;
    const shapes = await this.#patiently('salesforce', () => shapesOf(rest, config.entities, objects));
    const changes: Change[] = [];
    for (const object of objects) {
      const shape = shapes.get(object);
      if (shape === undefined) continue;
      let [after, rows] = ['', 0];
      // Again from the last row, not from the first.
      await this.#patiently('salesforce', async () => {
        for await (const page of pages(rest, byId(shape, after))) {
          signal.throwIfAborted();
          for (const { id, deleted, body } of page.rows) {
            if (limit !== null && rows >= limit) return;
            const row = { object, id, deleted, body: body ?? {} };
            const told = { via: 'read', at: page.at, multiSelects: shape.multiSelects } as const;
            changes.push(this.#change(observeSalesforceRow(row, told)));
            this.#options.progress.read[`salesforce ${object}`] = rows += 1;
            after = id;
          }
        }
      });
    }
    return changes;
  }

  // ---- Intercom

  async intercom(): Promise<readonly Change[]> {
    const { limit, signal, progress } = this.#options;
    const changes: Change[] = [];
    const rows: Record<string, number> = {};
    let state: ReconcileState = { ...unborn, startedAt: 1 };
    const isWanted = (part: Part): boolean =>
      !state.done.includes(part) && (limit === null || (rows[part] ?? 0) < limit);
    while (parts.some(isWanted)) {
      signal.throwIfAborted();
      const at = Math.floor((this.#clock.at(performance.now()) ?? Date.now()) / 1_000) * 1_000;
      // Teammates are listed once, and before all others.
      const done: readonly Part[] = isWanted('admin') ? state.done : [...state.done, 'admin'];
      const task = next({ ...state, done, adminsAt: at }, parts.filter(isWanted), at);
      if (task.kind === 'rest') {
        await sleep(Math.min(Math.max(task.until - at, 100), 5_000), undefined, { signal });
        continue;
      }
      const caller = { lane: 'bulk', holder: null, signal } as const;
      const step = await this.#patiently('intercom', async () =>
        answered(state, task, await this.#intercom.call(caller, task.request), at),
      );
      state = step.state;
      for (const raw of step.records) {
        if (limit !== null && (rows[raw.object] ?? 0) >= limit) continue;
        try {
          for (const { observation } of decodeIntercom({ schema: 'RawRecord', value: raw }, nowhere))
            if (observation !== null) changes.push(this.#change(observation));
        } catch (error) {
          const { message } = TributaryError.from(error);
          progress.unreadable.push({ record: `intercom:${raw.object}:${raw.recordId}`, why: message });
        }
        progress.read[`intercom ${raw.object}`] = rows[raw.object] = (rows[raw.object] ?? 0) + 1;
      }
    }
    return changes;
  }

  // ---- single records

  /** What a sink would answer to a command that only reads. The same is asked once. */
  async answer(command: Command): Promise<Answer> {
    const { signal } = this.#options;
    const known = this.#answers.get(command.ref);
    if (known !== undefined) return known;
    const run: Execution = { holder: nobody, signal, trouble: () => undefined };
    const { customer, account } = this.#options.context.config.entities;
    const markers = { contact: customer.intercom.marker, company: account.intercom.marker };
    const answers =
      command.platform === 'intercom'
        ? await drive(executeEach(markers, [command]), run, ({ lane }, request) =>
            this.#intercom.call({ lane, holder: null, signal }, onlyReading(request)),
          )
        : await drive(executeBatch(this.#objects, [command]), run, (caller, request) =>
            callSalesforce(this.#salesforce, caller, onlyReading(request)),
          );
    const answer = answers.get(command.id);
    if (answer === undefined) throw new TributaryError('INTERNAL', `${command.ref} was not answered`);
    this.#answers.set(command.ref, answer);
    return answer;
  }

  /** Without what nothing is made of: a large org is held in memory. */
  #change(observation: Observation): Change {
    const name = observation.ref.slice(0, observation.ref.lastIndexOf(':'));
    const kind = this.#rules.kindOf.get(name);
    const entry = directoryObjects[name]?.email;
    const isWanted = (field: string): boolean =>
      kind === undefined ? field === entry : sideOf(this.#rules.entities[kind], observation.ref).byField.has(field);
    const fields = Object.fromEntries(Object.entries(observation.fields).filter(([field]) => isWanted(field)));
    return changeOf({ kind: 'observation', observation: { ...observation, fields } });
  }
}

const nowhere = { topic: 'intercom.raw', partition: 0, offset: 0, index: 0 } as const;

const reading: ReadonlySet<(IntercomRequest | SalesforceRequest)['kind']> = new Set([
  'findContact',
  'findCompany',
  'listCompaniesOf',
  'query',
  'more',
] as const);

/** The one way of single calls to the platforms: a dry run that would write is a defect, and ends here. */
function onlyReading<Request extends IntercomRequest | SalesforceRequest>(request: Request): Request {
  if (reading.has(request.kind)) return request;
  throw new TributaryError('INTERNAL', `a dry run wanted to call ${request.kind}`);
}
