import { describe, expect, it } from 'vitest';
import type { PipeRecord } from '../../../core/pipe.ts';
import { decodeStep } from '../../../processors/decode/index.ts';
import { contactSchema, eventValue } from './change-events.ts';

const record = (part: Partial<PipeRecord>): PipeRecord => ({
  topic: 'salesforce.raw',
  partition: 0,
  offset: 4,
  time: 0,
  key: null,
  headers: {},
  schema: '',
  value: {},
  foreign: false,
  definition: null,
  ...part,
});
const mark = { platform: 'salesforce', kind: 'mark', upTo: 1000, detail: '' };

describe('the step of the decode role', () => {
  it("hands on each record of a platform under its ref, marks under the platform's own key", () => {
    const ids = ['003Dp00000A1b2CIAR', '003Dp00000A1b2DIAR'];
    const value = eventValue(contactSchema, { header: { recordIds: ids, changeType: 'DELETE' } });
    const event = { schema: 'ContactChangeEvent', foreign: true, definition: contactSchema, value };
    expect(decodeStep(record(event))).toMatchObject({
      emit: ids.map((id, index) => ({
        topic: 'changes',
        schema: 'Change',
        key: `salesforce:Contact:${id}`,
        value: { kind: 'observation', source: { topic: 'salesforce.raw', offset: 4, index } },
      })),
    });
    expect(decodeStep(record({ schema: 'SourceMark', value: mark }))).toMatchObject({
      emit: [{ key: 'mark:salesforce', value: { kind: 'mark', mark } }],
    });
    expect(decodeStep(record({ topic: 'intercom.raw', schema: 'SourceMark', value: mark }))).toMatchObject({
      emit: [{ value: { source: { topic: 'intercom.raw' } } }],
    });
  });

  it('knows multi-selects by the header of their row', () => {
    const body = Buffer.from(JSON.stringify({ Id: 'x', Languages__c: 'b;a', Title: 'c;b' }));
    const value = { object: 'Contact', recordId: 'x', deleted: false, takenAt: 0, body };
    const headers = { 'multi-select': Buffer.from('Languages__c,Other__c') };
    expect(decodeStep(record({ schema: 'RawRecord', value, headers }))).toMatchObject({
      emit: [{ value: { observation: { fields: { Languages__c: ['a', 'b'], Title: 'c;b' } } } }],
    });
  });

  it('refuses what has no place in a raw topic', () => {
    const refused = expect.objectContaining({ code: 'PAYLOAD_UNDECODABLE' });
    expect(() => decodeStep(record({ schema: 'Change' }))).toThrow(refused);
    expect(() => decodeStep(record({ topic: 'intercom.raw', foreign: true, definition: contactSchema }))).toThrow(
      refused,
    );
    expect(() => decodeStep(record({ topic: 'journal' }))).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});
