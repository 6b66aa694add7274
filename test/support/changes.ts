/** Builders of changes, with only what a test cares about. */
import type { Change, Command, Epoch, Observation, Result, Value } from '../../schemas/types.ts';
import { change } from './fold-runner.ts';

type Fields = Readonly<Record<string, Value>>;

export const second = 1_790_000_000;

/** A Salesforce change event: only the fields that changed. */
export function event(ref: string, fields: Fields, at: number, seq: number, more: Partial<Observation> = {}): Change {
  const observation: Observation = {
    ref,
    op: 'seen',
    via: 'event',
    whole: false,
    created: false,
    fields,
    unknown: [],
    at: { time: (second + at) * 1000, seq, second: true },
    modified: null,
    origin: null,
    by: null,
    transaction: null,
    into: null,
    ...more,
  };
  return change({
    kind: 'observation',
    observation,
    source: { topic: 'salesforce.raw', partition: 0, offset: seq, index: 0 },
  });
}

export const createdEvent = (ref: string, fields: Fields, at: number, seq: number): Change =>
  event(ref, fields, at, seq, { whole: true, created: true });

/** A row read over REST. */
export const row = (ref: string, fields: Fields, at: number): Change =>
  event(ref, fields, at, -1, { via: 'read', whole: true, modified: (second + at) * 1000 });

export const deletedEvent = (ref: string, at: number, seq: number): Change =>
  event(ref, {}, at, seq, { op: 'deleted' });

export const mark = (upTo: number, platform: 'salesforce' | 'intercom' = 'salesforce'): Change =>
  change({ kind: 'mark', mark: { platform, kind: 'mark', upTo: (second + upTo) * 1000, detail: '' } });

export const snapshotComplete = (platform: 'salesforce' | 'intercom', detail: string): Change =>
  change({ kind: 'mark', mark: { platform, kind: 'snapshotComplete', upTo: second * 1000, detail } });

export const epoch = (
  partition: number,
  id: string,
  n: number,
  window: number,
  bulkWindow = window,
  platform: Epoch['platform'] = 'intercom',
): Change => {
  const value: Epoch = { platform, partition, epoch: id, n, window, bulkWindow, reason: '' };
  return change({ kind: 'epoch', epoch: value });
};

export function result(command: Command, partition: number, more: Partial<Result>): Change {
  const value: Result = {
    command: command.id,
    platform: command.platform,
    partition,
    epoch: command.epoch,
    ref: command.ref,
    outcome: 'applied',
    returned: null,
    platformTime: 0,
    refusals: [],
    doubt: false,
    sentAt: 0,
    calls: 1,
    into: null,
    ...more,
  };
  return change({ kind: 'result', result: value });
}
