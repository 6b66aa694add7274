/** Intercom's JSON, as far as REST and webhooks share it. */
import { TributaryError } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { parseDateTime } from './time.ts';

/** @throws TributaryError PAYLOAD_UNDECODABLE */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new TributaryError('PAYLOAD_UNDECODABLE', 'the body of an Intercom record is not JSON', { cause });
  }
}

/** Unix seconds or ISO text → ms; undefined when it is neither. */
export function instant(value: unknown): { readonly ms: number; readonly second: boolean } | undefined {
  if (typeof value === 'number') {
    const ms = value * 1000;
    return Number.isSafeInteger(ms) ? { ms, second: true } : undefined;
  }
  if (typeof value !== 'string') return undefined;
  const ms = parseDateTime(value);
  return ms === undefined ? undefined : { ms, second: false };
}

/** Ids of an embedded list, sorted; undefined where the list is cut (at 10, `has_more`), is not there, or is of something else. */
export function embeddedIds(list: unknown): readonly string[] | undefined {
  if (!isRecord(list) || !Array.isArray(list['data']) || list['has_more'] === true) return undefined;
  const ids: string[] = [];
  for (const entry of list['data']) {
    if (!isRecord(entry) || typeof entry['id'] !== 'string') return undefined;
    ids.push(entry['id']);
  }
  return ids.sort();
}
