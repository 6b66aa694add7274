/** The companies scroll: one at a time per app, forgotten after a minute, ended by an empty page. */
import { type Company, Refusal } from './types.ts';

const pageLength = 100;
const idleMs = 60_000;

interface Scroll {
  readonly param: string;
  readonly rest: readonly Company[];
  readonly touched: number;
}

export class Scrolls {
  readonly #byClient = new Map<string, Scroll>();
  readonly #newParam: () => string;

  constructor(newParam: () => string) {
    this.#newParam = newParam;
  }

  next(
    client: string,
    param: string | null,
    companies: readonly Company[],
    now: number,
  ): { readonly param: string; readonly page: readonly Company[] } {
    const known = this.#byClient.get(client);
    const live = known !== undefined && now - known.touched < idleMs ? known : undefined;
    if (param === null && live !== undefined)
      throw new Refusal(400, 'scroll_exists', 'scroll already exists for this workspace');
    if (param !== null && param !== live?.param) throw new Refusal(404, 'not_found', 'scroll parameter not found');
    const scroll = live ?? { param: this.#newParam(), rest: companies, touched: now };
    const page = scroll.rest.slice(0, pageLength);
    if (page.length === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, { ...scroll, rest: scroll.rest.slice(pageLength), touched: now });
    return { param: scroll.param, page };
  }
}
