/**
 * What the receiver of Intercom's notifications decides. Pure: bytes in, records of `intercom.raw` or a refusal out.
 *
 * A signed notification is never answered with an error: Intercom would send it once more and then lose it for ever.
 * What cannot be read goes to the dead letters.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { TributaryError } from '../../core/errors.ts';
import { type Owing, readNotification, tellingsOf } from '../../processors/decode/intercom-webhook.ts';
import type { RawRecord } from '../../schemas/types.ts';

export interface Accepted {
  readonly kind: 'accepted';
  /** Null for a ping. A repeated delivery has the same one, as far as is known; telling twice changes nothing. */
  readonly notificationId: string | null;
  readonly topic: string;
  /** When it happened, ms of the platform's clock; whole seconds. 0 for a ping that does not say. */
  readonly createdAt: number;
  /** Empty where the topic is about nothing that is read: a ping, a conversation, an article. */
  readonly records: readonly RawRecord[];
  /** What has to be read over REST, because the notification does not say it. */
  readonly owed: readonly Owing[];
}

export interface Rejected {
  readonly kind: 'rejected';
  /** PAYLOAD_UNDECODABLE, or PLATFORM_OTHER_ORG: a public app is told of every workspace that installed it. */
  readonly error: TributaryError;
}

const signature = /^sha1=([0-9a-f]{40})$/i;

export const hasSignatureForm = (header: string | undefined): boolean => signature.test(header ?? '');

/** `X-Hub-Signature`: HMAC-SHA1 of the body's very bytes under the app's client secret. In constant time. */
export function verifySignature(secret: string, bytes: Buffer, header: string | undefined): boolean {
  const digest = createHmac('sha1', secret).update(bytes).digest();
  const told = signature.exec(header ?? '')?.[1];
  return told !== undefined && timingSafeEqual(digest, Buffer.from(told, 'hex'));
}

/** `workspace`: the id code that the deployment is pinned to. */
export function acceptNotification(bytes: Buffer, workspace: string): Accepted | Rejected {
  try {
    const notification = readNotification(bytes);
    if (notification.workspace !== workspace) {
      const text = `a notification of workspace ${notification.workspace}, this deployment is pinned to ${workspace}`;
      return { kind: 'rejected', error: new TributaryError('PLATFORM_OTHER_ORG', text, { field: 'app_id' }) };
    }
    const { told, owed } = tellingsOf(notification);
    const { id, topic, createdAt } = notification;
    const records = told.map(({ kind, object, id: recordId }): RawRecord => {
      const deleted = kind === 'gone' || kind === 'merged';
      // The same bytes for each: what became of a record stands in the envelope, and was signed with it.
      return { platform: 'intercom', reason: 'webhook', object, recordId, deleted, takenAt: createdAt, body: bytes };
    });
    return { kind: 'accepted', notificationId: id, topic, createdAt, records, owed };
  } catch (error) {
    const ours = TributaryError.from(error);
    if (ours.code !== 'PAYLOAD_UNDECODABLE') throw ours;
    return { kind: 'rejected', error: ours };
  }
}
