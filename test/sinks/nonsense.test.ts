/** A platform that answers nonsense: each command has its one answer all the same, which says so, and nothing is taken from it. */
import { describe, expect, test } from 'vitest';
import { classify as classifyIntercom } from '../../connectors/intercom/classify.ts';
import { classify as classifySalesforce } from '../../connectors/salesforce/classify.ts';
import type { Answer } from '../../core/sink-state.ts';
import type { Command } from '../../schemas/types.ts';
import { execute } from '../../sinks/intercom/execute.ts';
import { executeBatch } from '../../sinks/salesforce/execute.ts';
import { carryOut, interrupt } from '../support/decisions.ts';
import { type Nonsense, pages, parsed, shapes } from '../support/nonsense.ts';

const time = 1_790_000_000_000;
const exchangeOf = (told: Nonsense) => ({
  answered: true as const,
  status: told.status,
  body: parsed(told),
  text: told.text,
  time,
  sentAt: time,
  resetMs: undefined,
  link: undefined,
});
const asked: Command = {
  id: 'ask',
  platform: 'intercom',
  epoch: 'e',
  verb: 'update',
  object: 'contact',
  ref: 'intercom:contact:66f1a0b7c2d94e0012ab34cd',
  key: 'customer-1',
  fields: { name: 'Mara' },
  before: {},
  lane: 'live',
  askedAt: 0,
  expiresAt: 0,
  doubt: false,
  lineage: '',
};
/** Longer than any ask lives. */
const mostCalls = 40;

const outcome = ({ outcome: came, ref, returned, refusals }: Answer) => ({
  came,
  named: ref,
  returned,
  codes: [...new Set(refusals.map(({ code }) => code))],
});
const nothingTaken = (command: Command) => ({
  came: expect.stringMatching(/^(expired|refused)$/),
  named: command.ref,
  returned: null,
  codes: [expect.stringMatching(/^PLATFORM_(NONSENSE|UNAVAILABLE)$/)],
});

describe.each<[string, Partial<Command>]>([
  ['a contact is written', {}],
  ['its companies are', { fields: { companies: ['66f1a0e1c2d94e0012ab3510'] } }],
  ['a contact is read', { verb: 'read', fields: {} }],
  ['a contact is created', { verb: 'create', ref: '', fields: { email: 'mara@orchard.example' } }],
  ['it is, again after a call in doubt', { verb: 'create', ref: '', fields: { email: 'm@o.example' }, doubt: true }],
  ['a company is written', { object: 'company', ref: 'intercom:company:66f1a0e1c2d94e0012ab3510' }],
  ['a company is created', { verb: 'create', object: 'company', ref: '' }],
])('Intercom, when %s, and it answers', (_what, given) => {
  const command: Command = { ...asked, ...given };
  // Attached or detached is who is answered with success, whatever else is said.
  const told = command.fields['companies'] === undefined ? [...pages, ...shapes] : pages;
  test.each(told)('$name', (nonsense) => {
    const markers = { contact: 'custom_attributes.tributary_id', company: 'company_id' } as const;
    const { answer } = carryOut(execute(markers, command), (_request, n) =>
      n < mostCalls ? classifyIntercom(exchangeOf(nonsense)) : interrupt,
    );
    expect(outcome(answer)).toEqual(nothingTaken(command));
  });
});

test('a search that is answered with no list is not "nobody": a contact in doubt is not made a second time', () => {
  const command: Command = { ...asked, verb: 'create', ref: '', fields: { email: 'm@o.example' }, doubt: true };
  const markers = { contact: 'custom_attributes.tributary_id', company: 'company_id' } as const;
  const { requests } = carryOut(execute(markers, command), () =>
    classifyIntercom({ ...exchangeOf({ name: '', status: 200, type: '', text: '{"data":[{}]}' }) }),
  );
  expect(requests.map(({ kind }) => kind)).toEqual(['searchContacts']);
});

test.each([
  ['a list without its count', '{"data":[{"id":"66f1a0e1c2d94e0012ab3510"}]}'],
  ['a list of something else', '{"data":[{}],"total_count":1}'],
])('%s is not all of the companies that a contact has: which they are is not known then', (_what, text) => {
  const id = '66f1a0b7c2d94e0012ab34cd';
  const contact = `{"type":"contact","id":"${id}","updated_at":1790000000,"companies":{"data":[],"has_more":true}}`;
  const markers = { contact: 'custom_attributes.tributary_id', company: 'company_id' } as const;
  const { answer } = carryOut(execute(markers, { ...asked, verb: 'read', fields: {} }), ({ kind }) =>
    classifyIntercom(exchangeOf({ name: '', status: 200, type: '', text: kind === 'findContact' ? contact : text })),
  );
  expect(answer).toMatchObject({ outcome: 'applied', returned: { unknown: ['companies'] } });
  expect(answer.returned?.fields).not.toHaveProperty('companies');
});

describe.each<[string, Partial<Command>]>([
  ['a contact is written', {}],
  ['a contact is read', { verb: 'read', fields: {} }],
  ['a contact is created', { verb: 'create', ref: '', fields: { Email: 'mara@orchard.example' } }],
  ['an account is created', { verb: 'create', object: 'Account', ref: '', fields: { Name: 'Orchard' } }],
])('Salesforce, when %s, and it answers', (_what, given) => {
  const marker = 'Tributary_Id__c';
  const objects = {
    Contact: { marker, email: 'Email', fields: ['Email', marker], multiSelects: [] },
    Account: { marker, email: null, fields: ['Name', marker], multiSelects: [] },
  };
  const base = { platform: 'salesforce', object: 'Contact', ref: 'salesforce:Contact:003Dp00000A0001AAA' } as const;
  const command: Command = { ...asked, ...base, ...given };
  const cut = { name: 'a page cut short', status: 200, type: 'application/json', text: '{"records":[],"done":false}' };
  test.each([...pages, ...shapes, cut])('$name', (nonsense) => {
    const { answer } = carryOut(executeBatch(objects, [command]), (_request, n) =>
      n < mostCalls ? classifySalesforce(exchangeOf(nonsense)) : interrupt,
    );
    const only = answer.get(command.id);
    expect(only && outcome(only)).toEqual(nothingTaken(command));
  });
});
