import { z } from 'zod';
import type { WrittenRow } from './answers.ts';
import { formulas } from './customizing.ts';
import type { Faults } from './faults.ts';
import { field } from './metadata.ts';
import type { Caller, SalesforceModel } from './model.ts';
import type { PubSubSkin } from './pubsub.ts';
import { wholeRow } from './rows.ts';
import type { Sessions } from './sessions.ts';
import type { Value } from './values.ts';

export interface LoggedCall {
  readonly n: number;
  readonly time: number;
  readonly method: string;
  readonly path: string;
  /** Connected app whose token it was; null before authentication. */
  readonly client: string | null;
  /** Client id of the call options, as change events will name it. */
  readonly origin: string | null;
  readonly status: number;
  readonly rows: number;
  /** Records that really became different. */
  readonly changed: number;
  readonly written: readonly WrittenRow[];
}

export interface ControlContext {
  readonly model: SalesforceModel;
  readonly sessions: Sessions;
  readonly pubsub: PubSubSkin;
  readonly faults: Faults;
  readonly calls: readonly LoggedCall[];
  readonly now: () => number;
  readonly advance: (ms: number) => void;
}

const rowSchema = z.record(z.string(), z.unknown());
const loadSchema = z.record(z.string(), z.array(rowSchema));
const clockSchema = z.strictObject({ advanceMs: z.number().int().positive() });

const deliveriesSchema = z.strictObject({ limit: z.number().int().nonnegative() });

const dmlSchema = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('create'), object: z.string(), row: rowSchema }),
  z.strictObject({ op: z.literal('update'), object: z.string(), id: z.string(), row: rowSchema }),
  z.strictObject({ op: z.literal('upsert'), object: z.string(), field: z.string(), value: z.string(), row: rowSchema }),
  z.strictObject({ op: z.literal('delete'), object: z.string(), id: z.string() }),
  z.strictObject({ op: z.literal('undelete'), object: z.string(), id: z.string() }),
]);
const transactionSchema = z.strictObject({
  rows: z.array(dmlSchema),
  changeOrigin: z.string().default(''),
  allOrNone: z.boolean().default(false),
});

const mergeSchema = z.strictObject({
  object: z.string(),
  winnerId: z.string(),
  loserIds: z.array(z.string()),
  row: rowSchema.default({}),
});
const convertSchema = z.strictObject({
  leadId: z.string(),
  accountId: z.string().optional(),
  contactId: z.string().optional(),
  status: z.string().optional(),
});
const lockSchema = z.strictObject({
  id: z.string(),
  inMs: z.number().int().min(0).default(0),
  forMs: z.number().int().positive(),
});

const customizingSchema = z
  .strictObject({
    validationRules: z.array(
      z.strictObject({
        object: z.string(),
        field: z.string(),
        pattern: z.string().transform((source) => new RegExp(source, 'u')),
        message: z.string(),
      }),
    ),
    duplicateRules: z.array(
      z.strictObject({
        object: z.string(),
        field: z.string(),
        against: z.array(z.string()).min(1),
        action: z.enum(['alert', 'block']).default('alert'),
      }),
    ),
    automations: z.array(
      z
        .strictObject({
          object: z.string(),
          when: z.string(),
          set: z.string(),
          to: z.enum(['copy', 'upperCase', 'properCase']),
        })
        .transform(({ to, ...automation }) => ({
          ...automation,
          to: (values: Readonly<Record<string, Value>>) => formulas[to](values[automation.when] ?? null),
        })),
    ),
  })
  .partial();

const habitsSchema = z
  .strictObject({
    mergeEvents: z.boolean(),
    nullBooleans: z.boolean(),
    noopEvents: z.boolean(),
    modstampLagMs: z.number().int().min(0),
    overflowAfter: z.number().int().min(0),
    mergeDeletesFirst: z.boolean(),
    reparenting: z.enum(['announced', 'stamped', 'silent']),
    longChance: z.number().min(0).max(1),
    longMs: z.number().int().min(0),
    gapChance: z.number().min(0).max(1),
    redeliverChance: z.number().min(0).max(1),
    rowsNameDuplicates: z.boolean(),
  })
  .partial();

const http = {
  match: z.string().default('* /'),
  times: z.number().int().positive().default(1),
  apply: z.enum(['before', 'after']).default('before'),
};
const faultSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('http'), ...http, status: z.number().int(), html: z.boolean().default(false) }),
  z.strictObject({ kind: z.literal('drop'), ...http }),
  z.strictObject({ kind: z.literal('delay'), ...http, ms: z.number().int().positive() }),
  z.strictObject({ kind: z.literal('clear') }),
  z.strictObject({ kind: z.literal('stream-drop'), code: z.string().optional() }),
  z.strictObject({ kind: z.literal('token-expire') }),
  z.strictObject({ kind: z.literal('expire-replay') }),
  z.strictObject({ kind: z.literal('redeliver'), count: z.number().int().positive().default(1) }),
  z.strictObject({
    kind: z.literal('gap'),
    ids: z.array(z.string()).min(1),
    type: z.enum(['GAP_CREATE', 'GAP_UPDATE', 'GAP_DELETE', 'GAP_UNDELETE']).default('GAP_UPDATE'),
  }),
  z.strictObject({ kind: z.literal('overflow'), object: z.string() }),
  z.strictObject({
    kind: z.literal('add-field'),
    object: z.string(),
    name: z.string().endsWith('__c'),
    type: z.enum(['string', 'boolean', 'date', 'datetime', 'phone', 'email', 'url']),
    length: z.number().int().positive().optional(),
  }),
]);

