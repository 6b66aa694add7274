/** Carries a sink's decision out at once: no clock, no socket; what it asked and how it paused is remembered. */
import { Interrupted } from '../../core/sink-state.ts';
import type { Step } from '../../sinks/step.ts';

export interface Carried<Request, Answer> {
  readonly answer: Answer;
  readonly requests: readonly Request[];
  readonly lanes: readonly string[];
  readonly pauses: readonly { readonly ms: number; readonly code: string | null }[];
}

/** A step that cannot be begun any more. */
export const interrupt = Symbol('interrupt');

/** @param respond the verdict on a request, the `n`-th one, counted from 0 */
export function carryOut<Request, Answer, Verdict>(
  decision: Generator<Step<Request>, Answer, Verdict>,
  respond: (request: Request, n: number) => Verdict | typeof interrupt,
  pause: (ms: number) => void | typeof interrupt = () => undefined,
): Carried<Request, Answer> {
  const requests: Request[] = [];
  const lanes: string[] = [];
  const pauses: { ms: number; code: string | null }[] = [];
  let at = decision.next();
  for (let steps = 0; !at.done; steps++) {
    if (steps > 10_000) throw new Error('a decision without an end');
    const step = at.value;
    if (step.kind === 'pause') {
      pauses.push({ ms: step.ms, code: step.code });
      at = pause(step.ms) === interrupt ? decision.throw(new Interrupted()) : decision.next();
      continue;
    }
    const verdict = respond(step.request, requests.length);
    if (verdict === interrupt) {
      at = decision.throw(new Interrupted());
      continue;
    }
    requests.push(step.request);
    lanes.push(step.lane);
    at = decision.next(verdict);
  }
  return { answer: at.value, requests, lanes, pauses };
}
