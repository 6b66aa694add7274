/**
 * What an Intercom notification tells, record by record. Pure; the receiver asks it what to write, and decode asks it
 * again what was written, so that a notification has one reading.
 *
 * told: a record of which the notification says enough. owed: one of which it says only that something happened; it has
 * to be read over REST. Topics are judged by what they carry rather than by a list: there are new ones in every version,
 * and a topic with a whole contact in it says as much as `contact.user.updated` does.
 */
import { TributaryError } from '../../core/errors.ts';
import { isRecord, type Json } from '../../core/json.ts';
import { embeddedIds, instant, parseJson } from './intercom-json.ts';

/** The envelope, `notification_event`, as far as it is used. */
export interface Notification {
  /** `notif_…`; null for a ping. The first key to know a repeated delivery by. */
  readonly id: string | null;
  /** `app_id`: the id code of the workspace. */
  readonly workspace: string;
  readonly topic: string;
  /** When it happened, ms; whole seconds. */
  readonly createdAt: number;
  readonly item: Json;
}

export type Told =
  | {
      /** restored: back from the archive. */
      readonly kind: 'seen' | 'created' | 'restored';
      readonly object: 'contact' | 'company';
      readonly id: string;
      readonly json: Json;
    }
  /** Archived counts as gone: it holds its address, but is in no list and takes no write. */
  | { readonly kind: 'gone'; readonly object: 'contact' | 'company'; readonly id: string }
  | { readonly kind: 'merged'; readonly object: 'contact'; readonly id: string; readonly into: string };

/** What has to be read. merges: who was merged into the contact. admins: all of them, `id` is empty. */
export interface Owing {
  readonly what: 'contact' | 'company' | 'merges' | 'admins';
  readonly id: string;
  /** Whoever has been told of the record need not read it: nothing of it changed. */
  readonly unlessTold?: boolean;
}

export interface Tellings {
  readonly told: readonly Told[];
  readonly owed: readonly Owing[];
}

const undecodable = (text: string): TributaryError => new TributaryError('PAYLOAD_UNDECODABLE', text);

/** @throws TributaryError PAYLOAD_UNDECODABLE */
export function readNotification(bytes: Buffer): Notification {
  const json = parseJson(bytes);
  if (!isRecord(json) || json['type'] !== 'notification_event') throw undecodable('the body is no notification_event');
  const { topic, app_id: workspace, id, data } = json;
  if (typeof topic !== 'string' || topic === '') throw undecodable('a notification without a topic');
  if (typeof workspace !== 'string' || workspace === '') throw undecodable('a notification without an app_id');
  const item = isRecord(data) ? data['item'] : undefined;
  if (!isRecord(item)) throw undecodable(`a notification of ${topic} without an item`);
  const created = instant(json['created_at']);
  if (created === undefined && topic !== 'ping') throw undecodable(`a notification of ${topic} without created_at`);
  return { id: typeof id === 'string' ? id : null, workspace, topic, createdAt: created?.ms ?? 0, item };
}

/**
 * Topics of the API 1.x, where `contact` means a lead and `user` a person: an app that is set to it would tell of nobody
 * under the names of today.
 */
const legacy = /^(?:user\.|contact\.(?:created|updated|signed_up|added_email|tag\.))/;
const creations: ReadonlySet<string> = new Set(['contact.user.created', 'contact.lead.created', 'company.created']);
/** Documented and seen spellings differ. */
const ends: ReadonlySet<string> = new Set([
  'contact.deleted',
  'contact.archived',
  'contact.archive',
  'company.deleted',
]);
const returns: ReadonlySet<string> = new Set(['contact.unarchive', 'contact.unarchived']);
const staffing: ReadonlySet<string> = new Set(['admin.added_to_workspace', 'admin.removed_from_workspace']);
const nothing: Tellings = { told: [], owed: [] };

