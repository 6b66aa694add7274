import { describe, expect, test } from 'vitest';
import { createBook, ownSchema } from '../../core/avro.ts';
import { createLoader, memoryCodec } from '../../core/registry.ts';
import type { SourceMark } from '../../schemas/types.ts';

const mark: SourceMark = {
  platform: 'salesforce',
  kind: 'mark',
  upTo: 1_790_000_000_000,
  detail: '',
  certificate: null,
};
const framed = (id: number): Buffer => Buffer.from([0, 0, 0, 0, id, 1]);

const foreign = {
  type: 'record',
  name: 'ContactChangeEvent',
  namespace: 'com.sforce.eventbus',
  fields: [{ name: 'commitNumber', type: 'long', doc: 'CreatedDate:DateTime' }],
};

describe('the codec', () => {
  test('gives back what it was given, whatever its size', () => {
    const codec = memoryCodec();
    const large = { ...mark, detail: 'x'.repeat(300_000) };
    for (const value of [mark, large, mark]) {
      const {
        schema,
        value: read,
        foreign: isForeign,
      } = codec.decode(codec.encode('changes', 'Change', changeOf(value)));
      expect(schema).toBe('Change');
      expect(isForeign).toBe(false);
      expect(structuredClone({ ...(read as { mark: object }).mark })).toEqual(value);
    }
  });

  test('says which field does not fit, and never the value, which may be personal', () => {
    const wrong = { ...mark, upTo: 'anna@example.com' };
    expect(() => memoryCodec().encode('salesforce.raw', 'SourceMark', wrong)).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_UNDECODABLE', message: expect.stringMatching(/upTo is no long$/) }),
    );
  });

  test('refuses a schema that the topic does not carry', () => {
    expect(() => memoryCodec().encode('journal', 'SourceMark', mark)).toThrow(
      expect.objectContaining({ code: 'TOPICS_DIFFER' }),
    );
  });

  test.each([
    ['bytes without frame', Buffer.from('{"json":true}'), 'PAYLOAD_UNDECODABLE'],
    ['an empty value', Buffer.alloc(0), 'PAYLOAD_UNDECODABLE'],
    ['an id that nobody registered', framed(99), 'SCHEMA_UNKNOWN'],
  ])('rejects %s', (_name, bytes, code) => {
    expect(() => memoryCodec().decode(bytes)).toThrow(expect.objectContaining({ code }));
  });

  test('rejects a datum that is cut or goes on', () => {
    const codec = memoryCodec();
    const bytes = codec.encode('salesforce.raw', 'SourceMark', mark);
    for (const broken of [bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.from([1])])]) {
      expect(() => codec.decode(broken)).toThrow(expect.objectContaining({ code: 'PAYLOAD_UNDECODABLE' }));
    }
  });

  test('passes a platform’s own bytes on, reads its longs exactly and keeps its doc texts', async () => {
    const codec = memoryCodec();
    const id = await codec.registerForeign('salesforce.raw', JSON.stringify(foreign), 'ContactChangeEvent');
    expect(await codec.registerForeign('salesforce.raw', JSON.stringify(foreign), 'ContactChangeEvent')).toBe(id);
    // 2^53 + 1 as an Avro long: zigzag, seven bits at a time.
    const datum = Buffer.from([0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]);
    const bytes = codec.frame(id, datum);
    expect(bytes.subarray(5)).toEqual(datum);
    const decoded = codec.decode(bytes);
    expect(decoded).toMatchObject({ schema: 'ContactChangeEvent', foreign: true, definition: foreign });
    expect({ ...decoded.value }).toEqual({ commitNumber: 2n ** 53n + 1n });
    expect(codec.decode(bytes).definition).toBe(decoded.definition);
  });

  test('reads what an older version of ours wrote', () => {
    const book = createBook();
    book.addOwn('salesforce.raw', 'SourceMark', 1);
    const now = ownSchema('SourceMark') as { fields: { name: string }[] };
    book.addWriter(2, { ...now, fields: now.fields.filter(({ name }) => name !== 'certificate') });
    const bytes = book.codec.encode('salesforce.raw', 'SourceMark', mark);
    const older = Buffer.from(bytes.subarray(0, -1));
    older.writeInt32BE(2, 1);
    expect({ ...book.codec.decode(older).value }).toEqual(mark);
  });
});

function changeOf(value: SourceMark): object {
  return {
    kind: 'mark',
    source: null,
    observation: null,
    result: null,
    epoch: null,
    mark: value,
    config: null,
    action: null,
  };
}

describe('loading writers’ schemas', () => {
  test('asks once for an id, however many records carry it and however many ask at once', async () => {
    const asked: number[] = [];
    const book = createBook();
    const prepare = createLoader(book, async (id) => {
      asked.push(id);
      return foreign;
    });
    await Promise.all([prepare([framed(7), framed(7), null]), prepare([framed(7), framed(8)])]);
    await prepare([framed(7), framed(8)]);
    expect(asked.toSorted((a, b) => a - b)).toEqual([7, 8]);
  });

  test('asks again for an unknown id only after a minute', async () => {
    let now = 0;
    let asked = 0;
    const prepare = createLoader(
      createBook(),
      async () => {
        asked += 1;
        return undefined;
      },
      () => now,
    );
    for (now of [0, 1, 59_999]) await prepare([framed(7)]);
    expect(asked).toBe(1);
    now = 60_000;
    await prepare([framed(7)]);
    expect(asked).toBe(2);
  });

  test('a registry that is away is an error to wait for, not an unknown id', async () => {
    let away = true;
    const book = createBook();
    const prepare = createLoader(book, async () => {
      if (away) throw new Error('away');
      return foreign;
    });
    await expect(prepare([framed(7)])).rejects.toThrow('away');
    away = false;
    await prepare([framed(7)]);
    expect(book.has(7)).toBe(true);
  });
});
