/**
 * Histories that each attack one rule: nothing else notices when it is gone (prove/). Kept as those of `seeds.ts` are; they
 * never broke a promise.
 */
import type { Kept } from './seeds.ts';

export const attacks: readonly Kept[] = [
  {
    shows: 'what a call in doubt had asked is somebody’s edit again when two minutes have passed',
    seed: 3,
    faults: ['5xx'],
    people: [{ salesforce: true }],
    actions: [
      { at: 3000, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A1' },
      { at: 20000, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A2' },
      { at: 193058, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A1' },
    ],
  },
  {
    shows: 'who is on the side without a say alone says what stands there',
    seed: 1,
    faults: ['oneway'],
    people: [{ salesforce: true }],
    actions: [
      { at: 500, do: 'create', who: 1, on: 'intercom' },
      { at: 3000, do: 'edit', who: 1, on: 'intercom', field: 'title', value: 'p1 title A1' },
    ],
  },
  {
    shows: 'who was deleted while nobody listened is not created again where a call finds them gone',
    seed: 1,
    faults: [],
    people: [{ intercom: true }],
    actions: [
      { at: 3000, do: 'away', forMs: 4957 },
      { at: 3265, do: 'delete', who: 0, on: 'intercom' },
      { at: 19896, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A1' },
    ],
  },
  {
    shows: 'a contact that somebody enters just before ours is made is found and not made twice',
    seed: 18,
    faults: ['delay'],
    people: [{ intercom: true }],
    actions: [
      { at: 1000, do: 'create', who: 1, on: 'intercom' },
      { at: 16496, do: 'create', who: 1, on: 'salesforce' },
    ],
  },
  {
    shows: 'the owner’s value counts over a newer one that was entered before the owner had a record',
    seed: 3,
    faults: ['delay', 'skew'],
    people: [{ salesforce: true }],
    actions: [
      { at: 1000, do: 'create', who: 1, on: 'intercom' },
      { at: 1000, do: 'create', who: 1, on: 'salesforce' },
      { at: 3046, do: 'edit', who: 1, on: 'intercom', field: 'phone', value: 'p1 phone A2' },
      { at: 3732, do: 'edit', who: 1, on: 'salesforce', field: 'phone', value: 'p1 phone A1' },
    ],
  },
  {
    shows: 'a command that was given to the sink before and comes once more is not carried out by its successor',
    seed: 16,
    faults: ['restart', 'duplicate'],
    people: [{ salesforce: true }, { salesforce: true }],
    actions: [
      { at: 4715, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A1' },
      { at: 6976, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A2' },
      { at: 9293, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A3' },
      { at: 12887, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A4' },
      { at: 16053, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A5' },
      { at: 18554, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A6' },
    ],
  },
  {
    shows: 'a reading of the very second ends a tie: it is not made again for ever',
    seed: 25,
    faults: ['disorder'],
    people: [{ salesforce: true }],
    actions: [
      { at: 3000, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A1' },
      { at: 3639, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A2' },
    ],
  },
  {
    shows: 'who is merged while each is being created has the record that was made for the other',
    seed: 12,
    faults: ['tight'],
    people: [{ salesforce: true }],
    actions: [
      { at: 1000, do: 'create', who: 1, on: 'salesforce' },
      { at: 1203, do: 'create', who: 2, on: 'salesforce' },
      { at: 18936, do: 'merge', who: 1, loser: 2, on: 'salesforce' },
    ],
  },
  {
    shows: 'a reading that a notification has overtaken is made once more',
    seed: 9,
    faults: ['slow'],
    people: [{ salesforce: true }],
    actions: [
      { at: 3122, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A1' },
      { at: 3167, do: 'operate', verb: 'resync', who: 0, on: 'intercom' },
      { at: 3650, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A3' },
    ],
  },
  {
    shows: 'who edits in the second of our call, and is read before the stream tells of it, is no outcome of ours',
    seed: 9,
    faults: ['delay'],
    people: [{ salesforce: true }],
    actions: [
      { at: 3000, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A1' },
      { at: 7274, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A2' },
      { at: 7745, do: 'operate', verb: 'resync', who: 0, on: 'salesforce' },
    ],
  },
  {
    shows: 'the event of our create does not end a write that was asked after it',
    seed: 11,
    faults: ['slow', 'delay'],
    people: [{ salesforce: true }],
    actions: [
      { at: 1000, do: 'create', who: 1, on: 'intercom' },
      { at: 14810, do: 'edit', who: 1, on: 'intercom', field: 'title', value: 'p1 title A1' },
    ],
  },
  {
    shows: 'a write that changes nothing for what a flow makes of it is known for what it is',
    seed: 2,
    faults: ['norm'],
    people: [{ salesforce: true }],
    actions: [
      { at: 3000, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A1' },
      { at: 100000, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department a1' },
    ],
  },
  {
    shows: 'a notification that comes after that of the deletion brings nobody back',
    seed: 3,
    faults: ['delay', 'disorder'],
    people: [{ salesforce: true }],
    actions: [
      { at: 3000, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A1' },
      { at: 5453, do: 'delete', who: 0, on: 'intercom' },
    ],
  },
  {
    shows: 'a deletion that is told again ends nobody who was brought back',
    seed: 8,
    faults: ['undelete'],
    people: [{ intercom: true }],
    actions: [
      { at: 3000, do: 'delete', who: 0, on: 'intercom' },
      { at: 5188, do: 'undelete', who: 0, on: 'intercom' },
      { at: 46188, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 104 },
    ],
  },
  {
    shows: 'the answer to a write of a record that was merged meanwhile ends it',
    seed: 1,
    faults: ['slow'],
    people: [{ salesforce: true }, { salesforce: true }],
    actions: [
      { at: 3020, do: 'edit', who: 1, on: 'intercom', field: 'seats', value: 101 },
      { at: 7989, do: 'merge', who: 0, loser: 1, on: 'intercom' },
    ],
  },
  {
    shows: 'who was brought back and is written to before the deletion is told is there',
    seed: 8,
    faults: ['undelete', 'delay', 'disorder', 'slow'],
    people: [{ salesforce: true }],
    actions: [
      { at: 3000, do: 'delete', who: 0, on: 'intercom' },
      { at: 3686, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A1' },
      { at: 5436, do: 'undelete', who: 0, on: 'intercom' },
    ],
  },
  {
    shows: 'what a sink that was killed had begun is known for ours when it is carried out late',
    seed: 11,
    faults: ['restart', 'slow'],
    people: [{ salesforce: true }],
    actions: [
      { at: 4291, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A1' },
      { at: 10953, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A3' },
      { at: 13167, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A4' },
    ],
  },
  {
    shows: 'a reading that waited too long for the budget is made all the same',
    seed: 10,
    faults: ['tight', 'disorder'],
    people: [{ salesforce: true, intercom: true }],
    actions: [
      { at: 30000, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A1' },
      { at: 30713, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department A2' },
      { at: 31500, do: 'exhaust', on: 'intercom', forMs: 30000 },
      { at: 59000, do: 'exhaust', on: 'intercom', forMs: 30000 },
    ],
  },
  {
    shows: 'what a search did not show yet is found by the next',
    seed: 21,
    faults: ['lost'],
    people: [{ salesforce: true }],
    actions: [
      { at: 3000, do: 'away', forMs: 523 },
      { at: 57353, do: 'edit', who: 0, on: 'intercom', field: 'seats', value: 107 },
      { at: 62676, do: 'edit', who: 0, on: 'intercom', field: 'title', value: 'p0 title A7' },
    ],
  },
  {
    shows: 'who belongs to a company that only Intercom has goes on to, whatever account Salesforce gives them',
    seed: 1,
    faults: ['oneway'],
    people: [{ salesforce: true, intercom: true, company: 0 }],
    companies: [{ on: 'intercom' }, { on: 'salesforce' }],
    actions: [{ at: 3000, do: 'move', who: 0, on: 'salesforce', company: 1 }],
  },
  {
    shows: 'an edit that a write of ours overtook does not win over one that was entered later',
    seed: 16,
    faults: [],
    people: [{ salesforce: true }],
    actions: [
      { at: 500, do: 'edit', who: 0, on: 'salesforce', field: 'lastName', value: 'p0 lastName a5' },
      { at: 842, do: 'edit', who: 0, on: 'intercom', field: 'lastName', value: 'p0 lastName a4' },
      { at: 37867, do: 'edit', who: 0, on: 'salesforce', field: 'lastName', value: 'p0 lastName A1' },
    ],
  },
  {
    shows: 'what a row read for a gap shows is as new as the reading, where the clocks differ as well',
    seed: 23,
    faults: ['skew'],
    people: [{ salesforce: true }],
    actions: [
      { at: 3000, do: 'gap', who: 0 },
      { at: 3766, do: 'edit', who: 0, on: 'intercom', field: 'department', value: 'p0 department a5' },
      { at: 4856, do: 'edit', who: 0, on: 'salesforce', field: 'department', value: 'p0 department A4' },
    ],
  },
  {
    shows: 'who has a value that Salesforce refuses is created without it',
    seed: 1,
    faults: ['refuse'],
    people: [{ salesforce: true }],
    actions: [
      { at: 500, do: 'create', who: 1, on: 'intercom' },
      { at: 800, do: 'edit', who: 1, on: 'intercom', field: 'department', value: 'p1 department A7' },
    ],
  },
];
