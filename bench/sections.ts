/** Every section, in the order in which they run. A new one is its line here. */
import { passThrough } from './pass-through.ts';
import type { Section } from './section.ts';

export const sections: readonly Section[] = [passThrough];