/** @throws TributaryError PAYLOAD_UNDECODABLE where the topic is about a record and none is named */
export function tellingsOf({ topic, item }: Notification): Tellings {
  if (legacy.test(topic)) throw undecodable(`${topic} is a topic of the API 1.x: set the app to 2.14 or later`);
  if (staffing.has(topic)) return { told: [], owed: [{ what: 'admins', id: '' }] };
  if (topic === 'company.contact.attached') return membership(item, true);
  if (topic === 'company.contact.detached') return membership(item, false);
  if (topic === 'contact.merged') return merge(item);
  if (topic.startsWith('contact.') || topic === 'visitor.signed_up') return record('contact', topic, item);
  return topic.startsWith('company.') ? record('company', topic, item) : nothing;
}

function record(object: 'contact' | 'company', topic: string, item: Json): Tellings {
  // Tags and subscriptions hold the contact they are about.
  const held = item[object];
  const json = isRecord(held) ? held : item;
  const id = idOf(object, json);
  if (ends.has(topic) || json['archived'] === true || json['deleted'] === true)
    return { told: [{ kind: 'gone', object, id }], owed: [] };
  const kind = creations.has(topic) ? 'created' : returns.has(topic) ? 'restored' : 'seen';
  if (isDated(json)) return { told: [{ kind, object, id, json }], owed: [] };
  // Nothing that is kept in step depends on a tag.
  return topic.includes('.tag.') ? nothing : { told: [], owed: [{ what: object, id }] };
}

/** The survivor comes before the one that it took in: a record is to be known before another one lives on as it. */
function merge(item: Json): Tellings {
  const into = idOf('contact', item);
  const from = isRecord(item['merged_from']) ? item['merged_from']['id'] : undefined;
  const named = typeof from === 'string' && from !== '' && from !== into;
  const survivor: readonly Told[] = isDated(item) ? [{ kind: 'seen', object: 'contact', id: into, json: item }] : [];
  const loser: readonly Told[] = named ? [{ kind: 'merged', object: 'contact', id: from, into }] : [];
  const unread: readonly Owing[] = survivor.length === 0 ? [{ what: 'contact', id: into }] : [];
  // `merged_from` is documented and was missing in what was seen.
  const unnamed: readonly Owing[] = named ? [] : [{ what: 'merges', id: into }];
  return { told: [...survivor, ...loser], owed: [...unread, ...unnamed] };
}

/**
 * Who belongs to which company stands in the contact. Its list is believed where it agrees with the topic: nowhere is it
 * said whether the contact is shown as before or as after. The company lacks half of its fields here, and is not told.
 */
function membership({ company, contact }: Json, attached: boolean): Tellings {
  if (!isRecord(company) || !isRecord(contact)) throw undecodable('a membership without its company or its contact');
  const id = idOf('contact', contact);
  const companyId = idOf('company', company);
  const companies = embeddedIds(contact['companies']);
  // Cut at ten, the list says nothing either way, here and over REST.
  const cut = isRecord(contact['companies']) && contact['companies']['has_more'] === true;
  const agrees = companies?.includes(companyId) === attached;
  const unread: readonly Owing[] =
    attached && isFirst(company) ? [{ what: 'company', id: companyId, unlessTold: true }] : [];
  if (isDated(contact) && (agrees || cut))
    return { told: [{ kind: 'seen', object: 'contact', id, json: contact }], owed: unread };
  return { told: [], owed: [...unread, { what: 'contact', id }] };
}

/**
 * A company without people is in no list, so nobody may have read it before the first joins. Whether `user_count` counts
 * the one who joins is not said: one person counted is read too, as is a company that does not say.
 */
const isFirst = ({ user_count: people }: Json): boolean => typeof people !== 'number' || people <= 1;

function idOf(object: string, { id }: Json): string {
  if (typeof id !== 'string' || id === '') throw undecodable(`a notification of a ${object} without an id`);
  return id;
}

/** A record says of which moment it speaks; what does not is a reference. */
const isDated = (json: Json): boolean => instant(json['updated_at']) !== undefined;
