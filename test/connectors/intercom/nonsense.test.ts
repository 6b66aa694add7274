/** Intercom answers nonsense to whoever reads: it is called so, nothing is taken from it, and it is asked again. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { classify } from '../../../connectors/intercom/classify.ts';
import { askIntercom, type IntercomAccess } from '../../../connectors/intercom/client.ts';
import { answered, type Task } from '../../../connectors/intercom/decide-reconcile.ts';
import { unborn } from '../../../connectors/intercom/reconcile-state.ts';
import { TributaryError } from '../../../core/errors.ts';
import { preflight } from '../../../sinks/intercom/preflight.ts';
import { accessTo, configFor, openBudget } from '../../support/intercom-access.ts';
import { endless, type Nonsense, pages, parsed, shapes, tell } from '../../support/nonsense.ts';

const caller = { lane: 'live', holder: null, signal: new AbortController().signal } as const;
const isPutOff = expect.objectContaining({
  code: expect.stringMatching(/^PLATFORM_(NONSENSE|UNAVAILABLE)$/),
  verdict: 'retry',
});

describe('over a socket', () => {
  let server: Server;
  let says: Nonsense;
  let access: IntercomAccess;
  let place: { readonly url: string; readonly token: string };
  beforeEach(async () => {
    server = createServer((request, response) => {
      request.resume();
      tell(says, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    place = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 't' };
    access = accessTo(place);
  });
  afterEach(async () => {
    await access.close();
    server.closeAllConnections();
    server.close();
  });

  test.each(pages)('$name to a question is put off', async (nonsense) => {
    says = nonsense;
    await expect(askIntercom(access, caller, { kind: 'listAdmins' })).rejects.toEqual(isPutOff);
  });

  test('an answer without end is put off, and is not held', async () => {
    says = endless;
    await access.close();
    access = accessTo(place, openBudget(), 15_000);
    await expect(askIntercom(access, caller, { kind: 'listAdmins' })).rejects.toMatchObject({
      code: 'PLATFORM_UNAVAILABLE',
      message: expect.stringContaining('UND_ERR_RES_EXCEEDED_MAX_SIZE'),
    });
  });

  test.each([...pages, ...shapes])(
    '$name is no list of attributes: none is made, no mapping called wrong',
    async (nonsense) => {
      says = nonsense;
      const made: string[] = [];
      const checking = preflight(configFor(place), access, caller, (model, name) => made.push(`${model} ${name}`));
      await expect(checking).rejects.toEqual(isPutOff);
      expect(made).toEqual([]);
    },
  );
});

const at = 1_790_000_000_000;
const id = '66f1a0b7c2d94e0012ab34cd';
const owed = (what: 'contact' | 'company') => ({ what, id, debt: 1, since: 0, notBefore: 0 });
const pass = { reason: 'snapshot', since: 0, begun: at, cursor: null, place: 0 } as const;
const scroll = { reason: 'snapshot', begun: at, param: null } as const;
const tasks: readonly Task[] = [
  { kind: 'admins', request: { kind: 'listAdmins' } },
  { kind: 'companies', scroll, request: { kind: 'scrollCompanies', scroll: null } },
  { kind: 'contacts', pass, request: { kind: 'searchContacts', body: {} } },
  { kind: 'owed', owed: owed('contact'), request: { kind: 'findContact', id } },
  { kind: 'owed', owed: owed('company'), request: { kind: 'findCompany', id } },
];
const more = ['null', '1', '"next"', '{"next":"https://x"}', '{"next":{"starting_after":1}}'].map(
  (value): Nonsense => ({
    name: `a page whose place is ${value}`,
    status: 200,
    type: 'application/json',
    text: `{"data":[{"id":"${id}"}],"pages":${value},"scroll_param":1}`,
  }),
);

describe.each(tasks)('as an answer to $request.kind', (task) => {
  const told =
    task.kind === 'contacts' || task.kind === 'companies' ? [...pages, ...shapes, ...more] : [...pages, ...shapes];
  test.each(told)('$name ends nothing, deletes nobody and is put off', (nonsense) => {
    const { status, text } = nonsense;
    const body = parsed(nonsense);
    const verdict = classify({
      answered: true,
      status,
      body,
      text,
      time: at,
      sentAt: at,
      resetMs: undefined,
      link: undefined,
    });
    let error: unknown;
    try {
      answered(unborn, task, verdict, at, { '1': 'told before' });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TributaryError);
    expect(error).toEqual(isPutOff);
  });
});
