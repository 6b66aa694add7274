/** The smallest history that still breaks the same promise: fewer actions, people, companies and faults. */
import { type History, type Switch } from './world.ts';

/** @param breaks whether a history still breaks what the first one broke; it is run some hundred times */
export function shrink(history: History, breaks: (candidate: History) => boolean): History {
  let best = history;
  for (let smaller = true; smaller; ) {
    smaller = false;
    for (const candidate of candidates(best)) {
      if (!breaks(candidate)) continue;
      best = candidate;
      smaller = true;
      break;
    }
  }
  return best;
}

/** One thing less, the largest things first. */
function* candidates(history: History): Generator<History> {
  const { actions, people, companies, world } = history;
  for (let size = Math.ceil(actions.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let from = 0; from + size <= actions.length; from += size)
      yield { ...history, actions: [...actions.slice(0, from), ...actions.slice(from + size)] };
  for (const one of world.on) {
    // Not a fault: another deployment.
    if (one === 'oneway') continue;
    const on = new Set<Switch>(world.on);
    on.delete(one);
    yield { ...history, world: { name: [...on].join(','), on } };
  }
  if (history.crowd !== undefined && history.crowd > 0) yield { ...history, crowd: Math.floor(history.crowd / 2) };
  // Only the last, so that nobody changes their number.
  if (people.length > 1) yield { ...history, people: people.slice(0, -1) };
  if (companies.length > 0) yield { ...history, companies: companies.slice(0, -1) };
  for (let who = 0; who < people.length; who++)
    for (const less of [
      { company: null },
      { sharesEmailOf: null },
      { lead: false },
      { visitor: false },
      { intercom: false },
      { salesforce: false },
    ] as const) {
      const person = people[who];
      const [[key, value] = ['', null]] = Object.entries(less);
      // What is not said of somebody is not so.
      if (person === undefined || (person[key as keyof typeof person] ?? (value === false ? false : null)) === value)
        continue;
      const lesser = { ...person, ...less };
      if (!lesser.salesforce && !lesser.intercom) continue;
      yield { ...history, people: people.with(who, lesser) };
    }
}
