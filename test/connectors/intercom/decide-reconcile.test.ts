import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify } from '../../../connectors/intercom/classify.ts';
import {
  answered,
  every,
  next,
  overlapMs,
  type ReconcileRequest,
  type Task,
  unknownMs,
} from '../../../connectors/intercom/decide-reconcile.ts';
import {
  afterRecord,
  audit,
  claimed,
  type HeardRecord,
  header,
  margin,
  mostOwed,
  type OwedNote,
  type Part,
  type ReconcileState,
  recalled,
  resumed,
  type Step,
  settleMs,
  troubled,
  unborn,
  withoutTold,
} from '../../../connectors/intercom/reconcile-state.ts';
import { teammatesIn } from '../../../connectors/intercom/teammates.ts';
import { decodeIntercom } from '../../../processors/decode/intercom.ts';
import type { Observation, RawRecord, SourceMark } from '../../../schemas/types.ts';
import { seededRandom } from '../../../twins/common/random.ts';
import { answerCall } from '../../../twins/intercom/answer.ts';
import { IntercomModel } from '../../../twins/intercom/model.ts';
import { Scrolls } from '../../../twins/intercom/scroll.ts';
import type { Switches } from '../../../twins/intercom/types.ts';

const parts: readonly Part[] = ['admin', 'company', 'contact'];
const start = Date.parse('2026-03-04T09:15:22.250Z');
const minute = 60_000;

/** The decisions over the twin, with a raw topic in memory. */
class World {
  now = start;
  state: ReconcileState = unborn;
  readonly raw: HeardRecord[] = [];
  readonly records: RawRecord[] = [];
  readonly marks: SourceMark[] = [];
  readonly asked: ReconcileRequest[] = [];
  readonly model: IntercomModel;
  readonly #scrolls: Scrolls;
  #told: Readonly<Record<string, string>> = {};
  fail: (request: ReconcileRequest) => { readonly status: number; readonly body: object } | undefined = () => undefined;
  readonly #version: string;

  constructor(switches: Partial<Switches> = {}, timezone = 'Europe/Tallinn', version = '2.16') {
    const random = seededRandom(11);
    this.model = new IntercomModel({ random, workspaceId: 'w', timezone, switches });
    this.#scrolls = new Scrolls(() => random.uuid());
    this.#version = version;
  }

  write(step: Step): void {
    const written = [...step.records, ...step.marks];
    this.records.push(...step.records);
    this.marks.push(...step.marks);
    for (const record of step.records)
      if (record.object === 'admin') this.#told = { ...this.#told, [record.recordId]: this.#hashOf(record) };
    this.state = step.state;
    if (written.length > 0)
      this.raw.push({ offset: this.raw.length, headers: { [header.state]: JSON.stringify(step.state) } });
  }

