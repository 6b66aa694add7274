/**
 * The control plane under `/__twin/`: look at everything, load people without spending quota, order faults, turn the
 * switches. It is no part of the platform, so it needs no token.
 */
import { z } from 'zod';
import type { CallLog } from './calls.ts';
import { type Faults, faultOrders } from './faults.ts';
import { type Body, isRecord } from './fields.ts';
import type { RateWindows } from './limits.ts';
import type { IntercomModel } from './model.ts';
import { refusals } from './types.ts';

export interface Controlled {
  readonly model: IntercomModel;
  readonly calls: CallLog;
  readonly faults: Faults;
  readonly rates: RateWindows;
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
  ratePerMinute: z.int().positive().optional(),
});

export function control(twin: Controlled, method: string, url: URL, sent: unknown, now: number): object {
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
    case 'GET /switches':
      break;
    case 'POST /switches': {
      const { ratePerMinute, ...turned } = read(switches, sent);
      twin.model.turn(Object.fromEntries(Object.entries(turned).filter(([, value]) => value !== undefined)));
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

function loadInto(model: IntercomModel, request: z.output<typeof load>, now: number): object {
  const admins = request.admins.map((admin) => model.addAdmin(admin).id);
  const attributes = request.attributes.map((attribute) => model.attributes.create(attribute, now).id);
  const companies = request.companies.map((company) => model.upsertCompany(company, now).value.id);
  const contacts = request.contacts.map((contact: Body) => {
    const { id } = model.createContact(contact, now).value;
    for (const companyId of z.array(z.string()).parse(contact['companies'] ?? []))
      model.attach(id, model.companyByCompanyId(companyId).id, now);
    return id;
  });
  return { admins, attributes, companies, contacts };
}

function read<S extends z.ZodType>(schema: S, sent: unknown): z.output<S> {
  const parsed = schema.safeParse(sent);
  if (!parsed.success) throw refusals.invalid(z.prettifyError(parsed.error));
  return parsed.data;
}
