/**
 * Intercom as unify sees it through the sink: a store that applies commands and answers results. Pure and small, with
 * nothing of the pipeline's mapping in it; the real sink and twin have their own tests.
 */
import { partitionOf } from '../../schemas/topics.ts';
import type { Command, FieldRefusal, Observation, Result, Value } from '../../schemas/types.ts';
import { result, second } from './changes.ts';
import type { FoldRunner } from './fold-runner.ts';

interface Stored {
  readonly object: string;
  fields: Record<string, Value>;
  updatedAt: number;
}

export interface FakeOptions {
  /** What the platform makes of a value that is written. */
  readonly normalise?: (field: string, value: Value) => Value;
  readonly refuse?: (field: string, value: Value) => string | undefined;
}

export class FakeIntercom {
  readonly records = new Map<string, Stored>();
  /** Commands carried out, in order. */
  readonly ran: Command[] = [];
  noops = 0;
  now = second;
  #next = 1;
  readonly #options: FakeOptions;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
  }

  add(object: string, fields: Record<string, Value>): string {
    const id = `${object[0] ?? ''}${this.#next++}`;
    this.records.set(id, { object, fields, updatedAt: this.now });
    return id;
  }

  run(command: Command): Partial<Result> {
    this.ran.push(command);
    const refusals: FieldRefusal[] = Object.entries(command.fields).flatMap(([field, value]) => {
      const message = this.#options.refuse?.(field, value);
      return message === undefined ? [] : [{ field, code: 'PLATFORM_REFUSED', message }];
    });
    if (command.verb === 'create') {
      // What an earlier try of a call in doubt made is looked for by our id.
      const made = [...this.records.entries()].find(
        ([, record]) => command.doubt && record.fields['custom_attributes.tributary_id'] === command.key,
      );
      if (made) return this.#answer(made[0], 'applied', []);
      const email = command.fields['email'];
      const existing = [...this.records.entries()].find(
        ([, record]) => record.object === command.object && email !== undefined && record.fields['email'] === email,
      );
      if (existing) return this.#answer(existing[0], 'exists', []);
      // Companies are created or updated by their company_id, whoever asks.
      const company = [...this.records.entries()].find(
        ([, record]) => command.object === 'company' && record.fields['company_id'] === command.fields['company_id'],
      );
      if (company) {
        this.#write(company[0], command.fields);
        return this.#answer(company[0], 'applied', []);
      }
      if (refusals.length > 0) return { outcome: 'refused', refusals, platformTime: this.now * 1000 };
      const id = this.add(command.object, {});
      this.#write(id, command.fields);
      return this.#answer(id, 'applied', []);
    }
    const id = command.ref.slice(command.ref.lastIndexOf(':') + 1);
    if (!this.records.has(id)) return { outcome: 'gone', platformTime: this.now * 1000 };
    const email = command.fields['email'];
    const taken = [...this.records.entries()].some(
      ([other, record]) =>
        other !== id && record.object === command.object && email != null && record.fields['email'] === email,
    );
    if (taken)
      refusals.push({
        field: 'email',
        code: 'PLATFORM_REFUSED',
        message: 'A contact matching those details already exists',
      });
    const good = Object.entries(command.fields).filter(([field]) => !refusals.some((one) => one.field === field));
    if (!this.#write(id, Object.fromEntries(good)) && refusals.length === 0) this.noops += 1;
    return this.#answer(id, 'applied', refusals);
  }

  #write(id: string, fields: Readonly<Record<string, Value>>): boolean {
    const record = this.records.get(id);
    if (record === undefined) return false;
    let changed = false;
    for (const [field, value] of Object.entries(fields)) {
      const kept = this.#options.normalise?.(field, value) ?? value;
      if (JSON.stringify(record.fields[field] ?? null) === JSON.stringify(kept)) continue;
      record.fields[field] = kept;
      changed = true;
    }
    if (changed) record.updatedAt = this.now;
    return changed;
  }

  #answer(id: string, outcome: 'applied' | 'exists', refusals: readonly FieldRefusal[]): Partial<Result> {
    const record = this.records.get(id);
    const ref = `intercom:${record?.object ?? ''}:${id}`;
    const returned: Observation = {
      ref,
      op: 'seen',
      via: 'answer',
      whole: true,
      created: false,
      fields: { ...record?.fields },
      unknown: [],
      at: { time: (record?.updatedAt ?? 0) * 1000, seq: -1, second: true },
      modified: (record?.updatedAt ?? 0) * 1000,
      origin: null,
      by: null,
      transaction: null,
      into: null,
    };
    return { ref, outcome, returned, refusals, platformTime: this.now * 1000 };
  }

  /** Carries out every command the runner has put out and not yet seen answered, until none is left. */
  settle(runner: FoldRunner): void {
    for (let rounds = 0; rounds < 1000; rounds++) {
      const done = new Set(this.ran);
      const open = runner.commands().filter((command) => !done.has(command));
      if (open.length === 0) return;
      for (const command of open) {
        this.now += 1;
        const partition = partitionOf(command.ref === '' ? command.key : command.ref, 4);
        runner.decide(result(command, partition, this.run(command)));
      }
    }
    throw new Error('never settles: asks follow asks');
  }
}