  #hashOf({ body }: RawRecord): string {
    return teammatesIn({ admins: [JSON.parse(String(body))] })[0]?.hash ?? '';
  }

  /** A notification's note, as a receiver writes it. */
  hear(note: OwedNote): void {
    const record = { offset: this.raw.length, headers: { [header.owed]: JSON.stringify(note) } };
    this.raw.push(record);
    this.state = afterRecord(this.state, record);
  }

  /** One decision: a call, or what there is to wait for. */
  step(): Task | { readonly kind: 'rest'; readonly until: number } {
    const task = next(this.state, parts, this.now);
    if (task.kind === 'rest') return task;
    this.now += 200;
    this.asked.push(task.request);
    const { status, body, link } = this.#call(task.request);
    const verdict = classify({
      answered: true,
      status,
      body: JSON.parse(JSON.stringify(body)) as unknown,
      text: '',
      time: this.now,
      sentAt: this.now,
      resetMs: undefined,
      link,
    });
    this.write(answered(this.state, task, verdict, this.now - 200, this.#told));
    return task;
  }

  /** Decides on until then; holds still where it would wait. */
  run(until: number): void {
    for (;;) {
      const task = this.step();
      if (this.now > until) return;
      if (task.kind !== 'rest') continue;
      this.now = Math.min(task.until, until);
      if (task.until >= until) return;
    }
  }

  #call(request: ReconcileRequest): {
    readonly status: number;
    readonly body: object;
    readonly link: string | undefined;
  } {
    const broken = this.fail(request);
    if (broken !== undefined) return { ...broken, link: undefined };
    const [method, path, body] = callOf(request);
    const answer = answerCall(
      { model: this.model, scrolls: this.#scrolls },
      { method, path, body, client: 'app', version: this.#version, now: this.now },
    );
    return { status: answer.status, body: answer.body, link: answer.headers['Link'] };
  }

  get observations(): readonly Observation[] {
    const source = { topic: 'intercom.raw', partition: 0, offset: 0, index: 0 };
    return this.records.flatMap((value) =>
      decodeIntercom({ schema: 'RawRecord', value }, source).flatMap(({ observation }) => observation ?? []),
    );
  }

  /** The name that was told last, by ref. */
  get names(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(this.observations.map(({ ref, fields }) => [ref, fields['name']]));
  }

  kinds(): readonly string[] {
    return this.marks.filter(({ kind }) => kind !== 'mark').map(({ kind, detail }) => `${kind} ${detail}`);
  }
}

function callOf(request: ReconcileRequest): readonly [method: string, path: string, body: unknown] {
  switch (request.kind) {
    case 'listAdmins':
      return ['GET', '/admins', undefined];
    case 'scrollCompanies':
      return ['GET', `/companies/scroll${request.scroll === null ? '' : `?scroll_param=${request.scroll}`}`, undefined];
    case 'searchContacts':
      return ['POST', '/contacts/search', request.body];
    case 'findContact':
      return ['GET', `/contacts/${request.id}`, undefined];
    case 'findCompany':
      return ['GET', `/companies/${request.id}`, undefined];
    case 'mergeHistory':
      return ['GET', `/contacts/${request.id}?include_merge_history=true`, undefined];
  }
}

/** A workspace that has been there for a while, and its first reading. */
function settled(
  people: number,
  switches: Partial<Switches> = {},
  timezone?: string,
): World & { readonly ids: string[] } {
  const world = Object.assign(new World(switches, timezone), { ids: [] as string[] });
  const { model } = world;
  model.addAdmin({ name: 'Olev', email: 'o@x.example' });
  const company = model.upsertCompany({ company_id: 'acc-1', name: 'Orchard' }, start - 400 * minute).value;
  for (let n = 0; n < people; n++) {
    const at = start - (people - n) * 37 * minute;
    const { value } = model.createContact({ email: `p${n}@x.example`, name: `P${n}` }, at);
    if (n % 3 === 0) model.attach(value.id, company.id, at);
    world.ids.push(value.id);
  }
  world.write(resumed(world.state, world.now));
  return world;
}

describe('the snapshot', () => {
  test('reads teammates, companies and contacts, each once and in this order, and says when each is whole', () => {
    const world = settled(320);
    while (world.step().kind !== 'rest');
    expect(world.kinds()).toEqual(['snapshotComplete admin', 'snapshotComplete company', 'snapshotComplete contact']);
    const contacts = world.records.filter(({ object }) => object === 'contact').map(({ recordId }) => recordId);
    expect(contacts).toEqual(world.ids);
    expect(new Set(world.records.map(({ reason }) => reason))).toEqual(new Set(['poll', 'snapshot']));
    expect(world.asked.map(({ kind }) => kind)).toEqual([
      'listAdmins',
      'scrollCompanies',
      'scrollCompanies',
      ...Array.from({ length: 3 }, () => 'searchContacts'),
    ]);
  });

  test('goes on with whoever takes over, after the last contact where the cursor is not understood any more', () => {
    const world = settled(320);
    while (world.step().kind !== 'contacts');
    world.state = recalled(world.raw);
    expect(world.state.contacts.pass).toMatchObject({
      since: 0,
      cursor: expect.any(String),
      place: expect.any(Number),
    });
    let refused = 0;
    world.fail = (request) =>
      request.kind === 'searchContacts' && JSON.stringify(request).includes('starting_after') && refused++ === 0
        ? { status: 400, body: { errors: [{ code: 'parameter_invalid', message: 'starting_after' }] } }
        : undefined;
    while (world.step().kind !== 'rest');
    const contacts = world.records.filter(({ object }) => object === 'contact').map(({ recordId }) => recordId);
    expect(new Set(contacts)).toEqual(new Set(world.ids));
    // One page, from there on, and what was created on the day of the last one again.
    expect(contacts.length).toBeLessThan(320 + 60);
  });

  test("begins the scroll anew when it was forgotten, failed or is another one's", () => {
    for (const [status, code, waits] of [
      [404, 'not_found', false],
      [500, 'server_error', false],
      [400, 'scroll_exists', true],
    ] as const) {
      const world = settled(3);
      let failed = 0;
      world.fail = (request) =>
        request.kind === 'scrollCompanies' && (waits || request.scroll !== null) && failed++ === 0
          ? { status, body: { type: 'error.list', errors: [{ code, message: '' }] } }
          : undefined;
      world.run(start + 3 * minute);
      expect(world.kinds()).toContain('snapshotComplete company');
      expect(
        world.names['intercom:company:' + String(world.records.find(({ object }) => object === 'company')?.recordId)],
      ).toBe('Orchard');
    }
  });

  test('does not take for the end what is no list', () => {
    const world = settled(2);
    world.fail = ({ kind }) => (kind === 'searchContacts' ? { status: 200, body: { ok: false } } : undefined);
    const error = expect.objectContaining({ code: 'PLATFORM_NONSENSE' });
    expect(() => world.run(start + minute)).toThrow(error);
    expect(world.state.done).toEqual(['admin', 'company']);
  });
});

describe('a pass', () => {
  test.each(['Pacific/Kiritimati', 'America/Los_Angeles', 'Asia/Kathmandu', 'UTC'])(
    'finds every edit that was not notified, in %s too',
    (timezone) => {
      const world = settled(60, {}, timezone);
      world.run(start + minute);
      for (let round = 0; round < 30; round++) {
        const [id = ''] = world.ids.slice((round * 7) % 60);
        world.model.updateContact(id, { name: `round ${round}` }, world.now);
        // Steps that cross midnight in each of these zones.
        world.run(world.now + 53 * minute);
        expect(world.names[`intercom:contact:${id}`]).toBe(`round ${round}`);
      }
    },
  );

  test('costs one call when little changed, and tells only what changed since the last one', () => {
    const world = settled(320, { searchLagMs: 0 });
    world.run(start + 30 * minute);
    const before = { calls: world.asked.length, records: world.records.length };
    world.model.updateContact(world.ids[5] ?? '', { name: 'New' }, world.now);
    world.run(world.now + every.contacts);
    const calls = world.asked.slice(before.calls).filter(({ kind }) => kind === 'searchContacts');
    expect(calls).toHaveLength(1);
    expect(world.records.slice(before.records).map(({ recordId, reason }) => [recordId, reason])).toEqual([
      [world.ids[5], 'poll'],
    ]);
  });

  test('reads back over what search may not have shown', () => {
    const world = settled(5, { searchLagMs: 4 * minute });
    world.run(start + 30 * minute);
    world.model.updateContact(world.ids[1] ?? '', { name: 'Late' }, world.now - 30_000);
    world.run(world.now + 20 * minute);
    expect(world.names[`intercom:contact:${world.ids[1]}`]).toBe('Late');
    expect(overlapMs).toBeGreaterThan(4 * minute + every.contacts);
  });
});

describe('a hole', () => {
  test('is told at once, read at once, and closed when search is sure to show all of it', () => {
    const world = settled(20);
    world.run(start + 15 * minute);
    const from = world.now;
    const [id = ''] = world.ids;
    world.model.updateContact(id, { name: 'Missed' }, from + 10_000);
    world.now = from + 30_000;
    world.write(troubled(world.state, from, world.now));
    expect(world.kinds().at(-1)).toBe('holeOpen notifications lost, 1');
    world.run(world.now + 5_000);
    expect(world.names[`intercom:contact:${id}`]).toBe('Missed');
    expect(world.kinds().at(-1)).toBe('holeOpen notifications lost, 1');
    expect(claimed(world.state, parts, world.now).marks).toEqual([]);
    world.run(world.now + settleMs);
    expect(world.kinds().at(-1)).toBe('holeClosed notifications lost, 1');
    const companies = world.records.filter(({ reason, object }) => reason === 'hole' && object === 'company').length;
    // One contact had changed in it; companies are all read.
    expect(world.marks.at(-1)?.certificate).toMatchObject({
      hole: 'notifications lost, 1',
      since: from,
      method: 'modified',
      read: 1 + companies,
      changed: 1,
      deleted: 0,
    });
    expect(world.state.hole).toBeNull();
    expect(claimed(world.state, parts, world.now).marks).toMatchObject([{ kind: 'mark' }]);
  });

  test('that grows while it is read is read again, and stays the one it is', () => {
    const world = settled(20);
    world.run(start + 15 * minute);
    world.write(troubled(world.state, world.now - 5_000, world.now));
    world.run(world.now + settleMs - 5_000);
    world.write(troubled(world.state, world.now - 1_000, world.now));
    world.run(world.now + settleMs - 5_000);
    expect(world.state.hole).not.toBeNull();
    world.run(world.now + settleMs);
    expect(world.kinds().slice(-2)).toEqual(['holeOpen notifications lost, 1', 'holeClosed notifications lost, 1']);
  });

  test('is not closed by a scroll that began before it ended, nor by what was read before it grew', () => {
    const world = settled(20);
    world.run(start + 15 * minute);
    const scroll = { reason: 'poll', begun: world.now, param: 'p' } as const;
    world.write(troubled(world.state, world.now - 5_000, world.now));
    const task = { kind: 'companies', scroll, request: { kind: 'scrollCompanies', scroll: 'p' } } as const;
    const end = { kind: 'ok', body: { data: [] }, time: world.now, sentAt: world.now } as const;
    expect(answered(world.state, task, end, world.now).state.hole).toMatchObject({ companies: false });
    const half = { ...world.state, hole: world.state.hole && { ...world.state.hole, contacts: true } };
    expect(troubled(half, world.now, world.now + 1_000).state.hole).toMatchObject({ contacts: false });
  });

  test('is what a standstill means, and a short one does not', () => {
    const world = settled(2);
    world.run(start + minute);
    world.write(claimed(world.state, parts, world.now));
    expect(resumed(world.state, world.now + 20_000).marks).toEqual([]);
    expect(resumed(world.state, world.now + 2 * minute).marks).toMatchObject([{ kind: 'holeOpen' }]);
  });

  test('whatever is edited, whenever nobody hears of it, is told by the time it is closed', () => {
    const edit = fc.record({ after: fc.nat(40_000), who: fc.nat(39), company: fc.boolean() });
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 12 }), fc.nat(50_000), (edits, searchLagMs) => {
        const world = settled(40, { searchLagMs });
        world.run(start + 12 * minute);
        const from = world.now;
        const company = world.model.everything().companies[0]?.id ?? '';
        const expected: Record<string, string> = {};
        for (const [n, { after, who, company: ofCompany }] of edits.entries()) {
          world.now += after;
          const name = `edit ${n}`;
          if (ofCompany) world.model.updateCompany(company, { name }, world.now);
          else world.model.updateContact(world.ids[who] ?? '', { name }, world.now);
          expected[ofCompany ? `intercom:company:${company}` : `intercom:contact:${world.ids[who]}`] = name;
          world.write(troubled(world.state, from, world.now));
          if (n % 3 === 0) world.step();
        }
        world.run(world.now + settleMs + minute);
        expect(world.state.hole).toBeNull();
        expect(world.names).toMatchObject(expected);
        expect(world.kinds().filter((kind) => kind.startsWith('holeOpen'))).toHaveLength(edits.length > 0 ? 1 : 0);
      }),
      { numRuns: 40 },
    );
  });
});

