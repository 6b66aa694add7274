import { expect, it } from 'vitest';
import { method } from '../../../connectors/salesforce/pubsub.ts';

it('asks for CUSTOM by the number 2: a preset that came out as 0 would be LATEST and lose everything since', () => {
  const bytes = method('Subscribe').requestSerialize({
    topicName: '/t',
    replayPreset: 'CUSTOM',
    replayId: Buffer.from([0, 1, 255]),
    numRequested: 100,
  });
  // Field 1 "/t", field 2 varint 2, field 3 three bytes, field 4 varint 100.
  expect([...bytes]).toEqual([0x0a, 2, 0x2f, 0x74, 0x10, 2, 0x1a, 3, 0, 1, 255, 0x20, 100]);
});
