import { describe, expect, test } from 'vitest';
import { createRejectGuard } from '../../core/dead-letter.ts';
import { TributaryError } from '../../core/errors.ts';
import type { InRecord } from '../../core/kafka.ts';
import { type Decision, decide, type Step } from '../../core/pipe.ts';
import { memoryCodec } from '../../core/registry.ts';
import type { DeadLetter } from '../../schemas/types.ts';

const codec = memoryCodec();
const mark = { platform: 'salesforce', kind: 'mark', upTo: 1_790_000_000_000, detail: '' };
const record = (value: Buffer | null): InRecord => ({
  topic: 'salesforce.raw',
  partition: 0,
  offset: 41,
  time: 1_790_000_000_123,
  key: Buffer.from('003'),
  value,
  headers: { trace: Buffer.from('t') },
});
const good = record(codec.encode('salesforce.raw', 'SourceMark', mark));
const run = (step: Step, given = good): Decision => decide(codec, 'decode', step, given);
const letterOf = ({ out }: Decision): DeadLetter =>
  structuredClone(codec.decode(out[0]?.value ?? Buffer.alloc(0)).value) as DeadLetter;

describe('a record', () => {
  test('leads to what the step emits, encoded for its topic', () => {
    const { out } = run(({ schema, value, offset }) => {
      expect({ schema, offset, ...value }).toMatchObject({ schema: 'SourceMark', offset: 41, ...mark });
      return { emit: [{ topic: 'intercom.raw', key: 'k', schema: 'SourceMark', value, partition: 0 }] };
    });
    expect(out).toMatchObject([{ topic: 'intercom.raw', key: 'k', partition: 0 }]);
  });

  test('is dropped with a reason, and a tombstone without asking the step', () => {
    expect(run(() => ({ drop: 'keepalive' }))).toMatchObject({ out: [], dropped: 'keepalive' });
    const never: Step = () => {
      throw new Error('asked');
    };
    expect(run(never, record(null))).toMatchObject({ out: [], dropped: 'tombstone' });
  });

  test('that is rejected stands in the dead letters with its bytes, its place and the way out', () => {
    const error = new TributaryError('PAYLOAD_UNDECODABLE', 'no header', { field: 'Email' });
    const decision = run(() => ({ reject: error }));
    expect(decision.rejected).toBe(error);
    expect(decision.out).toMatchObject([{ topic: 'decode.dlq', key: good.key }]);
    const letter = letterOf(decision);
    expect(letter).toMatchObject({
      stage: 'decode',
      code: 'PAYLOAD_UNDECODABLE',
      message: 'no header',
      fix: error.fix,
      field: 'Email',
      topic: 'salesforce.raw',
      partition: 0,
      offset: 41,
      at: good.time,
    });
    expect(Buffer.from(letter.original ?? [])).toEqual(good.value);
    expect(Buffer.from(letter.headers['trace'] ?? [])).toEqual(Buffer.from('t'));
  });

  test('that no schema fits, or that makes the step fail, is rejected like one that the step rejects', () => {
    const garbage = run(() => ({ drop: '' }), record(Buffer.from('garbage')));
    expect(letterOf(garbage)).toMatchObject({ code: 'PAYLOAD_UNDECODABLE' });
    expect(Buffer.from(letterOf(garbage).original ?? [])).toEqual(Buffer.from('garbage'));
    const thrown = run(() => {
      throw new TypeError('x is undefined');
    });
    expect(letterOf(thrown)).toMatchObject({ code: 'RECORD_POISON', message: 'x is undefined' });
  });

  test('does not go to the dead letters for what is not its fault', () => {
    const unregistered: Step = ({ value }) => ({
      emit: [{ topic: 'journal', key: 'k', schema: 'SourceMark', value }],
    });
    expect(() => run(unregistered)).toThrow(expect.objectContaining({ code: 'TOPICS_DIFFER' }));
  });

  test('that leads to more than a record can hold is rejected', () => {
    const decision = run(({ value }) => ({
      emit: [{ topic: 'salesforce.raw', key: 'k', schema: 'SourceMark', value: { ...value, detail: 'x'.repeat(3e6) } }],
    }));
    expect(letterOf(decision)).toMatchObject({ code: 'RECORD_TOO_LARGE', offset: 41 });
  });

  test('too large for an envelope leaves its bytes where they are', () => {
    const huge = record(Buffer.alloc(1_990_000));
    const decision = run(() => ({ drop: '' }), huge);
    expect(letterOf(decision)).toMatchObject({ original: null, offset: 41 });
    expect(decision.out[0]?.value?.length).toBeLessThan(10_000);
  });
});

describe('a run of rejects', () => {
  const fine = undefined;
  const bad = new TributaryError('PAYLOAD_UNDECODABLE', 'no header');

  test('stops the stage once most records are bad', () => {
    const guard = createRejectGuard();
    guard('decode', Array<TributaryError>(199).fill(bad));
    expect(() => guard('decode', [bad])).toThrow(expect.objectContaining({ code: 'REJECTING' }));
  });

  test('does not when a tenth is bad for ever', () => {
    const guard = createRejectGuard();
    const tenth = Array.from({ length: 1_000 }, (_, i) => (i % 10 === 0 ? bad : fine));
    for (let i = 0; i < 20; i += 1) expect(() => guard('decode', tenth)).not.toThrow();
  });

  test('is noticed after any number of good records', () => {
    const guard = createRejectGuard();
    for (let i = 0; i < 20; i += 1) guard('decode', Array<undefined>(1_000).fill(fine));
    expect(() => guard('decode', Array<TributaryError>(4_000).fill(bad))).toThrow(/rejected/);
  });
});