describe('what a notification left open', () => {
  const note = (world: World, what: OwedNote['owed'][number]['what'], id: string): OwedNote => ({
    owed: [{ what, id }],
    since: Math.floor(world.now / 1000) * 1000,
  });

  test('is read before anything else, and holds the claim back until it is', () => {
    const world = settled(4);
    world.run(start + minute);
    world.hear(note(world, 'contact', world.ids[2] ?? ''));
    const at = world.now;
    const held = claimed(world.state, parts, at + 30 * minute);
    expect(held.state.claim).toBeLessThan(at);
    world.now += every.contacts;
    expect(world.step()).toMatchObject({ kind: 'owed', request: { kind: 'findContact', id: world.ids[2] } });
    expect(world.records.at(-1)).toMatchObject({ reason: 'recheck', recordId: world.ids[2], deleted: false });
    expect(claimed(world.state, parts, at + 30 * minute).state.claim).toBe(
      Math.floor((at + 30 * minute - margin) / 1000) * 1000,
    );
  });

  test('is asked for once more when a later notification names it while it is read', () => {
    const world = settled(4);
    world.run(start + minute);
    const [id = ''] = world.ids;
    world.hear(note(world, 'contact', id));
    const task = next(world.state, parts, world.now);
    world.hear(note(world, 'contact', id));
    const body = { id, updated_at: 1 };
    if (task.kind === 'rest') throw new Error('nothing is asked');
    world.write(answered(world.state, task, { kind: 'ok', body, time: world.now, sentAt: world.now }, world.now));
    expect(world.state.owed).toHaveLength(1);
    expect(next(world.state, parts, world.now)).toMatchObject({ kind: 'owed' });
  });

  test('is taken for gone only when it was not just made', () => {
    const world = settled(1);
    world.run(start + minute);
    const missing = '66f2bb90c2d94e0012ab9f77';
    world.hear(note(world, 'contact', missing));
    world.run(world.now + unknownMs / 2);
    expect(world.observations.filter(({ ref }) => ref.endsWith(missing))).toEqual([]);
    expect(world.state.owed).toHaveLength(1);
    world.run(world.now + unknownMs);
    expect(world.observations.filter(({ ref }) => ref.endsWith(missing))).toMatchObject([{ op: 'deleted' }]);
    expect(world.state.owed).toEqual([]);
  });

  test('is told as merged where the platform says into whom, and the survivor is read', () => {
    const world = settled(2);
    const { value: lead } = world.model.createContact({ role: 'lead', email: 'p0@x.example' }, world.now);
    const [user = ''] = world.ids;
    world.run(start + minute);
    answerCall(
      { model: world.model, scrolls: new Scrolls(() => '') },
      {
        method: 'POST',
        path: '/contacts/merge',
        body: { from: lead.id, into: user },
        client: 'app',
        version: '2.16',
        now: world.now,
      },
    );
    const before = world.records.length;
    world.hear(note(world, 'contact', lead.id));
    world.hear(note(world, 'merges', user));
    while (world.step().kind === 'owed');
    const told = world.observations.slice(before).map(({ ref, op, into }) => [ref, op, into]);
    const moved = [`intercom:contact:${lead.id}`, 'moved', `intercom:contact:${user}`];
    expect(told).toContainEqual(moved);
    expect(told.filter(([ref]) => ref === moved[0])).toEqual([moved, moved]);
    expect(told).toContainEqual([`intercom:contact:${user}`, 'seen', null]);
    expect(world.state.owed).toEqual([]);
  });

  test('of a company that gets its first member is read, unless another notification of that moment tells of it', () => {
    const world = settled(1);
    world.run(start + minute);
    const company = world.model.upsertCompany({ company_id: 'acc-2', name: 'Grove' }, world.now).value;
    const since = world.now;
    world.hear({ owed: [{ what: 'company', id: company.id, unlessTold: true }], since });
    expect(next(world.state, parts, since + 2_000)).toMatchObject({ kind: 'rest', until: since + 3_000 });
    expect(withoutTold(world.state, () => true).owed).toEqual([]);
    expect(withoutTold(world.state, () => false)).toBe(world.state);
    // By whom it is needed in any case, at once.
    world.hear({ owed: [{ what: 'company', id: company.id }], since });
    world.hear({ owed: [{ what: 'company', id: company.id, unlessTold: true }], since: since + 1 });
    expect(withoutTold(world.state, () => true).owed).toHaveLength(1);
    expect(world.step()).toMatchObject({ kind: 'owed' });
    expect(world.names[`intercom:company:${company.id}`]).toBe('Grove');
  });

  test('of a merge is given up, and said so, where the version does not serve it', () => {
    const world = settled(1);
    const task = { kind: 'owed', owed: { what: 'merges', id: 'a', debt: 1, since: 1, notBefore: 0 } } as const;
    const state = { ...world.state, owed: [task.owed] };
    const verdict = { kind: 'gone', what: '', survivor: null, text: 'HTTP 404', time: 1 } as const;
    const step = answered(state, { ...task, request: { kind: 'mergeHistory', id: 'a' } }, verdict, 1);
    expect(step).toMatchObject({ unread: 'HTTP 404', records: [], state: { owed: [] } });
    const silent = { kind: 'ok', body: { id: 'a' }, time: 1, sentAt: 1 } as const;
    const other = answered(state, { ...task, request: { kind: 'mergeHistory', id: 'a' } }, silent, 1);
    expect(other).toMatchObject({ unread: 'contact a is told without its merge history', state: { owed: [] } });
  });

  test('of teammates has the list read, and who left is told', () => {
    const world = settled(1);
    world.run(start + minute);
    const before = world.asked.length;
    world.hear(note(world, 'admins', ''));
    world.run(world.now + 10_000);
    expect(world.asked.slice(before)).toEqual([{ kind: 'listAdmins' }]);
    const task = { kind: 'admins', request: { kind: 'listAdmins' } } as const;
    const verdict = { kind: 'ok', body: { admins: [] }, time: world.now, sentAt: world.now } as const;
    expect(answered(world.state, task, verdict, world.now, { 17: 'x' }).records).toMatchObject([
      { object: 'admin', recordId: '17', deleted: true },
    ]);
  });

  test('survives whoever takes over, also where a state was written before it was heard of', () => {
    const world = settled(2);
    world.run(start + minute);
    const deaf = world.state;
    world.hear(note(world, 'contact', world.ids[0] ?? ''));
    // Written after the notification, by one that had not heard of it.
    world.raw.push({ offset: world.raw.length, headers: { [header.state]: JSON.stringify(deaf) } });
    expect(recalled(world.raw).owed).toMatchObject([{ what: 'contact', id: world.ids[0] }]);
    world.state = recalled(world.raw);
    world.step();
    expect(recalled(world.raw).owed).toEqual([]);
  });

  test('is read as what changed, where there is more of it than a mark can hold', () => {
    const world = settled(2);
    world.run(start + minute);
    const owed = Array.from({ length: mostOwed + 1 }, (_, n) => ({ what: 'contact' as const, id: `c${n}` }));
    world.hear({ owed, since: world.now });
    expect(world.state.owed).toEqual([]);
    world.write(claimed(world.state, parts, world.now));
    expect(world.kinds().at(-1)).toMatch(/^holeOpen/);
    world.run(world.now + settleMs + minute);
    expect(world.kinds().at(-1)).toMatch(/^holeClosed/);
  });

  test('by nobody, but of too many, has everything read that ever changed', () => {
    const world = settled(2);
    world.run(start + minute);
    const ids = Array.from({ length: mostOwed + 1 }, (_, n) => `c${n}`);
    world.state = audit(world.state, 'contact', ids);
    const before = world.records.length;
    world.run(world.now + settleMs + minute);
    expect(world.state.hole).toBeNull();
    expect(world.records.slice(before).map(({ recordId }) => recordId)).toEqual(expect.arrayContaining(world.ids));
  });

  test('by nobody but ourselves finds who was deleted unheard, and holds no claim back', () => {
    const world = settled(3);
    world.run(start + minute);
    const [id = '', other = ''] = world.ids;
    world.model.deleteContact(id, world.now);
    world.state = audit(world.state, 'contact', [id, other]);
    expect(claimed(world.state, parts, world.now + minute).state.claim).toBeGreaterThan(world.now);
    const before = world.records.length;
    while (world.step().kind === 'owed');
    expect(
      world.observations
        .slice(before)
        .map(({ ref, op }) => [ref, op])
        .slice(0, 2),
    ).toEqual([
      [`intercom:contact:${id}`, 'deleted'],
      [`intercom:contact:${other}`, 'seen'],
    ]);
  });
});

