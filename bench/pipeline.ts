/** The whole pipeline: doubles of both platforms, the roles as processes of their own, and a look into the topics. */
import { World as Platforms } from '../cli/demo/world.ts';
import type { Bench } from './section.ts';
import { type World as Servers, withWorld } from './world.ts';

/** All there are: each is started as a process of its own. */
export const roles = [
  'connect-salesforce',
  'connect-intercom',
  'decode',
  'unify',
  'sink-intercom',
  'sink-salesforce',
] as const;

export interface Pipeline {
  readonly platforms: Platforms;
  readonly kafka: Servers['kafka'];
  readonly codec: Servers['codec'];
}

/** What is sent to Intercom's double, and by it, is limited by neither: a quota is a section of its own. */
const generous = 200_000;

/** `bothWays`: Intercom is read and Salesforce is written, too; without it, as by default, neither. */
export async function withPipeline<T>(
  bench: Bench,
  bothWays: boolean,
  work: (pipeline: Pipeline) => Promise<T>,
): Promise<T> {
  const { servers, signal } = bench;
  const log = (line: string): void => bench.log(line);
  const prefix = bench.prefix();
  return withWorld({ servers, prefix }, async ({ kafka, codec }) => {
    const env = { TRIBUTARY_PREFIX: prefix };
    const platforms = await Platforms.start({ seed: 1, log, signal, bothWays, servers, env });
    let failed = true;
    try {
      await platforms.limitIntercom(generous);
      const result = await work({ platforms, kafka, codec });
      failed = false;
      return result;
    } finally {
      await platforms.stop(failed && !signal.aborted);
    }
  });
}
