/**
 * The open commands of a partition → as few calls as they take → an answer each. Up to 200 rows go in a call and each
 * stands or falls alone: what one row brings (a refused field, a lock, a record that is gone) holds back no other.
 *
 * Everything here may be repeated: updates are levels, and a create is an upsert by our marker. Before people are created
 * one look-up tells whether they are there already, for Salesforce, unlike Intercom, has no rule of its own against a
 * second contact of one email; where an administrator has made such a rule, its refusal means the same.
 *
 * Pure: the calls are steps, and whoever drives them gives the verdicts.
 */
import {
  classifyRow,
  classifyRowErrors,
  type PlatformError,
  type RowVerdict,
  type SalesforceVerdict,
  textOf,
} from '../../connectors/salesforce/classify.ts';
import type { SalesforceRequest } from '../../connectors/salesforce/requests.ts';
import type { BudgetLane } from '../../core/budget.ts';
import type { Passing } from '../../core/passing.ts';
import { type Answer, Interrupted } from '../../core/sink-state.ts';
import { salesforceRef } from '../../processors/decode/salesforce.ts';
import type { Command, FieldRefusal, Observation } from '../../schemas/types.ts';
import { attempt, insist, pauseAfter, type Step } from '../step.ts';
import { blame, type Found, observed, type Page, pageOf } from './answer.ts';
import { ambiguous, byObject, type Item, isRead, itemOf, unwritten } from './item.ts';
import {
  halved,
  idOf,
  type Look,
  laneOf,
  markedRow,
  planLookups,
  planReads,
  planWrites,
  type SalesforceObjects,
} from './plan.ts';

export type SalesforceStep = Step<SalesforceRequest>;
type Work<Value> = Generator<SalesforceStep, Value, SalesforceVerdict>;
type Settled = Exclude<SalesforceVerdict, Passing>;
/** What comes of a write: something definite, or a failure that passes. */
type Came = Settled | Extract<Passing, { kind: 'retry' }>;

interface Written {
  readonly request: SalesforceRequest;
  readonly lane: BudgetLane;
  readonly items: readonly Item[];
}

/** A row that is still not written after so many tries is asked again by unify; its neighbours' answers do not wait for it. */
const mostTries = 4;

/** What a round of writes leaves to do. */
interface Leftovers {
  /** To be written at once, with other fields. */
  readonly again: Item[];
  readonly later: { readonly item: Item; readonly verdict: Extract<RowVerdict, { kind: 'later' }> }[];
  readonly gone: { readonly item: Item; readonly errors: readonly PlatformError[] }[];
  /** Refused by a duplicate rule that did not say for whose sake. */
  readonly unnamed: Item[];
  readonly met: { readonly item: Item; readonly id: string }[];
}

/**
 * @param commands of different records
 * @returns answers by command id. A command without one was never called: time ran out, and it is asked as if for the
 *   first time.
 * @throws TributaryError that stops the sink; what was answered until then is asked again
 */
export function* executeBatch(
  objects: SalesforceObjects,
  commands: readonly Command[],
): Work<ReadonlyMap<string, Answer>> {
  const batch = new Batch(objects, commands);
  try {
    yield* batch.run();
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    batch.interrupted();
  }
  return batch.answers;
}

class Batch {
  readonly answers = new Map<string, Answer>();
  readonly #objects: SalesforceObjects;
  readonly #items: readonly Item[];

