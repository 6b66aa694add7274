import { expect, test } from 'vitest';
import { seededRandom } from '../../twins/common/random.ts';
import { answerCall } from '../../twins/intercom/answer.ts';
import { IntercomModel } from '../../twins/intercom/model.ts';
import { Scrolls } from '../../twins/intercom/scroll.ts';

const now = Date.UTC(2026, 7, 19, 15, 2, 47, 906);

function workspace() {
  const random = seededRandom(7);
  const model = new IntercomModel({ random, workspaceId: 'k3x9tq2m', timezone: 'Etc/UTC' });
  const call = (method: string, path: string, body?: unknown, version = '2.14') =>
    answerCall({ model, scrolls: new Scrolls(() => 'scroll') }, { method, path, body, client: 'app', version, now });
  return { model, call };
}

test('a call is answered without a socket, and says what it changed', () => {
  const { call, model } = workspace();
  const made = call('POST', '/contacts', { email: 'mara@orchard.example' });
  expect(made).toMatchObject({ status: 200, headers: {}, changed: ['id', 'email'] });
  expect(made.objectId).toBe(model.everything().contacts[0]?.id);
  const read = call('GET', `/contacts/${made.objectId}`);
  expect(read.body).toEqual(made.body);
  expect(read.changed).toBeUndefined();
});

test('a query stands behind the path', () => {
  const { call } = workspace();
  call('POST', '/companies', { company_id: 'acc 1', name: 'Orchard' });
  expect(call('GET', '/companies?company_id=acc%201').body).toMatchObject({ company_id: 'acc 1', name: 'Orchard' });
});

test('what the platform refuses is its error list', () => {
  const { call } = workspace();
  const list = (code: string, rest = {}) => ({
    type: 'error.list',
    request_id: null,
    errors: [expect.objectContaining({ code, ...rest })],
  });
  expect(call('PUT', '/contacts/nobody', {})).toEqual({ status: 404, headers: {}, body: list('not_found') });
  expect(call('POST', '/contacts', { email: 5 })).toMatchObject({
    status: 400,
    body: list('parameter_invalid', { field: 'email' }),
  });
  expect(call('POST', '/contacts', [])).toMatchObject({ status: 400, body: list('bad_request') });
  expect(call('GET', '/shoes')).toMatchObject({ status: 404, body: list('not_found') });
  expect(call('GET', '/me', undefined, '9.9')).toMatchObject({ status: 400, body: list('intercom_version_invalid') });
});

test('a defect of the twin is no refusal', () => {
  const { call, model } = workspace();
  model.admins = () => {
    throw new TypeError('a defect');
  };
  expect(() => call('GET', '/admins')).toThrow(TypeError);
});
