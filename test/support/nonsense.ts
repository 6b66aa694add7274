/** What a platform answers that is not itself: a proxy's page, half an answer, JSON of something else. */
import type { ServerResponse } from 'node:http';
import { mostAnswerBytes } from '../../core/unanswered.ts';

export interface Nonsense {
  readonly name: string;
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const json = 'application/json';

/** Of any call. */
export const pages: readonly Nonsense[] = [
  { name: 'an HTML page as a success', status: 200, type: 'text/html', text: '<html><p>Sign in</p></html>' },
  {
    name: 'an HTML page that says not found',
    status: 404,
    type: 'text/html',
    text: '<html><p>Nothing here</p></html>',
  },
  { name: 'an HTML page that forbids', status: 403, type: 'text/html', text: '<html><p>Blocked</p></html>' },
  { name: 'an HTML page that says gone', status: 410, type: 'text/html', text: '<html>' },
  { name: 'an HTML page of a gateway', status: 502, type: 'text/html', text: '<html>' },
  { name: 'a redirection', status: 302, type: 'text/html', text: '' },
  { name: 'half a JSON', status: 200, type: json, text: '{"type":"list","data":[{"id":"66f' },
];

/** Well formed, and longer than anybody should hold in memory. */
export const endless: Nonsense = {
  name: 'an answer without end',
  status: 200,
  type: json,
  text: JSON.stringify({ data: [], filler: 'x'.repeat(mostAnswerBytes) }),
};

/** Of a call that is answered with a list, or with an object that has something in it. */
export const shapes: readonly Nonsense[] = [
  ...['null', '1', '"ok"', '[]', '{}'].map((text) => ({ name: `the JSON ${text}`, status: 200, type: json, text })),
  ...['null', '1', '{}', '[1]', '[null]', '[{}]'].map((value) => ({
    name: `lists that are ${value}`,
    status: 200,
    type: json,
    text: `{${['data', 'admins', 'records', 'fields'].map((name) => `"${name}":${value}`).join()},"done":true,"pages":{}}`,
  })),
];

export const parsed = ({ text }: Nonsense): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export function tell({ status, type, text }: Nonsense, response: ServerResponse): void {
  response.writeHead(status, { 'content-type': type }).end(text);
}