  constructor(objects: SalesforceObjects, commands: readonly Command[]) {
    this.#objects = objects;
    this.#items = commands.flatMap((command) => {
      const object = objects[command.object];
      if (object !== undefined) return [itemOf(command, object)];
      const message = `the Salesforce sink cannot write a ${command.object}`;
      const refusals = [{ field: '', code: 'RECORD_POISON', message }];
      this.answers.set(command.id, { ...unwritten(command), outcome: 'refused', refusals });
      return [];
    });
  }

  *run(): Work<void> {
    for (const lane of ['live', 'bulk'] as const) {
      const items = this.#items.filter(({ command }) => laneOf(command) === lane);
      yield* this.#lookUp(
        items.filter(({ command }) => command.verb === 'create'),
        lane,
      );
      yield* this.#write(
        this.#open(items).filter((item) => !isRead(item)),
        lane,
      );
      yield* this.#read(items.filter(isRead), lane);
    }
  }

  /** Time ran out: what was called is not refused, so it will be asked again; perhaps applied, so it may be in doubt. */
  interrupted(): void {
    for (const item of this.#open(this.#items)) if (item.calls > 0) this.#putOff(item);
  }

  #open(items: readonly Item[]): readonly Item[] {
    return items.filter(({ command }) => !this.answers.has(command.id));
  }

  // ---- answers

  #answer(item: Item, outcome: Answer['outcome'], more: Partial<Answer> = {}): void {
    const { command, refusals, calls, doubt, time } = item;
    this.answers.set(command.id, {
      ...unwritten(command),
      outcome,
      refusals,
      calls,
      doubt,
      platformTime: time,
      ...more,
    });
  }

  #putOff(item: Item): void {
    this.#answer(item, 'expired', { refusals: item.trouble === undefined ? [] : [item.trouble] });
  }

  #refuse(item: Item, refusals: readonly FieldRefusal[]): void {
    this.#answer(item, 'refused', { refusals: [...item.refusals, ...refusals] });
  }

  #gone(item: Item, record: Observation | undefined, text: string): void {
    const into = record?.into ?? null;
    const message = into === null ? text : `${text}; it lives on as ${into}`;
    this.#answer(item, 'gone', {
      into,
      refusals: [...item.refusals, { field: '', code: 'PLATFORM_REFUSED', message }],
    });
  }

  // ---- calls

  /** A write. One that fails is not insisted on: other rows go on meanwhile, and it is tried again after them. */
  *#attempt({ request, lane, items }: Written): Work<Came> {
    const call = { kind: 'call', request, lane } as const;
    const came = yield* attempt<SalesforceRequest, SalesforceVerdict>('Salesforce', call, (verdict) =>
      this.#heard(items, verdict),
    );
    for (const item of items) {
      if (came.kind === 'retry') item.doubt ||= came.doubt;
      else item.time = came.time;
    }
    return came;
  }

  #heard(items: readonly Item[], verdict: SalesforceVerdict): void {
    for (const item of items) {
      item.calls++;
      if (verdict.kind === 'retry') item.trouble = { field: '', code: verdict.code, message: verdict.text };
    }
  }

  /** Every row of a query, by its pages. undefined: it was refused, and those it was for are answered. */
  *#ask(
    { request, items }: Look<Item>,
    lane: BudgetLane,
  ): Work<{ rows: readonly Found[]; sentAt: number } | undefined> {
    const rows: Found[] = [];
    let sentAt: number | undefined;
    for (let next: SalesforceRequest | undefined = request; next !== undefined; ) {
      const call: Extract<SalesforceStep, { kind: 'call' }> = { kind: 'call', request: next, lane };
      const verdict: Settled = yield* insist<SalesforceRequest, SalesforceVerdict>('Salesforce', call, (one) =>
        this.#heard(items, one),
      );
      for (const item of items) item.time = verdict.time;
      if (verdict.kind !== 'ok') {
        const text = verdict.kind === 'tooLarge' ? verdict.text : '';
        const errors = verdict.kind === 'refuse' ? verdict.errors : [];
        const refusal = blame({}, errors).whole[0] ?? { field: '', code: 'PLATFORM_REFUSED', message: text };
        for (const item of items) this.#refuse(item, [refusal]);
        return undefined;
      }
      const page: Page | undefined = pageOf(verdict.body);
      if (page === undefined) {
        // It says nothing of the records: they are asked for again, later.
        const text = 'an answer to a query without its rows';
        for (const item of items) {
          item.trouble = { field: '', code: 'PLATFORM_NONSENSE', message: text };
          this.#putOff(item);
        }
        yield { kind: 'pause', ms: pauseAfter(0), code: 'PLATFORM_NONSENSE', text };
        return undefined;
      }
      rows.push(...page.records);
      sentAt ??= verdict.sentAt;
      next = page.next === undefined ? undefined : { kind: 'more', path: page.next };
    }
    return { rows, sentAt: sentAt ?? 0 };
  }

  // ---- reads

  *#read(items: readonly Item[], lane: BudgetLane): Work<void> {
    const id = ({ command }: Item): string => idOf(command.ref);
    for (const [object, some] of byObject(items)) {
      const found = yield* this.#find(object, planReads(object, some[0].object.fields, some, id), id, lane);
      for (const [item, record] of found) {
        if (record?.op === 'seen') this.#answer(item, 'applied', { returned: record });
        else this.#gone(item, record, 'it is not there any more');
      }
    }
  }

  /** Reads records by id; an item that is missing from what is returned has been answered. */
  *#find(
    object: string,
    planned: readonly Look<Item>[],
    id: (item: Item) => string,
    lane: BudgetLane,
  ): Work<ReadonlyMap<Item, Observation | undefined>> {
    const found = new Map<Item, Observation | undefined>();
    for (const look of planned) {
      const told = yield* this.#ask(look, lane);
      if (told === undefined) continue;
      const rows = new Map(told.rows.map((row) => [row.Id, row]));
      for (const item of look.items) {
        const row = rows.get(id(item));
        found.set(item, row === undefined ? undefined : observed(object, row, item.object, told.sentAt));
      }
    }
    return found;
  }

  // ---- creates

  /** Answers those people of the creates who are there already under somebody else's mark, or none. */
  *#lookUp(creates: readonly Item[], lane: BudgetLane): Work<void> {
    for (const [object, some] of byObject(creates)) {
      const { marker, email } = some[0].object;
      if (email === null) continue;
      for (const look of planLookups(object, { ...some[0].object, email }, some)) {
        const found = yield* this.#ask(look, lane);
        if (found === undefined) continue;
        for (const item of look.items) {
          const named = String(item.rest[email]).toLowerCase();
          // An earlier try made it, whatever email it has by now: the upsert finds it.
          if (found.rows.some((row) => row[marker] === item.command.key)) continue;
          const matches = found.rows.filter((row) => String(row[email]).toLowerCase() === named);
          const [only, ...others] = matches;
          if (only === undefined) continue;
          if (others.length > 0)
            this.#refuse(item, [
              ambiguous(
                item,
                matches.map(({ Id }) => ({ object, id: Id })),
              ),
            ]);
          else this.#exists(item, observed(object, only, item.object, found.sentAt));
        }
      }
    }
  }

  #exists(item: Item, record: Observation): void {
    this.#answer(item, 'exists', { ref: record.ref, returned: record });
  }

  // ---- writes

  *#write(items: readonly Item[], lane: BudgetLane): Work<void> {
    const waiting: Leftovers['later'] = [];
    for (let now = items; now.length > 0; ) {
      const left: Leftovers = { again: [], later: [], gone: [], unnamed: [], met: [] };
      yield* this.#round(now, left);
      for (const item of left.unnamed) yield* this.#alone(item, left);
      yield* this.#meet(left, lane);
      yield* this.#locate(left, lane);
      for (const one of left.later) {
        if (++one.item.tries > mostTries) this.#putOff(one.item);
        else waiting.push(one);
      }
      now = left.again;
      if (now.length > 0 || waiting.length === 0) continue;
      const trouble = waiting.find(({ verdict }) => !verdict.busy) ?? waiting[0];
      const tries = Math.max(...waiting.map(({ item }) => item.tries));
      if (trouble !== undefined) {
        const { busy, code, text } = trouble.verdict;
        yield { kind: 'pause', ms: pauseAfter(tries - 1), code: busy ? null : code, text };
      }
      now = waiting.splice(0).map(({ item }) => item);
    }
  }

  /** Every row once. A call refused as a whole is halved, until it is known which rows it is about. */
  *#round(items: readonly Item[], left: Leftovers): Work<void> {
    const writes = [...planWrites(items, this.#objects)];
    for (let write = writes.shift(); write !== undefined; write = writes.shift()) {
      const verdict = yield* this.#attempt(write);
      if (verdict.kind === 'ok') {
        const rows: readonly unknown[] = Array.isArray(verdict.body) ? verdict.body : [];
        for (const [index, item] of write.items.entries()) {
          // Success without a word of this row: it may stand.
          item.doubt ||= rows[index] === undefined;
          this.#judge(item, classifyRow(rows[index]), left);
        }
      } else if (verdict.kind === 'retry') for (const item of write.items) this.#judge(item, ofWhole(verdict), left);
      else if (write.items.length > 1 && this.#isOfTheObject(verdict, write.items, left)) continue;
      else if (write.items.length > 1) writes.unshift(...halved(write, this.#objects));
      else this.#judge(write.items[0], ofWhole(verdict), left);
    }
  }

  /**
   * A field that the object does not have is at fault in every row that has it: these are judged at once, and the others
   * written again. Halving would take two calls for each row to learn the same of all, from a budget of the day.
   */
  #isOfTheObject(verdict: Exclude<Came, { kind: 'ok' | 'retry' }>, items: readonly Item[], left: Leftovers): boolean {
    if (verdict.kind !== 'refuse' || !verdict.errors.every(({ code }) => code === 'INVALID_FIELD')) return false;
    const row = ofWhole(verdict);
    if (row.kind !== 'refuse') return false;
    const isNamed = ({ rest }: Item): boolean => blame(rest, row.errors).fields.length > 0;
    if (!items.some(isNamed)) return false;
    for (const item of items) {
      if (isNamed(item)) this.#judge(item, row, left);
      else left.again.push(item);
    }
    return true;
  }

  #judge(item: Item, verdict: RowVerdict, left: Leftovers): void {
    const { command, object } = item;
    switch (verdict.kind) {
      case 'done':
        this.#answer(item, 'applied', { ref: salesforceRef(command.object, verdict.id) });
        return;
      case 'later':
        item.trouble = { field: '', code: verdict.code, message: verdict.text };
        left.later.push({ item, verdict });
        return;
      case 'gone':
        if (command.verb === 'create') this.#refused(item, verdict.errors, left);
        else left.gone.push({ item, errors: verdict.errors });
        return;
      case 'duplicate': {
        const { error } = verdict;
        const [only, ...others] = error.matches;
        if (command.verb !== 'create') {
          const fields = object.email === null ? [] : [object.email];
          this.#refused(item, [{ ...error, fields }], left);
        } else if (only === undefined) left.unnamed.push(item);
        // A lead is no contact: as `exists` it would be taken for the record asked for.
        else if (others.length > 0 || only.object !== command.object)
          this.#refuse(item, [ambiguous(item, error.matches)]);
        else left.met.push({ item, id: only.id });
        return;
      }
      case 'refuse':
        this.#refused(item, verdict.errors, left);
        return;
    }
  }

  /**
   * A row whose refusal names some of its fields is written again without them: one bad value must not hold back its
   * neighbours, and unify would not ask for them again. Never without what a created record is recognised by.
   */
  #refused(item: Item, errors: readonly PlatformError[], left: Leftovers): void {
    const { command, object } = item;
    const create = command.verb === 'create';
    const { fields, whole } = blame(item.rest, errors);
    const kept = (name: string): boolean => create && (name === object.marker || name === object.email);
    const taken = create && errors.some(({ code }) => code === 'DUPLICATE_VALUE');
    if (taken && !item.raced && fields.some(({ field }) => field === object.marker)) {
      item.raced = true;
      left.again.push(item);
      return;
    }
    if (whole.length > 0 || taken || fields.some(({ field }) => kept(field))) {
      // Every record is created with our marker: refused, it is not the value of this one that is at fault.
      const named = fields.map((one) => (one.field === object.marker ? { ...one, field: '' } : one));
      this.#refuse(item, [...whole, ...named]);
      return;
    }
    const bad = new Set(fields.map(({ field }) => field));
    item.refusals.push(
      ...fields.filter(({ field }, index) => fields.findIndex((one) => one.field === field) === index),
    );
    item.rest = Object.fromEntries(Object.entries(item.rest).filter(([name]) => !bad.has(name)));
    if (Object.keys(item.rest).length === 0) this.#refuse(item, []);
    else left.again.push(item);
  }

  /** The same row in a call of its own: there a duplicate rule says which records it found. */
  *#alone(item: Item, left: Leftovers): Work<void> {
    const { command, object } = item;
    const row = markedRow(item, object.marker);
    const request = { kind: 'upsertOne', object: command.object, externalIdField: object.marker, row } as const;
    const verdict = yield* this.#attempt({ request, lane: laneOf(command), items: [item] });
    const came = verdict.kind === 'ok' ? classifyRow(verdict.body) : ofWhole(verdict);
    item.doubt ||= verdict.kind === 'ok' && came.kind !== 'done';
    if (came.kind === 'duplicate' && came.error.matches.length === 0)
      this.#refuse(item, [ambiguous(item, [], textOf(came.error))]);
    else this.#judge(item, came, left);
  }

  /** Records that a duplicate rule named: read, for identity has to know them. */
  *#meet(left: Leftovers, lane: BudgetLane): Work<void> {
    const ids = new Map(left.met.map(({ item, id }) => [item, id]));
    const id = (item: Item): string => ids.get(item) ?? '';
    for (const [object, some] of byObject([...ids.keys()])) {
      const found = yield* this.#find(object, planReads(object, some[0].object.fields, some, id), id, lane);
      for (const [item, record] of found) {
        if (record?.op === 'seen') this.#exists(item, record);
        else {
          // Deleted between the two calls: nothing stands in the way any more.
          const text = 'the record that a duplicate rule named is gone';
          this.#judge(item, { kind: 'later', busy: true, code: 'PLATFORM_UNAVAILABLE', text }, left);
        }
      }
    }
  }

  /** Records that could not be written because something is gone: they themselves, or a record that a value names? */
  *#locate(left: Leftovers, lane: BudgetLane): Work<void> {
    const errors = new Map(left.gone.map((one) => [one.item, one.errors]));
    const id = ({ command }: Item): string => idOf(command.ref);
    for (const [object, some] of byObject([...errors.keys()])) {
      const found = yield* this.#find(object, planReads(object, [], some, id), id, lane);
      for (const [item, record] of found) {
        const said = errors.get(item) ?? [];
        if (record?.op === 'seen') this.#refused(item, said, left);
        else this.#gone(item, record, said.map(textOf).join('; '));
      }
    }
  }
}

/** A call that brought no rows: what it means for the only one in it, or for each. */
function ofWhole(verdict: Exclude<Came, { kind: 'ok' }>): RowVerdict {
  if (verdict.kind === 'refuse') return classifyRowErrors(verdict.errors);
  const code = verdict.kind === 'retry' ? verdict.code : 'PLATFORM_UNAVAILABLE';
  return { kind: 'later', busy: false, code, text: verdict.text };
}