describe('the claim', () => {
  test('is not made before everything was read once, nor where contacts are not read at all', () => {
    const world = settled(3);
    expect(claimed(world.state, parts, world.now).marks).toEqual([]);
    while (world.step().kind !== 'rest') expect(world.marks.every(({ upTo }) => upTo === 0)).toBe(true);
    expect(claimed(world.state, ['admin'], world.now).marks).toEqual([]);
    expect(claimed(world.state, parts, world.now).marks).toEqual([
      { platform: 'intercom', kind: 'mark', upTo: Math.floor((world.now - margin) / 1000) * 1000, detail: '' },
    ]);
  });

  test('never falls, is never ahead of the clock less the margin, and stands still while a hole is open', () => {
    const event = fc.oneof(
      fc.constant({ kind: 'beat' as const }),
      fc.record({ kind: fc.constant('trouble' as const), length: fc.nat(30_000) }),
      fc.record({ kind: fc.constant('owed' as const), ago: fc.nat(20_000), who: fc.nat(4) }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40_000), event), { maxLength: 30 }), (history) => {
        const world = settled(5);
        world.run(start + minute);
        for (const [pause, one] of history) {
          world.run(world.now + pause);
          const { claim } = world.state;
          const open = world.state.hole !== null;
          if (one.kind === 'beat') world.write(claimed(world.state, parts, world.now));
          else if (one.kind === 'trouble') world.write(troubled(world.state, world.now - one.length, world.now));
          else world.hear({ owed: [{ what: 'contact', id: world.ids[one.who] ?? '' }], since: world.now - one.ago });
          expect(world.state.claim).toBeGreaterThanOrEqual(claim);
          expect(world.state.claim).toBeLessThanOrEqual(Math.max(0, world.now - margin));
          expect(open && world.state.claim > claim).toBe(false);
          expect(JSON.parse(JSON.stringify(world.state))).toEqual(world.state);
        }
      }),
      { numRuns: 40 },
    );
  });
});
