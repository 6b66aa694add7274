import { IntercomClient } from 'intercom-client';
import { describe, expect, test } from 'vitest';
import { type IntercomRequest, invoke } from '../../connectors/intercom/requests.ts';

/** What the official client makes of a request: method, path with query, body. */
async function wire(request: IntercomRequest, version = '2.14'): Promise<readonly unknown[]> {
  const calls: (readonly unknown[])[] = [];
  const client = new IntercomClient({
    token: 'none',
    baseUrl: 'https://intercom.example',
    maxRetries: 0,
    fetch: (input: unknown, init?: RequestInit) => {
      const { pathname, search } = new URL(String(input));
      const body: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined;
      calls.push([init?.method ?? 'GET', `${pathname}${search}`, ...(body === undefined ? [] : [body])]);
      return Promise.resolve(new Response('{}', { headers: { 'content-type': 'application/json' } }));
    },
  });
  await invoke(client, request, version);
  expect(calls).toHaveLength(1);
  return calls[0] ?? [];
}

describe('a request is one call of the official client', () => {
  test.each<[IntercomRequest, readonly unknown[]]>([
    [
      { kind: 'createContact', body: { role: 'user', email: null, custom_attributes: { level: 'gold' } } },
      ['POST', '/contacts', { role: 'user', email: null, custom_attributes: { level: 'gold' } }],
    ],
    [{ kind: 'updateContact', id: 'c1', body: { name: null } }, ['PUT', '/contacts/c1', { name: null }]],
    [{ kind: 'findContact', id: 'c1' }, ['GET', '/contacts/c1']],
    [{ kind: 'listCompaniesOf', contact: 'c1', page: 2 }, ['GET', '/contacts/c1/companies?page=2&per_page=60']],
    [
      { kind: 'upsertCompany', body: { company_id: 'a', plan: 'x' } },
      ['POST', '/companies', { company_id: 'a', plan: 'x' }],
    ],
    [{ kind: 'updateCompany', id: 'co1', body: { name: 'B' } }, ['PUT', '/companies/co1', { name: 'B' }]],
    [{ kind: 'findCompany', id: 'co1' }, ['GET', '/companies/co1']],
    [{ kind: 'scrollCompanies', scroll: null }, ['GET', '/companies/scroll']],
    [{ kind: 'scrollCompanies', scroll: 'a b' }, ['GET', '/companies/scroll?scroll_param=a%20b']],
    [{ kind: 'mergeHistory', id: 'c1' }, ['GET', '/contacts/c1?include_merge_history=true']],
    [{ kind: 'attach', contact: 'c1', company: 'co1' }, ['POST', '/contacts/c1/companies', { id: 'co1' }]],
    [{ kind: 'detach', contact: 'c1', company: 'co1' }, ['DELETE', '/contacts/c1/companies/co1']],
    [{ kind: 'identify' }, ['GET', '/me']],
    [{ kind: 'listAdmins' }, ['GET', '/admins']],
    [{ kind: 'listAttributes', model: 'contact' }, ['GET', '/data_attributes?model=contact&include_archived=true']],
    [
      { kind: 'createAttribute', model: 'company', name: 'tier', type: 'string' },
      ['POST', '/data_attributes', { name: 'tier', model: 'company', data_type: 'string' }],
    ],
  ])('$kind', async (request, expected) => {
    expect(await wire(request)).toEqual(expected);
  });

  test.each([
    ['2.14', 8120417],
    ['2.15', 8120417],
    ['2.16', '8120417'],
  ])('version %s has the owner written as it describes it', async (version, owner_id) => {
    const body = { owner_id: 8120417 };
    expect(await wire({ kind: 'updateContact', id: 'c1', body }, version)).toEqual([
      'PUT',
      '/contacts/c1',
      { owner_id },
    ]);
  });
});
