/**
 * The control plane under `/__twin/`: look at everything, load people without spending quota, order faults, turn the
 * switches, subscribe an endpoint. It is no part of the platform, so it needs no token.
 */
import { z } from 'zod';
import type { CallLog } from './calls.ts';
import { type Faults, faultOrders } from './faults.ts';
import { type Body, isRecord } from './fields.ts';
import type { RateWindows } from './limits.ts';
import type { IntercomModel } from './model.ts';
import { type Caller, refusals } from './types.ts';
import { defaultVersion, isVersion } from './versions.ts';
import type { WebhookCarrier } from './webhooks.ts';

export interface Controlled {
  readonly model: IntercomModel;
  readonly calls: CallLog;
  readonly faults: Faults;
  readonly rates: RateWindows;
  readonly webhooks: WebhookCarrier;
}

const body = z.record(z.string(), z.unknown());
const load = z.strictObject({
  admins: z.array(z.strictObject({ name: z.string(), email: z.string() })).default([]),
  attributes: z.array(body).default([]),
  companies: z.array(body).default([]),
  /** As for `POST /contacts`, with `companies`: the `company_id`s they belong to. */
  contacts: z.array(body).default([]),
});
const switches = z.strictObject({
  lowerCaseEmails: z.boolean().optional(),
  trimNames: z.boolean().optional(),
  cutLongStrings: z.boolean().optional(),
  attachTouchesContact: z.boolean().optional(),
  searchLagMs: z.int().nonnegative().optional(),
  mergeFills: z.boolean().optional(),
  mergedFrom: z.boolean().optional(),
  mergeNotifiesDeleted: z.boolean().optional(),
  echoOwnWrites: z.boolean().optional(),
  attachNotifiesContact: z.boolean().optional(),
  unarchiveTopic: z.enum(['contact.unarchive', 'contact.unarchived']).optional(),
  emptyPhone: z.union([z.null(), z.literal('')]).optional(),
  webhookVersion: z.string().refine(isVersion, 'not a version of the API').optional(),
  ratePerMinute: z.int().positive().optional(),
});

const chance = z.number().min(0).max(1);
const span = z.tuple([z.int().nonnegative(), z.int().nonnegative()]).refine(([least, most]) => least <= most);
const habits = z.strictObject({
  delayMs: span.optional(),
  lateChance: chance.optional(),
  lateMs: span.optional(),
  dropChance: chance.optional(),
  duplicateChance: chance.optional(),
  newestFirst: z.boolean().optional(),
  attempts: z.int().positive().optional(),
  retryAfterMs: z.int().nonnegative().optional(),
  pauseAfter: z.int().positive().optional(),
  pauseDrops: z.boolean().optional(),
});
const subscription = z.strictObject({
  url: z.string(),
  topics: z.union([z.literal('all'), z.array(z.string())]).default('all'),
});

const loader: Caller = { version: defaultVersion, as: 'loader' };

export function control(
  twin: Controlled,
  method: string,
  url: URL,
  sent: unknown,
  now: number,
): object | Promise<object> {
  switch (`${method} ${url.pathname.slice('/__twin'.length)}`) {
    case 'GET /store':
      return store(twin.model);
    case 'GET /calls':
      return twin.calls.since(Number(url.searchParams.get('since') ?? 0));
    case 'GET /stats':
      return twin.calls.stats();
    case 'POST /load':
      return loadInto(twin.model, read(load, sent), now);
    case 'GET /faults':
      return twin.faults.list();
    case 'POST /faults':
      twin.faults.order(read(faultOrders, isRecord(sent) ? [sent] : sent));
      return twin.faults.list();
    case 'DELETE /faults':
      twin.faults.clear();
      return [];
    case 'POST /merge': {
      const { from, into } = read(z.strictObject({ from: z.string(), into: z.string() }), sent);
      return twin.model.merge(from, into, now).value;
    }
    case 'POST /block': {
      const { id, blocked } = read(z.strictObject({ id: z.string(), blocked: z.boolean() }), sent);
      return twin.model.block(id, blocked, now).value;
    }
    case 'GET /webhooks':
      return webhooks(twin, now);
    case 'POST /webhooks': {
      const { url: endpoint, topics } = read(subscription, sent);
      return twin.webhooks.subscribe(endpoint, topics).then(() => webhooks(twin, now));
    }
    case 'DELETE /webhooks':
      twin.webhooks.unsubscribe();
      return webhooks(twin, now);
    case 'POST /webhooks/habits':
      twin.model.deliveries.turn(given(read(habits, sent)));
      return webhooks(twin, now);
    case 'POST /webhooks/ping':
      twin.model.deliveries.ping(now);
      return webhooks(twin, now);
    case 'POST /webhooks/suspend':
      twin.model.deliveries.suspend();
      return webhooks(twin, now);
    case 'GET /switches':
      break;
    case 'POST /switches': {
      const { ratePerMinute, ...turned } = read(switches, sent);
      twin.model.turn(given(turned));
      if (ratePerMinute !== undefined) twin.rates.ratePerMinute = ratePerMinute;
      break;
    }
    default:
      throw refusals.routeNotFound();
  }
  return { ...twin.model.switches, ratePerMinute: twin.rates.ratePerMinute };
}

/** The whole truth: archived people and companies without people too, memberships uncut, milliseconds kept. */
export interface Store {
  readonly workspaceId: string;
  readonly admins: ReturnType<IntercomModel['admins']>;
  readonly attributes: ReturnType<IntercomModel['attributes']['list']>;
  readonly contacts: ReturnType<IntercomModel['everything']>['contacts'];
  readonly companies: ReturnType<IntercomModel['everything']>['companies'];
}

export const store = (model: IntercomModel): Store => ({
  workspaceId: model.workspaceId,
  admins: model.admins(),
  attributes: model.attributes.list(undefined, true).filter((attribute) => attribute.custom),
  ...model.everything(),
});

const webhooks = ({ model: { deliveries }, webhooks: { url } }: Controlled, now: number): object => ({
  url: url ?? null,
  state: deliveries.state(now),
  topics: deliveries.topics,
  waiting: deliveries.waiting(),
  nextDueAt: deliveries.nextDueAt() ?? null,
  ...deliveries.counts(),
  habits: deliveries.habits,
});

function loadInto(model: IntercomModel, request: z.output<typeof load>, now: number): object {
  const admins = request.admins.map((admin) => model.addAdmin(admin).id);
  const attributes = request.attributes.map((attribute) => model.attributes.create(attribute, now).id);
  const companies = request.companies.map((company) => model.upsertCompany(company, now, loader).value.id);
  const contacts = request.contacts.map((contact: Body) => {
    const { id } = model.createContact(contact, now, loader).value;
    for (const companyId of z.array(z.string()).parse(contact['companies'] ?? []))
      model.attach(id, model.companyByCompanyId(companyId).id, now, loader);
    return id;
  });
  return { admins, attributes, companies, contacts };
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the settings that were left out. */
const given = <T extends object>(settings: T): Given<T> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Given<T>;

function read<S extends z.ZodType>(schema: S, sent: unknown): z.output<S> {
  const parsed = schema.safeParse(sent);
  if (!parsed.success) throw refusals.invalid(z.prettifyError(parsed.error));
  return parsed.data;
}
