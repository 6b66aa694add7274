/**
 * One call from request to answer, without a socket: a pure function of the workspace, the request and its time. What
 * the platform refuses becomes its error list here and nowhere else.
 */
import { isRecord } from './fields.ts';
import { findRoute, type Reply, type Workspace } from './routes.ts';
import { Refusal, refusals } from './types.ts';
import { atLeast, isVersion } from './versions.ts';

export interface Request {
  readonly method: string;
  /** With its query: `/contacts/66f1…?include_merge_history=true`. */
  readonly path: string;
  /** Parsed JSON; undefined: no body. */
  readonly body: unknown;
  /** `app`, or the person whose token it is. */
  readonly client: string;
  /** `Intercom-Version`. */
  readonly version: string;
  /** Clock of the platform, ms. */
  readonly now: number;
}

export interface Answer {
  readonly status: number;
  /** Besides those that every answer has. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
  readonly objectId?: string;
  readonly changed?: readonly string[];
}

/** Who the answer is for: the version decides what a refusal looks like. */
export interface Asker {
  readonly version: string;
  readonly requestId: string | null;
}

/** @param requestId What an error list is to carry; null is one of the platform's own spellings. */
export const answerCall = (workspace: Workspace, request: Request, requestId: string | null = null): Answer =>
  answer(() => perform(workspace, request), { version: request.version, requestId });

/** Runs a call; whatever is no Refusal is a defect of the twin and thrown on. */
export function answer(call: () => Reply, asker: Asker): Answer {
  try {
    return { status: 200, headers: {}, ...call() };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refused(asShown(error, asker.version), asker.requestId);
  }
}

/** @throws Refusal */
export function perform(workspace: Workspace, request: Request): Reply {
  const { method, path, version, client, now, body = {} } = request;
  if (!isVersion(version))
    throw new Refusal(400, 'intercom_version_invalid', 'The requested version could not be found');
  const [pathname = '', query] = path.split('?', 2);
  const handle = findRoute(method, pathname);
  if (handle === undefined) throw refusals.routeNotFound();
  if (!isRecord(body)) throw new Refusal(400, 'bad_request', 'The body must be a JSON object');
  return handle({ ...workspace, client, version, now, query: new URLSearchParams(query), body });
}

/** Before 2.16 a contact that was merged away is one that is not there. */
const asShown = (refusal: Refusal, version: string): Refusal =>
  refusal.survivor !== undefined && !atLeast(version, '2.16') ? refusals.contactNotFound() : refusal;

function refused({ status, code, message, field, survivor }: Refusal, requestId: string | null): Answer {
  return {
    status,
    headers: survivor === undefined ? {} : { Link: `</contacts/${survivor}>; rel="canonical"` },
    body: {
      type: 'error.list',
      request_id: requestId,
      errors: [{ code, message, ...(field !== undefined && { field }) }],
    },
  };
}
