/** People of both platforms, linked by the roles, and somebody who edits them. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { makePopulation } from '../cli/demo/population.ts';
import { TributaryError } from '../core/errors.ts';
import type { Linked, SentEdit } from './follow.ts';
import type { Pipeline } from './pipeline.ts';

/** Fills Salesforce's double with people without a company. */
export async function loadPeople({ platforms }: Pipeline, count: number): Promise<void> {
  const { users: owners, admins, contacts } = makePopulation(count, 1);
  await platforms.loadIntercom({ admins });
  const { User: users = [] } = await platforms.loadSalesforce({ User: owners });
  await platforms.loadSalesforce({
    Contact: contacts.map(({ row, owner }) => ({ ...row, OwnerId: users[owner] ?? null })),
  });
}

export async function linkedPeople({ platforms }: Pipeline): Promise<readonly Linked[]> {
  const { contacts } = await platforms.intercomStore();
  return contacts.flatMap(({ id, custom_attributes: { salesforce_id: salesforce } }) =>
    typeof salesforce === 'string' ? [{ salesforce, intercom: id }] : [],
  );
}

const agent = new Agent({ connections: 32, pipelining: 1 });

/** One edit after the other until the signal, evenly, of one person after the other; whether or not those before are done. */
export async function editEvenly(
  { platforms }: Pipeline,
  people: readonly Linked[],
  {
    perSecond,
    seconds,
    signal,
  }: { readonly perSecond: number; readonly seconds: number; readonly signal: AbortSignal },
): Promise<readonly SentEdit[]> {
  const edits: SentEdit[] = [];
  const sending: Promise<void>[] = [];
  const begun = performance.now();
  for (let n = 0; n < perSecond * seconds && !signal.aborted; n += 1) {
    const early = begun + (n * 1_000) / perSecond - performance.now();
    if (early >= 1) await sleep(early);
    const person = people[n % people.length];
    if (person === undefined) throw new TributaryError('INTERNAL', 'there is nobody to edit');
    edits.push({ person, at: Date.now() });
    sending.push(retitle(platforms.salesforceUrl, person));
  }
  await Promise.all(sending);
  return edits;
}

/** Somebody gives them a title that nobody had. */
async function retitle(salesforceUrl: string, { salesforce: id }: Linked): Promise<void> {
  const { statusCode, body } = await request(`${salesforceUrl}/__twin/transaction`, {
    dispatcher: agent,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rows: [{ op: 'update', object: 'Contact', id, row: { Title: randomUUID() } }] }),
  });
  await body.dump();
  if (statusCode !== 200) throw new TributaryError('PLATFORM_REFUSED', `an edit was answered with ${statusCode}`);
}
