/** What a compare-and-set of the mirror does, case by case: the script in Redis and its model are held to the same table. */
import type { Base, Swap } from '../../core/mirror-state.ts';

/** Values are text here, whatever carries them. */
export interface MirrorText {
  readonly position: string;
  readonly base: Base | undefined;
  readonly values: Readonly<Record<string, string>>;
}

export interface SwapCase {
  readonly name: string;
  readonly before: MirrorText;
  readonly swap: Swap<string>;
  /** The position that it answers. */
  readonly at: string;
  readonly after: MirrorText;
}

const stands: MirrorText = {
  position: '7:10:1',
  base: { from: 3, time: 900 },
  values: { 'cur:a': 'one', 'cur:b': 'two' },
};
const empty: MirrorText = { position: '', base: undefined, values: {} };
const entries = new Map<string, string | null>([
  ['cur:a', 'three'],
  ['cur:b', null],
  ['cur:c', 'four'],
]);
const moved: MirrorText = {
  position: '7:20:2',
  base: { from: 5, time: 950 },
  values: { 'cur:a': 'three', 'cur:c': 'four' },
};

export const swaps: readonly SwapCase[] = [
  {
    name: 'moves values, position and base together',
    before: stands,
    swap: { expected: '7:10:1', next: '7:20:2', entries, base: { from: 5, time: 950 } },
    at: '7:20:2',
    after: moved,
  },
  {
    name: 'lets the old base stand where it brings none',
    before: stands,
    swap: { expected: '7:10:1', next: 'rebuild:7-a:0', entries },
    at: 'rebuild:7-a:0',
    after: { ...moved, position: 'rebuild:7-a:0', base: { from: 3, time: 900 } },
  },
  {
    name: 'moves the position alone where there is nothing else',
    before: stands,
    swap: { expected: '7:10:1', next: '7:20:2', entries: new Map() },
    at: '7:20:2',
    after: { ...stands, position: '7:20:2' },
  },
  {
    name: 'does nothing where another position stands, and tells which',
    before: stands,
    swap: { expected: '7:5:0', next: '7:20:2', entries, base: { from: 5, time: 950 } },
    at: '7:10:1',
    after: stands,
  },
  {
    name: 'that was done already, its answer lost, is not done again and tells that it stands',
    before: { ...moved, values: { 'cur:a': 'later' } },
    swap: { expected: '7:10:1', next: '7:20:2', entries, base: { from: 6, time: 990 } },
    at: '7:20:2',
    after: { ...moved, values: { 'cur:a': 'later' } },
  },
  {
    name: 'begins where nothing stands',
    before: empty,
    swap: { expected: '', next: 'rebuild:7-a:0', entries, base: { from: -1, time: 950 } },
    at: 'rebuild:7-a:0',
    after: { ...moved, position: 'rebuild:7-a:0', base: { from: -1, time: 950 } },
  },
  {
    name: 'does nothing where the position was lost',
    before: { ...stands, position: '' },
    swap: { expected: '7:10:1', next: '7:20:2', entries },
    at: '',
    after: { ...stands, position: '' },
  },
  {
    name: 'deletes what is not there',
    before: stands,
    swap: { expected: '7:10:1', next: '7:20:2', entries: new Map([['cur:z', null]]) },
    at: '7:20:2',
    after: { ...stands, position: '7:20:2' },
  },
];
