import { beforeEach, describe, expect, test } from 'vitest';
import { classify, type Verdict } from '../../connectors/intercom/classify.ts';
import type { IntercomRequest } from '../../connectors/intercom/requests.ts';
import { type Answer, Interrupted } from '../../core/sink-state.ts';
import type { Command } from '../../schemas/types.ts';
import { execute } from '../../sinks/intercom/execute.ts';
import { seededRandom } from '../../twins/common/random.ts';
import { answerCall } from '../../twins/intercom/answer.ts';
import { IntercomModel } from '../../twins/intercom/model.ts';
import { Scrolls } from '../../twins/intercom/scroll.ts';
import { askTwin } from '../simulation/intercom-door.ts';
import { type Carried, carryOut, interrupt } from '../support/decisions.ts';

const now = Date.parse('2026-11-23T10:00:00Z');
const markers = { contact: 'external_id', company: 'company_id' } as const;
const asked: Command = {
  id: 'ask',
  platform: 'intercom',
  epoch: 'e',
  verb: 'update',
  object: 'contact',
  ref: '',
  key: 'customer-1',
  fields: {},
  before: {},
  lane: 'live',
  askedAt: 0,
  expiresAt: 0,
  doubt: false,
  lineage: '',
};
let workspace: { readonly model: IntercomModel; readonly scrolls: Scrolls };
beforeEach(() => {
  const model = new IntercomModel({ random: seededRandom(7), workspaceId: 'k3x9tq2m', timezone: 'Etc/UTC' });
  workspace = { model, scrolls: new Scrolls(() => 'scroll') };
});

type Fault = (request: IntercomRequest, n: number) => Verdict | typeof interrupt | undefined;
const ask = (request: IntercomRequest): Verdict => {
  const { status, body, headers } = askTwin(workspace, request, now);
  return judged(status, body, headers['Link']);
};
const judged = (status: number, body: unknown, link: string | undefined): Verdict =>
  classify({ answered: true, status, body, text: '', time: now, sentAt: now, resetMs: undefined, link });
const run = (given: Partial<Command>, fault: Fault = () => undefined): Carried<IntercomRequest, Answer> =>
  carryOut(execute(markers, { ...asked, ...given }), (request, n) => fault(request, n) ?? ask(request));

const user = (email: string): string =>
  `intercom:contact:${workspace.model.createContact({ email, role: 'user' }, now).value.id}`;
const silent: Verdict = { kind: 'retry', doubt: true, code: 'PLATFORM_UNAVAILABLE', text: 'no answer' };

describe('a command to Intercom', () => {
  test('is decided without a socket: what it asks is data, and so is what it hears', () => {
    const { answer, requests } = run({ ref: user('a@x.example'), fields: { name: 'New' } });
    expect(requests).toMatchObject([{ kind: 'updateContact', body: { name: 'New' } }]);
    expect(answer).toMatchObject({
      outcome: 'applied',
      calls: 1,
      platformTime: now,
      returned: { fields: { name: 'New' } },
    });
  });

  test('that keeps failing pauses longer each time, and says why', () => {
    const fails: Fault = (_, n) => (n < 6 ? silent : undefined);
    const { answer, pauses } = run({ ref: user('a@x.example'), fields: { name: 'New' } }, fails);
    expect(pauses.map(({ ms }) => ms)).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000]);
    expect(new Set(pauses.map(({ code }) => code))).toEqual(new Set(['PLATFORM_UNAVAILABLE']));
    expect(answer).toMatchObject({ outcome: 'applied', doubt: true, calls: 7 });
  });

  test('that meets a limit waits as long as the platform says: no failure, no doubt', () => {
    const { answer, pauses } = run({ ref: user('a@x.example'), fields: { name: 'New' } }, (_, n) =>
      n === 0 ? { kind: 'wait', ms: 7_000, text: 'slow down' } : undefined,
    );
    expect(pauses).toEqual([{ ms: 7_000, code: 'PLATFORM_LIMIT' }]);
    expect(answer).toMatchObject({ outcome: 'applied', doubt: false });
  });

  test('is not answered when it was interrupted before its first call, and is in doubt after one that failed', () => {
    const given = { ref: user('a@x.example'), fields: { name: 'New' } };
    expect(() => run(given, () => interrupt)).toThrow(Interrupted);
    const { answer } = run(given, (_, n) => (n === 0 ? silent : interrupt));
    expect(answer).toMatchObject({ outcome: 'expired', doubt: true, calls: 1 });
  });

  test('pays by its lane', () => {
    const given = { ref: user('a@x.example'), fields: { name: 'New' } };
    const lanes = (['urgent', 'live', 'bulk'] as const).flatMap((lane) => run({ ...given, lane }).lanes);
    expect(lanes).toEqual(['live', 'live', 'bulk']);
  });

  test('to a contact that was merged away says where it lives on', () => {
    const [loser, winner] = ['a@x.example', 'b@x.example'].map(user);
    const id = (ref = ''): string => ref.slice('intercom:contact:'.length);
    workspace.model.merge(id(loser), id(winner), now);
    const at216: Fault = (request) => {
      if (request.kind !== 'updateContact') return undefined;
      const path = `/contacts/${request.id}`;
      const call = { method: 'PUT', path, body: request.body, client: 'app', version: '2.16', now };
      const { status, body, headers } = answerCall(workspace, call);
      return judged(status, body, headers['Link']);
    };
    const { answer } = run({ ref: loser ?? '', fields: { name: 'New' } }, at216);
    expect(answer).toMatchObject({ outcome: 'gone', into: winner, returned: null });
    expect(run({ ref: loser ?? '', fields: { name: 'New' } }).answer).toMatchObject({ outcome: 'gone', into: null });
  });
});