/** The control plane: what a test or a demonstration does to the org, and asks about it, behind the platform's back. */
export function control(
  context: ControlContext,
  method: string,
  url: URL,
  body: string,
): { status: number; body: unknown } {
  const { model, calls, now } = context;
  const input = (): unknown => (body === '' ? {} : JSON.parse(body));
  try {
    switch (`${method} ${url.pathname.replace('/__twin/', '')}`) {
      case 'GET store':
        return { status: 200, body: dump(model, url.searchParams.get('deleted') === 'true') };
      case 'GET calls':
        return { status: 200, body: calls.filter(({ n }) => n > Number(url.searchParams.get('since') ?? 0)) };
      case 'GET stats':
        return { status: 200, body: stats(context) };
      case 'POST load':
        return { status: 200, body: load(model, loadSchema.parse(input()), now()) };
      case 'POST transaction': {
        const { rows, changeOrigin, allOrNone } = transactionSchema.parse(input());
        const caller = { ...person(model), changeOrigin };
        return { status: 200, body: model.execute(rows, caller, now(), allOrNone) };
      }
      case 'POST merge': {
        const { object, winnerId, loserIds, row } = mergeSchema.parse(input());
        return { status: 200, body: model.merge(object, winnerId, loserIds, person(model), now(), row) };
      }
      case 'POST convert': {
        const { leadId, ...options } = convertSchema.parse(input());
        return { status: 200, body: model.convertLead(leadId, options, person(model), now()) };
      }
      case 'POST customizing':
        model.customize(defined(customizingSchema.parse(input())));
        return { status: 200, body: model.customizing };
      case 'POST lock': {
        const { id, inMs, forMs } = lockSchema.parse(input());
        model.lock(id, now() + inMs, now() + inMs + forMs);
        return { status: 200, body: {} };
      }
      case 'POST habits':
        model.habits = { ...model.habits, ...defined(habitsSchema.parse(input())) };
        return { status: 200, body: model.habits };
      case 'POST deliveries':
        model.deliveryLimit = deliveriesSchema.parse(input()).limit;
        return { status: 200, body: { left: model.deliveriesLeft(now()) } };
      case 'POST clock':
        context.advance(clockSchema.parse(input()).advanceMs);
        return { status: 200, body: { now: now() } };
      case 'POST faults':
        return { status: 200, body: { affected: cause(context, faultSchema.parse(input())) } };
      default:
        return {
          status: 404,
          body: {
            error:
              'GET store|calls|stats, POST load|transaction|merge|convert|customizing|lock|habits|deliveries|clock|faults',
          },
        };
    }
  } catch (error) {
    if (error instanceof z.ZodError) return { status: 400, body: { error: z.prettifyError(error) } };
    return { status: 400, body: { error: error instanceof Error ? error.message : String(error) } };
  }
}

/** Somebody at work in the browser. */
const person = (model: SalesforceModel): Caller => ({ userId: model.personUserId, changeOrigin: '' });

function cause(context: ControlContext, fault: z.infer<typeof faultSchema>): number {
  const { model, sessions, pubsub, faults, now } = context;
  switch (fault.kind) {
    case 'http':
    case 'drop':
    case 'delay':
      faults.arm({ status: 503, html: false, ms: 0, ...fault });
      return fault.times;
    case 'clear':
      faults.clear();
      return 0;
    case 'stream-drop':
      return pubsub.dropStreams(fault.code);
    case 'token-expire':
      sessions.expireAll();
      return 0;
    case 'expire-replay':
      model.bus.reset();
      return 0;
    case 'redeliver':
      model.bus.redeliver(fault.count, now());
      return fault.count;
    case 'gap':
      for (const object of model.objects()) {
        const ids = fault.ids.filter((id) => id.startsWith(object.keyPrefix));
        if (ids.length > 0) model.gap(object, ids, fault.type, now());
      }
      return fault.ids.length;
    case 'overflow': {
      const object = model.object(fault.object);
      if (object) model.overflow(object, now());
      return object ? 1 : 0;
    }
    case 'add-field': {
      const facts = fault.length === undefined ? {} : { length: fault.length };
      model.addField(fault.object, field(fault.type, fault.name, facts), now());
      return 1;
    }
  }
}

function load(
  model: SalesforceModel,
  objects: z.infer<typeof loadSchema>,
  now: number,
): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(objects).map(([object, rows]) => [object, model.load(object, rows, now)]));
}

function dump(model: SalesforceModel, deleted: boolean): Record<string, unknown> {
  return Object.fromEntries(
    model.objects().map((object) => {
      const records = [...model.store.all(object.name)].filter((record) => deleted || !record.deleted);
      return [object.name, records.map((record) => wholeRow(model, object, record, '67.0'))];
    }),
  );
}

function stats({ model, pubsub, calls, now }: ControlContext): Record<string, unknown> {
  const records = model.objects().map((object) => {
    const alive = [...model.store.all(object.name)].filter((record) => !record.deleted);
    return [object.name, alive.length] as const;
  });
  return {
    orgId: model.orgId,
    now: now(),
    records: Object.fromEntries(records),
    calls: calls.at(-1)?.n ?? 0,
    usage: { used: model.usage(now()), limit: model.dailyLimit },
    events: model.bus.size,
    streams: pubsub.openStreams,
    ...pubsub.counts,
  };
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
const defined = <T extends object>(partial: T): Defined<T> =>
  Object.fromEntries(Object.entries(partial).filter(([, value]) => value !== undefined)) as Defined<T>;
